"""Keeps the demo's day moving: jumps over nights and empty hours, and notices when the day is over."""

import asyncio
from collections.abc import Callable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sandbox.cast import Cast
from sandbox.clock import DayClock, Event
from sandbox.day import Day
from sandbox.driver import LOADING
from sandbox.ground import ZONE
from sandbox.journal import Journal

LOOK_EVERY_S = 0.25
QUIET_S = 7.0  # machine seconds without anything new, before an empty stretch is jumped
PATIENCE_S = 40.0  # the same, while what was jumped to has not shown itself: the machine may be slow
EMPTY = timedelta(minutes=8)  # shorter stretches are lived through
LEAD = timedelta(seconds=40)
BUSY_EVENTS = {"accepted", "inbound", "mail", "driver", "recipient", "status"}


def expect_day(clock: DayClock, day: Day) -> None:
    """Tell the clock what is known of the day beforehand."""
    zone = ZoneInfo(ZONE)
    eve = day.on - timedelta(days=1)
    clock.expect(datetime.combine(eve, time(18), zone), "messages of the day before")
    clock.expect(datetime.combine(day.on, time(8), zone), "messages of the morning")
    for route in day.routes:
        clock.expect(route.starts_at - LOADING, f"{route.driver} loads {route.vehicle}")


class Director:
    """Watches the journal and the clock. ``run`` ends only by cancellation."""

    def __init__(self, *, clock: DayClock, cast: Cast, journal: Journal, monotonic_s: Callable[[], float]) -> None:
        self._clock, self._cast, self._journal = clock, cast, journal
        self._monotonic_s = monotonic_s
        self._read, self._busy_s = 0, monotonic_s()
        self._awaited: Event | None = None
        self._has_told_end = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._clock.release()
            self._look()
            if self._is_empty_stretch():
                self._jump()
            if self._cast.is_over and not self._has_told_end:
                self._has_told_end = True
                self._journal.add("day", what=_over(self._cast))
                if self._clock.chosen_rate > 1:
                    self._clock.set_rate(1.0)

    def _look(self) -> None:
        for entry in self._journal.entries(after=self._read):
            self._read = entry["n"]
            if entry["event"] not in BUSY_EVENTS:
                continue
            self._busy_s = self._monotonic_s()
            if self._awaited is not None and datetime.fromisoformat(entry["day_at"]) >= self._awaited.at:
                self._awaited = None

    def _is_empty_stretch(self) -> bool:
        event = self._clock.next_event()
        return (
            event is not None
            and self._cast.autopilot.is_on
            and not self._clock.is_held
            and self._clock.rate > 1
            and not any(driver.is_under_way or driver.is_replaced for driver in self._cast.drivers)
            and self._monotonic_s() - self._busy_s > (QUIET_S if self._awaited is None else PATIENCE_S)
            and event.at - self._clock.now() > EMPTY
        )

    def _jump(self) -> None:
        event = self._clock.next_event()
        if event is not None:
            self._journal.add("day", what=f"goes on at {event.at.astimezone(ZoneInfo(ZONE)):%H:%M}: {event.label}")
            self._clock.jump_to(event.at - LEAD)
            self._awaited = event
            self._busy_s = self._monotonic_s()


def _over(cast: Cast) -> str:
    theirs = [driver.route.name for driver in cast.drivers if driver.is_replaced]
    if theirs:
        return f"is over but for what a person drives: {', '.join(theirs)}"
    return "is over: every route is finished, every question answered"
