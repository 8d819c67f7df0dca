"""The only module that asks the machine for the time.

Day time (``now``) is what recipients live in: due times, windows, fixes, ages on pages. Machine time (``elapsed``) is
for leases, timeouts, back-off and logins. A demo may run day time faster, pause it or jump; never machine time.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """The two clocks every rule is handed."""

    def now(self) -> datetime:
        """Return day time, aware, in UTC."""

    def elapsed(self) -> float:
        """Return machine time in seconds since the Unix epoch; comparable between processes and machines."""


def steady_s() -> float:
    """Return seconds that no setting of the clock moves, since some start: for waits inside one process only."""
    return time.monotonic()  # noqa: TID251 - this module is the one seam for time


class SystemClock:
    """Both clocks are the machine's."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this module is the one seam for time

    def elapsed(self) -> float:
        """Return the machine's time in seconds since the Unix epoch."""
        return time.time()  # noqa: TID251 - this module is the one seam for time


class SteeredClock:
    """Day time steered from outside through a small file; machine time is the machine's.

    The file holds ``{"machine_s": monotonic seconds, "day_s": Unix seconds of day time then, "rate": day per machine}``
    and is replaced atomically by whoever steers. It is read again only when it was replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._anchor = (0.0, 0.0, 1.0)

    def now(self) -> datetime:
        """Return steered day time in UTC; raises ``OSError`` when nobody steers."""
        stat = self._path.stat()
        stamp = (stat.st_ino, stat.st_mtime_ns)
        if stamp != self._stamp:
            told = json.loads(self._path.read_text())
            self._anchor = (float(told["machine_s"]), float(told["day_s"]), float(told["rate"]))
            self._stamp = stamp
        machine_s, day_s, rate = self._anchor
        passed_s = (time.monotonic() - machine_s) * rate  # noqa: TID251 - this module is the one seam for time
        return datetime.fromtimestamp(day_s + passed_s, UTC)

    def elapsed(self) -> float:
        """Return the machine's time in seconds since the Unix epoch."""
        return time.time()  # noqa: TID251 - this module is the one seam for time


@dataclass
class SetClock:
    """A clock that stands still until it is told to move: for tests and for replays."""

    at: datetime
    machine_s: float = field(default=1_000_000.0)

    def now(self) -> datetime:
        """Return the day time it was set to."""
        return self.at

    def elapsed(self) -> float:
        """Return the machine time it was set to."""
        return self.machine_s

    def advance(self, **amount: float) -> None:
        """Move both clocks by ``timedelta(**amount)``."""
        step = timedelta(**amount)
        self.at += step
        self.machine_s += step.total_seconds()
