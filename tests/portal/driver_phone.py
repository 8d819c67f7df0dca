"""A server around the three halves a driver's phone talks to, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from a2wsgi import WSGIMiddleware

from portal.app import create_app
from portal.connections import GivingProtocol
from portal.ingest import IngestApp
from portal.live import LiveApp
from portal.services import Services
from sandbox.world import free_port

PATIENCE_S = 60.0


def at_free_port(environ: dict[str, str]) -> dict[str, str]:
    """Return the environment with its public address at a port of this machine that nobody uses."""
    return {**environ, "PORTAL_PUBLIC_URL": f"http://127.0.0.1:{free_port()}"}


@contextmanager
def serving(services: Services) -> Iterator[str]:
    """Serve at the public address of the services, and yield it."""
    live, ingest, pages = LiveApp(services), IngestApp(services), WSGIMiddleware(create_app(services))
    is_up = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await live.startup()
            await ingest.startup()
            is_up.set()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await live.shutdown()
            await ingest.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["path"].startswith("/ingest/"):
            await ingest(scope, receive, send)
        elif scope["path"].endswith("/live"):
            await live(scope, receive, send)
        else:
            await pages(scope, receive, send)

    config = uvicorn.Config(app, http=GivingProtocol, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    # It listens from here on: a page that is asked for early waits, and is not refused.
    listening = socket.create_server(("127.0.0.1", urlsplit(services.settings.public_url).port))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    assert is_up.wait(PATIENCE_S)
    try:
        yield services.settings.public_url
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()
        pages.executor.shutdown()
