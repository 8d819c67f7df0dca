"""Quiet hours and local instants: when a person may be written to, by the clock where the parcel goes (DESIGN 4)."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from messaging.kinds import Kind
from tracking.local_time import local_instant


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing goes out from ``since`` in the evening until ``until`` in the morning, local time."""

    since: time
    until: time

    def release(self, at: datetime, zone: str) -> datetime:
        """Return ``at``, or when it falls into quiet hours, the instant they end. ``zone`` is the address's."""
        local = at.astimezone(ZoneInfo(zone))
        clock = local.time()
        if self.until <= clock < self.since:
            return at
        day = local.date() if clock < self.until else local.date() + timedelta(days=1)
        released = local_instant(day, self.until, zone)
        # Where midnight is skipped or a day is missing the morning can lie before: then it is over.
        return max(at, released)

    def holds(self, at: datetime, zone: str) -> bool:
        """True while nothing may go out."""
        return self.release(at, zone) > at


PLANNED_QUIET = Quiet(since=time(20), until=time(8))
UNDER_WAY_QUIET = Quiet(since=time(21), until=time(7))
QUESTION_HOURS = Quiet(since=time(19), until=time(9))  # a rating is asked for between 09:00 and 19:00

# What the day itself brings about: it may come at 07:00, and until 21:00.
_OF_THE_DAY = frozenset(
    {Kind.OUT_FOR_DELIVERY, Kind.NEXT_STOP, Kind.DELAYED, Kind.ARRIVED, Kind.DELIVERED, Kind.ATTEMPT_FAILED}
)
# Changes: of the day while the delivery is under way, else planned.
_CHANGES = frozenset({Kind.RESCHEDULED, Kind.CANCELLED, Kind.CORRECTION})
# Never held: somebody at work, or somebody who has just written.
_NEVER_HELD = frozenset({Kind.DRIVER_LINK, Kind.REPLY})
CHAT_FREE_FOR = timedelta(hours=2)  # after that person's own message (DESIGN 4)


def quiet_of(kind: Kind, *, is_under_way: bool) -> Quiet | None:
    """Return the quiet hours a kind keeps; None when it keeps none. ``chat`` is the caller's to free."""
    if kind in _NEVER_HELD:
        return None
    if kind in _OF_THE_DAY or kind is Kind.CHAT or (kind in _CHANGES and is_under_way):
        return UNDER_WAY_QUIET
    return QUESTION_HOURS if kind is Kind.RATING_REQUEST else PLANNED_QUIET
