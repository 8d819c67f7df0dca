"""A real server around the live half, and a small client that reads its streams event by event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from portal.entrance import STREAMS, Entrance
from portal.live import LiveApp
from portal.services import Services

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Event:
    """One Server-Sent Event; ``name`` is empty for an unnamed one."""

    name: str
    data: str

    @property
    def json(self) -> Any:
        """The data, read as JSON."""
        return json.loads(self.data)


class Stream:
    """One open stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._text = ""
        self.status = 0
        self.headers: dict[str, str] = {}

    async def read_head(self) -> None:
        """Read the status and the headers."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}

    async def next(self) -> Event | None:
        """Return the next event; None when the stream has ended."""
        while "\n\n" not in self._text:
            size = int((await self._reader.readline()).strip() or b"0", 16)
            if size == 0:
                return None
            self._text += (await self._reader.readexactly(size)).decode()
            await self._reader.readline()
        block, _, self._text = self._text.partition("\n\n")
        lines = block.split("\n")
        name = next((line.removeprefix("event: ") for line in lines if line.startswith("event: ")), "")
        return Event(name, "\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: ")))

    async def until(self, name: str, having: str = "") -> Event:
        """Return the next event of this name whose data contains ``having``, passing over others."""
        async with asyncio.timeout(PATIENCE_S):
            while (event := await self.next()) is not None:
                if event.name == name and having in event.data:
                    return event
        raise AssertionError(f"the stream ended without {name or 'a fragment'} {having}")

    async def rest(self) -> list[Event]:
        """Return all events until the stream ends."""
        found = []
        async with asyncio.timeout(PATIENCE_S):
            while (event := await self.next()) is not None:
                found.append(event)
        return found

    async def until_closed(self) -> bool:
        """Return True once the server has hung up without another word."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read() == b""

    def say(self, text: str) -> None:
        """Send more of a request."""
        self._writer.write(text.encode())

    def close(self) -> None:
        """Leave."""
        self._writer.close()


@dataclass
class LiveServer:
    """The live half behind uvicorn. ``entered`` are the paths of requests that did not go the short way."""

    app: LiveApp
    server: uvicorn.Server
    port: int
    entered: list[str]
    opened: list[Stream] = field(default_factory=list)

    async def open(self, path: str, *, headers: str = "") -> Stream:
        """Open a stream, or whatever is answered instead. ``headers``: more lines, each with its end."""
        stream = await self.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{headers}\r\n")
        await stream.read_head()
        return stream

    async def say(self, text: str) -> Stream:
        """Connect and send this much of a request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.encode())
        stream = Stream(reader, writer)
        self.opened.append(stream)
        return stream

    async def until_connection(self, kind: type) -> None:
        """Wait until the server has a connection whose protocol is a ``kind``."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(isinstance(one, kind) for one in self.server.server_state.connections):
                await asyncio.sleep(0.01)

    async def until_viewers(self, count: int) -> None:
        """Wait until so many streams are open."""
        async with asyncio.timeout(PATIENCE_S):
            while self.app.viewer_count != count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def live_server(services: Services) -> AsyncIterator[LiveServer]:
    """Run the live half on a port of its own until the block ends."""
    app = LiveApp(services)

    entered: list[str] = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            entered.append(scope["path"])
            await app(scope, receive, send)
            return
        await receive()
        scope["state"][STREAMS] = app
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    server = uvicorn.Server(uvicorn.Config(asgi, port=0, http=Entrance, log_level="warning"))
    server.install_signal_handlers = lambda: None
    await app.startup()
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_S):
        while not server.started:
            await asyncio.sleep(0.01)
        await app.is_listening.wait()
    running = LiveServer(app, server, server.servers[0].sockets[0].getsockname()[1], entered)
    try:
        yield running
    finally:
        for stream in running.opened:
            stream.close()
        await app.shutdown()
        server.should_exit = True
        await task
