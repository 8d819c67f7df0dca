"""The front door of ``portal web``: what accepts a connection, and lets a recipient's stream in by the short way.

After a deploy everybody comes back at once. For most of them one look at the first bytes is enough: the whole request
is there, it asks for ``/t/<token>/live`` and has no body. It needs no parser, scope or task (a tenth of the processor
time, ``make bench-live``). Whoever else comes, and whoever is to be refused, is uvicorn's, with every byte that came.
"""

import asyncio
import re
from typing import Any, Protocol

from uvicorn.config import Config
from uvicorn.server import ServerState

from portal.connections import GivingProtocol, begin_stream
from portal.live_viewers import Viewer

STREAMS = "portal.streams"  # in the lifespan's state: the application's ``StreamHost``
LONGEST_HEAD = 8192  # bytes; longer ones are uvicorn's to judge

_STREAM = re.compile(rb"GET /t/([\w.-]{1,64})/live(?:\?lang=([\w-]{2,12}))? HTTP/1\.1\r\n", re.ASCII)
_NOT_SIMPLE = re.compile(rb"\n(?:content-length|transfer-encoding|upgrade|expect)[ \t]*:", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class StreamHost(Protocol):
    """Who streams are asked of."""

    def admit(self, token: str, language: str, entrance: "Entrance") -> None:
        """Call ``entrance.begin`` or ``entrance.pass_on``, now or later. ``language`` is empty when none was chosen."""


def stream_asked_for(data: bytes) -> tuple[str, str] | None:
    """Return token and language when ``data`` is one whole, plain request for a recipient's stream."""
    found = _STREAM.match(data)
    if found is None or len(data) > LONGEST_HEAD or data.find(_HEAD_END) != len(data) - len(_HEAD_END):
        return None
    if _NOT_SIMPLE.search(data):
        return None
    return found[1].decode(), (found[2] or b"").decode()


class Entrance(asyncio.Protocol):
    """A connection whose first request was not answered yet. It is uvicorn's protocol class, made once a connection."""

    __slots__ = ("_app_state", "_config", "_loop", "_request", "_server_state", "_transport")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config, self._server_state, self._app_state, self._loop = config, server_state, app_state, _loop
        self._transport: asyncio.Transport | None = None
        self._request = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first bytes."""
        self._transport = transport
        self._server_state.connections.add(self)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Be forgotten."""
        self._take_transport()

    def data_received(self, data: bytes) -> None:
        """Look at the first bytes. Who says more before an answer came is uvicorn's too."""
        is_first, self._request = not self._request, self._request + data
        host: StreamHost | None = self._app_state.get(STREAMS)
        asked = stream_asked_for(data) if is_first and host is not None else None
        if host is None or asked is None:
            self.pass_on()
        else:
            host.admit(*asked, self)

    def shutdown(self) -> None:
        """End the connection: the server stops."""
        if (transport := self._take_transport()) is not None:
            transport.close()

    @property
    def is_open(self) -> bool:
        """False once the caller has left, or the connection is no longer ours."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, viewer: Viewer, head: bytes) -> None:
        """Let ``viewer``, of an open connection, have it: it begins with ``head`` and the date."""
        transport = self._take_transport()
        assert transport is not None
        begin_stream(transport, viewer, head, self._server_state)

    def pass_on(self) -> None:
        """Let uvicorn read and answer what came."""
        transport, request = self._take_transport(), self._request
        if transport is None:
            return
        protocol = GivingProtocol(self._config, self._server_state, self._app_state, self._loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(request)

    def _take_transport(self) -> asyncio.Transport | None:
        transport, self._transport = self._transport, None
        self._server_state.connections.discard(self)
        return transport
