"""One viewer of a stream: what waits to be sent to them, bounded, with places conflated."""

import asyncio
import re

LARGEST_BACKLOG = 64 * 1024  # bytes; who cannot keep up is dropped and comes back to a snapshot (DESIGN 7)

_LINE_END = re.compile(r"\r\n|\r|\n")  # the format's own (html.spec.whatwg.org, 9.2.5)


def message(data: str, event: str = "") -> bytes:
    """Return one Server-Sent Event. ``event`` is empty for HTML.

    A carriage return ends a line there too: unsplit, somebody's text could begin a field, or an event, of its own.
    """
    head = f"event: {event}\n" if event else ""
    lines = _LINE_END.split(data)
    return (head + "".join(f"data: {line}\n" for line in lines) + "\n").encode()


class Viewer:
    """One open stream, by a link or by a staff login; ``ends_s`` is when its ticket runs out, machine time."""

    def __init__(self, *, number: int, link_id: str = "", login_id: str = "", ends_s: float | None = None) -> None:
        self.number = number
        self.link_id = link_id
        self.login_id = login_id
        self.ends_s = ends_s
        self._waiting: list[bytes] = []
        self._size = 0
        self._places: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._is_ending = False
        self._task = asyncio.current_task()

    @property
    def is_ending(self) -> bool:
        """True once it was hung up on."""
        return self._is_ending

    def tell(self, event: bytes) -> None:
        """Send this, after all that was told before. A viewer with too much unsent is cut off."""
        if self._is_ending:
            return
        self._waiting.append(event)
        self._size += len(event)
        if self._size > LARGEST_BACKLOG:
            self.cut_off()
        else:
            self._wake.set()

    def tell_place(self, key: str, event: bytes) -> None:
        """Send where a truck is; a place that was not sent yet is replaced by the newer one."""
        if not self._is_ending:
            self._places[key] = event
            self._wake.set()

    def hang_up(self, last: bytes = b"") -> None:
        """Send what waits, then ``last``, then end the stream."""
        if not self._is_ending:
            self._waiting.append(last)
            self._is_ending = True
            self._wake.set()

    def cut_off(self) -> None:
        """End the stream now, without sending anything more."""
        self._waiting, self._places, self._is_ending = [], {}, True
        if self._task is not None:
            self._task.cancel()

    async def next(self) -> bytes | None:
        """Wait for something to send and return all of it; None when the stream is over."""
        while not (self._waiting or self._places):
            if self._is_ending:
                return None
            self._wake.clear()
            await self._wake.wait()
        chunk = b"".join((*self._waiting, *self._places.values()))
        self._waiting, self._places, self._size = [], {}, 0
        return chunk
