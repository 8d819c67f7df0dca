"""One ASGI application in two halves: streams and positions are asyncio, everything a person reads is Flask."""

import gc
import ipaddress
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from a2wsgi import WSGIMiddleware

from portal import logs
from portal.app import create_app
from portal.entrance import STREAMS
from portal.ingest import IngestApp
from portal.live import LiveApp
from portal.recipient.desk import DESK
from portal.recipient.front import Front
from portal.revision import START_PATIENCE_S, require_current
from portal.security import headers_without_pages
from portal.services import Services, build
from portal.settings import read_settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PAGE_THREADS = 16


class Half(Protocol):
    """An asyncio half: started and stopped with the process."""

    async def startup(self) -> None:
        """Open what it needs."""

    async def shutdown(self) -> None:
        """Hang up and close."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""


class PortalApp:
    """Sends each request to its half, and the two halves' life to the server's.

    ``only`` is ``pages`` or ``live`` to serve one half (behind nginx, so that a deploy of pages drops no stream).
    """

    def __init__(self, services: Services, only: str | None = None) -> None:
        self._live = None if only == "pages" else LiveApp(services)
        self._ingest = None if only == "pages" else IngestApp(services)
        self._pages = None if only == "live" else _bridge(services)
        self._proxies = tuple(ipaddress.ip_network(text) for text in services.settings.trusted_proxies)
        self._headers = headers_without_pages(services.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live_and_die(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        self._correct_addresses(scope)
        half = self._half_for(scope["path"])
        if half is not self._pages or half is None:
            send = _with_headers(send, self._headers)
        if half is None:
            await _answer(send, 404, b"Not found.\n")
            return
        await half(scope, receive, send)

    def _half_for(self, path: str) -> Any:
        if path.endswith("/live") and path.startswith(("/t/", "/d/", "/staff/")):
            return self._live
        if path.startswith("/ingest/"):
            return self._ingest
        return self._pages

    def _correct_addresses(self, scope: Scope) -> None:
        """Take the caller's address from a proxy we trust, from nobody else, and drop headers that could forge one."""
        headers: list[tuple[bytes, bytes]] = [(name, value) for name, value in scope["headers"] if b"_" not in name]
        client = scope.get("client")
        if client and self._proxies and self._is_trusted(client[0]):
            told = dict(headers)
            if forwarded := told.get(b"x-forwarded-for"):
                scope["client"] = (forwarded.decode("latin-1").split(",")[-1].strip(), 0)
            if told.get(b"x-forwarded-proto") in {b"http", b"https"}:
                scope["scheme"] = told[b"x-forwarded-proto"].decode()
        scope["headers"] = [(name, value) for name, value in headers if not name.startswith(b"x-forwarded-")]

    def _is_trusted(self, address: str) -> bool:
        try:
            caller = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(caller in network for network in self._proxies)

    async def _live_and_die(self, scope: Scope, receive: Receive, send: Send) -> None:
        halves: list[Half] = [half for half in (self._live, self._ingest, self._pages) if half is not None]
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                for half in halves:
                    await half.startup()
                if self._live is not None and "state" in scope:
                    scope["state"][STREAMS] = self._live
                gc.collect()
                gc.freeze()  # what was imported stays: looking through it again and again would hold up the streams
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                for half in halves:
                    await half.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _bridge(services: Services) -> Any:
    wsgi_app = create_app(services)

    def with_ended_input(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input_terminated"] = True  # chunked bodies: both servers end the body themselves
        return wsgi_app(environ, start_response)

    bridge = WSGIMiddleware(with_ended_input, workers=PAGE_THREADS)

    async def pages(scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> MutableMapping[str, Any]:  # a coroutine, which granian's own is not
            return await receive()

        await bridge(scope, received, send)  # type: ignore[arg-type]

    return Front(services, wsgi_app.extensions[DESK], pages)


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    """Return ``send`` that adds ``headers`` to an answer, where it does not say them itself."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            said = {name.lower() for name, _ in message["headers"]}
            missing = [(name, value) for name, value in headers if name not in said]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return sent


async def _answer(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def create() -> PortalApp:
    """Return the application of this process's environment: what ``portal web`` hands to the server."""
    logs.configure()
    services = build(read_settings(os.environ))
    require_current(services.database, patience_s=START_PATIENCE_S)
    return PortalApp(services, only=os.environ.get("PORTAL_WEB_ONLY") or None)
