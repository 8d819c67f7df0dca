"""Local clock times on local dates, as instants: what a route file says and what a recipient reads."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Tell whether ``name`` is a time zone of the tz database, such as ``Europe/London``."""
    return name in _zone_names()


@lru_cache(maxsize=4096)
def local_instant(on: date, at: time, zone: str) -> datetime:
    """Return the instant, in UTC, when clocks in ``zone`` show ``at`` on ``on``.

    When clocks go back and show it twice: the first. When they go forward and skip it: the first instant after
    the gap (DESIGN 6). ``zone`` must be known (``is_zone``).
    """
    tz = ZoneInfo(zone)
    wanted = datetime.combine(on, at, tzinfo=tz)
    instant = wanted.astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == wanted.replace(tzinfo=None):
        return instant
    return _end_of_gap(wanted, tz)


def _end_of_gap(wanted: datetime, tz: ZoneInfo) -> datetime:
    """Return when the gap around ``wanted`` ends. Both readings of a skipped time lie around that instant."""
    before = wanted.replace(fold=1).astimezone(UTC)
    after = wanted.replace(fold=0).astimezone(UTC)
    old_offset = wanted.replace(fold=0).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle <= before:
            break
        if middle.astimezone(tz).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return after


def local_day(instant: datetime, zone: str) -> date:
    """Return the date that a calendar in ``zone`` shows at ``instant``."""
    return instant.astimezone(ZoneInfo(zone)).date()
