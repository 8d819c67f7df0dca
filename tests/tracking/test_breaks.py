"""A promise is broken when the delay lasts and is more than noise: a text "delayed" is rare and right."""

from datetime import UTC, datetime, timedelta

import pytest

from tracking.breaks import Breaks
from tracking.eta import Estimate

TEN = datetime(2026, 5, 4, 10, tzinfo=UTC)
WINDOW = (TEN - timedelta(hours=1), TEN + timedelta(hours=1))


def expected(minutes_after_ten: float, *, low: float = 10.0) -> Estimate:
    """The median so many minutes after ten, the range's low end ``low`` minutes before it."""
    at = TEN + timedelta(minutes=minutes_after_ten)
    return Estimate("a", at, at - timedelta(minutes=low), at + timedelta(minutes=15), 1, None, "live")


def looks(breaks: Breaks, medians: list[float], *, every_s: float = 10.0, low: float = 10.0) -> list[bool]:
    return [
        breaks.is_broken("d", WINDOW, expected(median, low=low), now=TEN + timedelta(seconds=every_s * number))
        for number, median in enumerate(medians)
    ]


def test_delay_that_lasts_two_minutes_is_a_broken_promise() -> None:
    # The window ends at 11:00, the median says 11:10: at 10:00:00 for the first time, at 10:02:00 for two minutes.
    assert looks(Breaks(), [70.0] * 14).index(True) == 12


def test_first_minutes_in_a_jam_break_no_promise() -> None:
    # Half a minute at 11:30, then the road is clear again; and once more: neither time lasted.
    breaks = Breaks()
    assert not any(looks(breaks, [90.0] * 4 + [16.0] * 2 + [90.0] * 10))


def test_two_looks_far_apart_are_no_proof() -> None:
    assert looks(Breaks(), [70.0] * 4, every_s=60.0) == [False, False, False, True]


@pytest.mark.parametrize(
    ("median", "low", "is_broken"),
    [
        (63.0, 5.0, False),  # 3 minutes late: less than anybody is told
        (64.0, 5.0, True),
        (66.0, 30.0, False),  # 6 minutes late, but 0.3 * 30 = 9 minutes are noise
        (69.0, 30.0, True),
    ],
)
def test_delay_must_be_more_than_noise(median: float, low: float, is_broken: bool) -> None:
    assert any(looks(Breaks(), [median] * 20, low=low)) is is_broken


def test_window_that_has_passed_needs_no_more_proof() -> None:
    assert Breaks().is_broken("d", WINDOW, expected(61), now=WINDOW[1])
