"""A van on the streets: where it is at any instant of day time, and the fixes its phone sends."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox.clock import DayClock
from sandbox.drive import Drive, Fix, standing
from sandbox.ground import Point, to_lat_lon
from sandbox.journal import Journal
from sandbox.visitor import SHUT_OUT, PortalAway, ShutOut, Visitor

FIX_EVERY_S = 10.0  # day seconds
POST_EVERY_S = 0.5  # machine seconds; at high speed several fixes go together
BATCH = 400  # the portal takes 500
REFUSED_REST_S = 5.0
CATCH_UP_LOOKS = 60


class Truck:
    """One van. ``send_off`` starts a drive now; ``share`` posts positions until cancelled."""

    def __init__(
        self, *, name: str, start: Point, clock: DayClock, journal: Journal, visitor: Visitor, rng: random.Random
    ) -> None:
        self.name = name
        self._clock, self._journal, self._visitor, self._rng = clock, journal, visitor, rng
        self._drives: list[tuple[datetime, Drive]] = [(datetime.min.replace(tzinfo=UTC), standing(start))]
        self._silences: list[tuple[datetime, datetime]] = []
        self.posted = 0
        self._seen_until = clock.now()

    def send_off(self, drive: Drive) -> datetime:
        """Set off now; return when it will have arrived."""
        now = self._clock.now()
        self._drives.append((now, drive))
        return now + timedelta(seconds=drive.duration_s)

    def stop(self) -> None:
        """Stand where it is from now on."""
        now = self._clock.now()
        self._drives.append((now, standing(self.at(now).point)))

    def lose_signal(self, start: datetime, end: datetime) -> None:
        """Send nothing between the two; the fixes of that time come after."""
        self._silences.append((start, end))

    def at(self, instant: datetime) -> Fix:
        """Return where the van is, or was, at ``instant``."""
        since, drive = next((since, drive) for since, drive in reversed(self._drives) if since <= instant)
        return drive.at((instant - since).total_seconds())

    def has_signal(self, instant: datetime) -> bool:
        return not any(start <= instant < end for start, end in self._silences)

    async def share(self, url: str, token: Callable[[], str]) -> None:
        """Post a fix for every ten seconds of day time, in order, late ones included. Ends only by cancellation.

        Raises ``ShutOut`` when the phone's token is not taken any more.
        """
        next_at = self._clock.now()
        waiting: list[dict[str, object]] = []
        while True:
            await self._clock.wait_until(next_at)
            now = self._clock.now()
            while next_at <= now:
                waiting.append(self._fix(next_at))
                next_at += timedelta(seconds=FIX_EVERY_S)
            if self.has_signal(now):
                await self._post(url, token(), waiting)
            if not waiting:
                self._seen_until = now
            await asyncio.sleep(POST_EVERY_S)

    async def caught_up(self) -> None:
        """Return once everything up to now has been posted; at once after a while without an answer."""
        now = self._clock.now()
        for _ in range(CATCH_UP_LOOKS):
            if self._seen_until >= now:
                return
            await asyncio.sleep(POST_EVERY_S / 5)

    async def _post(self, url: str, token: str, waiting: list[dict[str, object]]) -> None:
        """Post what waits, oldest first; what could not be posted keeps waiting."""
        while waiting:
            batch = waiting[:BATCH]
            try:
                status = await self._visitor.post_json(url, {"positions": batch}, token)
            except PortalAway:
                return
            if status in SHUT_OUT:
                raise ShutOut(status)
            if status >= 400:
                self._journal.add("fixes_refused", truck=self.name, answer=status)
                await asyncio.sleep(REFUSED_REST_S)
            else:
                self.posted += len(batch)
            del waiting[:BATCH]

    def _fix(self, instant: datetime) -> dict[str, object]:
        """Return the fix as a phone reports it: a few metres off."""
        fix = self.at(instant)
        off_m = 4.0 if fix.speed_mps else 2.0
        point = (fix.point[0] + self._rng.gauss(0, off_m), fix.point[1] + self._rng.gauss(0, off_m))
        lat, lon = to_lat_lon(point)
        return {
            "lat": round(lat, 6),
            "lon": round(lon, 6),
            "at": instant.isoformat().replace("+00:00", "Z"),
            "accuracy_m": round(self._rng.uniform(4, 12), 1),
            "speed_mps": round(fix.speed_mps, 1),
            "heading_deg": round(fix.heading_deg, 1),
        }
