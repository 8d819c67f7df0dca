"""uvicorn's HTTP protocol, with one thing more: an application may keep a request's connection for itself.

A stream needs none of what a server keeps for a request: parser, headers, scope, task, queue. Given away, a viewer
costs a tenth of the memory (``make bench-live``), and the server does not wait for streams when it is told to stop.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from portal.live_viewers import Viewer

GIVER = "portal.giver"


class GivingProtocol(HttpToolsProtocol):
    """``scope["extensions"][GIVER]`` is the connection's own protocol: see ``give_away``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection. The addresses are what is known: asking the socket would give the interpreter away."""
        self.connections.add(self)
        self.transport, self.flow, self.scheme = transport, FlowControl(transport), "http"
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None
        self.server = (self.config.host, self.config.port)

    def on_message_begin(self) -> None:
        """Begin a request, and let the application know whose it is."""
        super().on_message_begin()
        self.scope["extensions"] = {GIVER: self}  # type: ignore[dict-item]

    def give_away(self, viewer: Viewer, head: bytes) -> bool:
        """Let ``viewer`` have the connection, which begins with ``head`` and the date; False when the caller has left.

        The request then counts as answered, and everything of it is forgotten at once: its objects know each other, and
        would stay until the garbage collector comes.
        """
        if self.transport.is_closing():
            return False
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.cycle.disconnected = True  # uvicorn's word for "nothing more is to be sent"
        transport = self.transport
        self.parser = self.cycle = self.scope = self.flow = self.transport = None  # type: ignore[assignment]
        begin_stream(transport, viewer, head, self.server_state)
        return True


def begin_stream(transport: asyncio.Transport, viewer: Viewer, head: bytes, server_state: ServerState) -> None:
    """Make ``viewer`` the protocol of ``transport``, and answer with ``head`` and the server's own headers."""
    told = b"".join(b"%b: %b\r\n" % header for header in server_state.default_headers)
    transport.set_protocol(viewer)
    viewer.start(transport, head + told + b"\r\n")


def giver_of(scope: MutableMapping[str, Any]) -> GivingProtocol | None:
    """Return the protocol that can give this request's connection away; None under another server."""
    found = (scope.get("extensions") or {}).get(GIVER)
    return found if isinstance(found, GivingProtocol) else None
