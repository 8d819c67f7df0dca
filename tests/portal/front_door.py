"""What a server answers to recipients without Flask, asked for from code that runs on another loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask

from portal.recipient.desk import DESK
from portal.recipient.front import Front
from portal.services import Services

PAGES = ("", "/status", "/chat", "/place", "/messages", "/rating")


class FrontDoor:
    """Asks ``portal.recipient.front`` as a browser would."""

    def __init__(self, services: Services, app: Flask) -> None:
        self._front = Front(services, app.extensions[DESK], _left_to_flask)
        self._aside = ThreadPoolExecutor(1)

    async def close(self) -> None:
        """Ask nothing more."""
        await self._front.shutdown()
        self._aside.shutdown()

    def ask(self, path: str) -> bytes:
        """Return headers and body of the answer; nothing for what is left to Flask."""
        return self._aside.submit(asyncio.run, self._ask(path)).result()

    async def _ask(self, path: str) -> bytes:
        told = bytearray()

        async def send(message: Any) -> None:
            told.extend(b"\n".join(name + b": " + value for name, value in message.get("headers", ())))
            told.extend(b"\n" + message.get("body", b""))

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await self._front(scope, _nothing, send)
        return bytes(told)


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _left_to_flask(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answer nothing."""
