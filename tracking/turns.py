"""Turns at the one write lock of a SQLite file, among threads and among processes: who waits comes next.

SQLite has who waits ask again after up to 100 ms. While the threads of one process write one after the other it hardly
ever finds the lock free then, and another process has waited for three seconds for a write of four milliseconds.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from tracking.clocks import steady_s

ASK_AGAIN_S = 0.002  # our choice: shorter than most writes


class Turns:
    """Of one process at one file; beside it lie two empty files that hold the locks (``flock``).

    Only one may be next, and only who is next may take the turn when it is given back: nobody comes in between. A
    process that ends gives back what it had.
    """

    def __init__(self, path: Path, patience_s: float) -> None:
        """``patience_s``: who has waited for so long goes on without a turn, and SQLite decides."""
        self._patience_s = patience_s
        self._threads = threading.Lock()
        self._next = _Lock(path.with_name(f"{path.name}-next"))
        self._turn = _Lock(path.with_name(f"{path.name}-turn"))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and give it back at the end."""
        ends_s = steady_s() + self._patience_s
        is_mine = self._threads.acquire(timeout=self._patience_s)
        try:
            if is_mine and self._next.take(ends_s):
                self._turn.take(ends_s)
                self._next.give_back()
            yield
        finally:
            if is_mine:
                self._turn.give_back()
                self._threads.release()

    def close(self) -> None:
        """Close the files; they are opened again when they are needed."""
        self._next.close()
        self._turn.close()


class _Lock:
    """One file that one process at a time may hold locked. A file system that knows no locks lets everybody go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def take(self, ends_s: float) -> bool:
        """Lock it; False when somebody else still had it at ``ends_s`` (of ``steady_s``)."""
        try:
            if self._file is None:
                self._file = FileIO(self._path, opener=_made)
            while True:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    if steady_s() >= ends_s:
                        return False
                    time.sleep(ASK_AGAIN_S)
        except OSError:
            return False

    def give_back(self) -> None:
        """Unlock it, if it was locked."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _made(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CREAT, 0o644)  # reading is enough to lock it, whoever made it
