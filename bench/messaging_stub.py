"""A server that accepts every message at once, or after a while: lighter than the stand-in, for measuring clients."""

import asyncio
import itertools
import json
import re
from typing import cast

import uvloop

_LENGTH = re.compile(rb"(?i)content-length: *([0-9]+)")
_STATUS = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: "
_numbers = itertools.count(1)


class Stub(asyncio.Protocol):
    """One connection; every request is a create."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the line."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            if self._latency_s:
                asyncio.get_running_loop().call_later(self._latency_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        sid = f"SM{next(_numbers):032x}"
        body = json.dumps({"sid": sid, "status": "queued", "num_segments": "1", "direction": "outbound-api"}).encode()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_STATUS + str(len(body)).encode() + b"\r\n\r\n" + body)


async def _serve(port: int, latency_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Stub(latency_s), "127.0.0.1", port)
    await server.serve_forever()


def serve(port: int, latency_s: float) -> None:
    """Serve for ever."""
    uvloop.run(_serve(port, latency_s))
