"""Business hours: when somebody who complains can expect us to be at our desks. Pure."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tracking.local_time import local_instant

OPENS_AT, CLOSES_AT = time(9), time(17)  # our choice
WORKING_DAYS = frozenset(range(5))  # Monday to Friday


def business_deadline(start_at: datetime, *, zone: str, hours: float) -> datetime:
    """Return the instant when ``hours`` of office time have passed since ``start_at`` in ``zone``."""
    left = timedelta(hours=hours)
    day = start_at.astimezone(ZoneInfo(zone)).date()
    while True:
        opens, closes = _office(day, zone)
        begin = max(opens, start_at)
        if day.weekday() in WORKING_DAYS and begin < closes:
            if closes - begin >= left:
                return begin + left
            left -= closes - begin
        day += timedelta(days=1)


def _office(day: date, zone: str) -> tuple[datetime, datetime]:
    return local_instant(day, OPENS_AT, zone), local_instant(day, CLOSES_AT, zone)
