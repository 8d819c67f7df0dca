"""One viewer of a stream: an HTTP connection that was given to us, written to at once, bounded, with places conflated.

A viewer holds no task, no queue and nothing of the request: what it costs is mostly its socket. What cannot be sent at
once is kept here, where a newer place replaces an older one, and not in the socket's own buffers.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any

LARGEST_BACKLOG = 64 * 1024  # bytes; who cannot keep up is dropped and comes back to a snapshot (DESIGN 7)
UNSENT_IN_KERNEL = 16 * 1024  # bytes that Linux may hold for a slow reader before it says "full" (our choice)
LINGER_S = 3.0  # what was hung up on may take this long to read the rest
END = b"0\r\n\r\n"

_LINE_END = re.compile(r"\r\n|\r|\n")  # the format's own (html.spec.whatwg.org, 9.2.5)


def message(data: str, event: str = "") -> bytes:
    """Return one Server-Sent Event. ``event`` is empty for HTML.

    A carriage return ends a line there too: unsplit, somebody's text could begin a field, or an event, of its own.
    """
    head = f"event: {event}\n" if event else ""
    lines = _LINE_END.split(data)
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk of an HTTP/1.1 body; made once, however many viewers get it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Viewer(asyncio.Protocol):
    """One open stream, by a link or by a staff login; ``ends_s`` is when its ticket runs out, machine time.

    Until ``start`` everything that is told waits. ``left`` is called once, when the connection is gone.
    """

    __slots__ = (
        "_is_held",
        "_left",
        "_places",
        "_size",
        "_transport",
        "_waiting",
        "ends_s",
        "is_ending",
        "link_id",
        "login_id",
        "number",
        "room",
    )

    def __init__(
        self,
        *,
        number: int,
        room: Any = None,
        left: Callable[["Viewer"], None] | None = None,
        link_id: str = "",
        login_id: str = "",
        ends_s: float | None = None,
    ) -> None:
        self.number = number
        self.room = room
        self.link_id = link_id
        self.login_id = login_id
        self.ends_s = ends_s
        self.is_ending = False  # it was hung up on
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._is_held = True  # the socket is full, or not ours yet
        self._waiting: list[bytes] | None = None
        self._places: dict[str, bytes] | None = None
        self._size = 0

    # What the hub says. Every ``event`` is a chunk.

    def tell(self, event: bytes) -> None:
        """Send this, after all that was told before. A viewer with too much unsent is cut off."""
        if self.is_ending:
            return
        if not self._is_held:
            self._transport.write(event)  # type: ignore[union-attr]
            return
        self._keep(event)
        if self._size > LARGEST_BACKLOG:
            self.cut_off()

    def tell_place(self, key: str, event: bytes) -> None:
        """Send where a truck is; a place that was not sent yet is replaced by the newer one."""
        if self.is_ending:
            return
        if not self._is_held:
            self._transport.write(event)  # type: ignore[union-attr]
            return
        if self._places is None:
            self._places = {}
        self._places[key] = event

    def hang_up(self, last: bytes = b"", *, forgets: bool = False) -> None:
        """Send what waits, then ``last``, then end the stream. ``forgets``: what waits is not theirs any more."""
        if self.is_ending:
            return
        self.is_ending = True
        if forgets:
            self._waiting, self._places = None, None
        self._keep(last + END)
        if self._transport is None:
            return
        if not self._is_held:
            self._release()
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def cut_off(self) -> None:
        """End the stream now, without sending anything more."""
        self.is_ending, self._waiting, self._places = True, None, None
        if self._transport is not None:
            self._transport.abort()

    # What the connection says.

    def start(self, transport: asyncio.Transport, head: bytes) -> None:
        """Take the connection over: send ``head`` and what has waited so far."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # whatever the kernel does not take at once is for us to keep
        _bound(transport.get_extra_info("socket"))
        self._waiting = [head, *(self._waiting or ())]
        self._release()

    def pause_writing(self) -> None:
        """Keep what is told from now on."""
        self._is_held = True

    def resume_writing(self) -> None:
        """Send what was kept."""
        self._release()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be forgotten."""
        self.is_ending, self._waiting, self._places = True, None, None
        left, self._left = self._left, None
        if left is not None:
            left(self)

    def waiting(self) -> bytes:
        """Return what waits to be sent, oldest first, with the newest place of each truck last."""
        return b"".join((*(self._waiting or ()), *(self._places or {}).values()))

    def _keep(self, event: bytes) -> None:
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(event)
        self._size += len(event)

    def _release(self) -> None:
        if self._transport is None:
            return
        # The end of the stream waits in ``_waiting``, so nothing may follow it.
        data = b"".join(self._waiting or ()) if self.is_ending else self.waiting()
        self._waiting, self._places, self._size, self._is_held = None, None, 0, False
        if data:
            self._transport.write(data)
        if self.is_ending:
            self._transport.close()


def _bound(connection: socket.socket | None) -> None:
    """Let the kernel hold little for who reads slowly: old places pile up there unseen (Linux, tcp(7))."""
    if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT") and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_IN_KERNEL)
