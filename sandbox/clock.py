"""Day time in the demo: written to a small file that every process of the product reads.

The file holds ``{"machine_s", "day_s", "rate"}``: day time was ``day_s`` (Unix seconds) when the machine's monotonic
clock showed ``machine_s``, and has since run ``rate`` times as fast. It is replaced as a whole, never half written.
"""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RATES = (0.0, 1.0, 10.0, 60.0)
TYPING_S = 4.0  # machine seconds for which one keystroke holds the day at 1x


@dataclass(frozen=True, order=True)
class Event:
    """Something the day will come to, known beforehand."""

    at: datetime
    label: str


class DayClock:
    """Steers day time. All methods belong to the loop that plays the day; ``now`` may be asked from any thread."""

    def __init__(self, path: Path, *, start: datetime, rate: float, monotonic_s: Callable[[], float]) -> None:
        self._path, self._monotonic_s = path, monotonic_s
        self._anchor = (monotonic_s(), start.timestamp(), rate)
        self._chosen_rate = rate
        self._typed_s: float | None = None
        self._events: set[Event] = set()
        self._changed = asyncio.Event()
        self._write()

    def now(self) -> datetime:
        """Return day time in UTC."""
        machine_s, day_s, rate = self._anchor
        return datetime.fromtimestamp(day_s + (self._monotonic_s() - machine_s) * rate, UTC)

    @property
    def rate(self) -> float:
        """How fast the day runs now; 0.0 is paused."""
        return self._anchor[2]

    @property
    def chosen_rate(self) -> float:
        """The rate somebody chose; typing may hold the day below it."""
        return self._chosen_rate

    @property
    def is_held(self) -> bool:
        """Whether typing holds the day at 1x."""
        return self._typed_s is not None

    def set_rate(self, rate: float) -> None:
        """Run the day ``rate`` times as fast as the machine; 0 pauses it."""
        self._chosen_rate, self._typed_s = rate, None
        self._steer(self.now(), rate)

    def jump_to(self, at: datetime) -> None:
        """Make it ``at``. Day time never goes back: an instant that has passed changes nothing."""
        if at > self.now():
            self._steer(at, self.rate)

    def note_typing(self) -> None:
        """Hold the day at 1x: somebody is writing, and must not miss the delivery meanwhile."""
        self._typed_s = self._monotonic_s()
        if self.rate > 1.0:
            self._steer(self.now(), 1.0)

    def release(self) -> None:
        """Go back to the chosen rate when nobody has typed for a while. Called regularly."""
        if self._typed_s is not None and self._monotonic_s() - self._typed_s > TYPING_S:
            self._typed_s = None
            self._steer(self.now(), self._chosen_rate)

    def expect(self, at: datetime, label: str) -> Event:
        """Add something to come, which "jump to the next event" will find."""
        event = Event(at, label)
        self._events.add(event)
        return event

    def forget(self, event: Event) -> None:
        self._events.discard(event)

    def next_event(self) -> Event | None:
        """Return the earliest event still to come."""
        now = self.now()
        self._events = {event for event in self._events if event.at > now}
        return min(self._events, default=None)

    def last_event_before(self, at: datetime) -> Event | None:
        """Return the latest expected event not after ``at``, among those not yet forgotten."""
        return max((event for event in self._events if event.at <= at), default=None)

    async def wait_until(self, at: datetime) -> None:
        """Return when it is ``at`` in day time, however the day is steered meanwhile."""
        while (left_s := (at - self.now()).total_seconds()) > 0:
            changed = self._changed
            timeout_s = left_s / self.rate if self.rate > 0 else None
            try:
                await asyncio.wait_for(changed.wait(), timeout_s)
            except TimeoutError:
                continue

    def _steer(self, at: datetime, rate: float) -> None:
        self._anchor = (self._monotonic_s(), at.timestamp(), rate)
        self._write()
        self._changed.set()
        self._changed = asyncio.Event()

    def _write(self) -> None:
        machine_s, day_s, rate = self._anchor
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"machine_s": machine_s, "day_s": day_s, "rate": rate}), encoding="utf-8")
        os.replace(fresh, self._path)
