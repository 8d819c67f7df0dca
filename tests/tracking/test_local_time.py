from datetime import UTC, date, datetime, time

import pytest

from tracking.local_time import is_zone, local_day, local_instant


@pytest.mark.parametrize(
    ("on", "at", "zone", "instant"),
    [
        (date(2026, 6, 1), time(9), "Europe/London", datetime(2026, 6, 1, 8, tzinfo=UTC)),
        # Clocks go 01:00 -> 02:00 on 29 March: the first valid instant after is 02:00 BST.
        (date(2026, 3, 29), time(1, 30), "Europe/London", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        # 01:30 comes twice on 25 October: the first is still summer time.
        (date(2026, 10, 25), time(1, 30), "Europe/London", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        # Lord Howe moves by half an hour, 02:00 -> 02:30, at 15:30 UTC of the day before.
        (date(2026, 10, 4), time(2, 10), "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        # Beirut skips midnight itself on 29 March 2026.
        (date(2026, 3, 29), time(0, 10), "Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ],
)
def test_local_time_is_one_instant_even_when_clocks_change(on: date, at: time, zone: str, instant: datetime) -> None:
    assert local_instant(on, at, zone) == instant


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "europe/london ", "\x00"])
def test_unknown_zone_is_told_apart(name: str) -> None:
    assert not is_zone(name)


def test_local_day_is_that_of_the_zone() -> None:
    assert local_day(datetime(2026, 6, 1, 23, 30, tzinfo=UTC), "Europe/London") == date(2026, 6, 2)
