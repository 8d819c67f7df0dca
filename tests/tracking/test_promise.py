"""The promise: calm, on marks of five minutes or near of one, never in the past, with its reason."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.eta import Cause, Estimate
from tracking.promise import Promise, breaks_promise, is_arriving_now, next_promise

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TEN_TO_TWO = (NOON - timedelta(hours=2), NOON + timedelta(hours=2))


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def estimate(
    minutes: float,
    *,
    cause: Cause | None = None,
    before: int = 2,
    basis: Literal["live", "plan"] = "live",
    is_inside: bool = False,
) -> Estimate:
    return Estimate("a", at(minutes), at(minutes - 8), at(minutes + 11), before, cause, basis, is_inside)


def promise(minutes: float, *, cause: Cause | None = None) -> Promise:
    return Promise(at(minutes - 10), at(minutes + 10), at(minutes), cause, NOON)


def test_the_first_promise_is_rounded_to_five_minutes() -> None:
    made = next_promise(None, estimate(31), now=NOON, window=TEN_TO_TWO)
    # 12:31 -> 12:30, its range 12:23-12:42 -> 12:25-12:40.
    assert (made.point_at, made.lo_at, made.hi_at, made.made_at) == (at(30), at(25), at(40), NOON)


def test_the_promise_stays_while_the_estimate_wanders_a_little() -> None:
    # Half of five minutes and 40 s: 190 s.
    current = promise(40)
    assert next_promise(current, estimate(43), now=NOON) is current
    assert next_promise(current, estimate(37), now=NOON) is current
    assert next_promise(current, estimate(43.2), now=NOON).point_at == at(45)


def test_the_promise_stays_within_a_share_of_what_remains() -> None:
    # 7 % of 96 min are 6.7 min, of 97 min 6.8 min.
    current = promise(90)
    assert next_promise(current, estimate(96), now=NOON) is current
    assert next_promise(current, estimate(97), now=NOON).point_at == at(95)


def test_the_promise_moves_when_the_estimate_has_moved() -> None:
    made = next_promise(promise(30), estimate(36, cause=Cause.TRAFFIC), now=NOON)
    assert (made.point_at, made.cause) == (at(35), Cause.TRAFFIC)


def test_what_comes_sooner_is_early_whatever_was_slow_before() -> None:
    made = next_promise(promise(30), estimate(22, cause=Cause.TRAFFIC), now=NOON)
    assert (made.point_at, made.cause) == (at(22), Cause.EARLY)


def test_a_reorder_explains_a_change_to_either_side() -> None:
    made = next_promise(promise(30), estimate(12, cause=Cause.REORDER), now=NOON)
    assert made.cause is Cause.REORDER


def test_a_later_promise_is_never_explained_by_being_early() -> None:
    assert next_promise(promise(30), estimate(45, cause=Cause.EARLY), now=NOON).cause is None


def test_a_promise_of_the_past_moves_though_the_estimate_did_not() -> None:
    late = Estimate("a", NOON, NOON, at(4), 1, None, "live")
    made = next_promise(promise(-1), late, now=NOON + timedelta(seconds=1))
    assert (made.point_at, made.hi_at) == (at(1), at(10))


def test_within_half_an_hour_the_time_is_told_to_the_minute() -> None:
    assert next_promise(None, estimate(29.4), now=NOON).point_at == at(29)
    # 12:12:24 -> 12:12; its range 12:04-12:23 keeps the marks of five minutes: 12:05-12:25.
    made = next_promise(None, estimate(12.4), now=at(1))
    assert (made.point_at, made.lo_at, made.hi_at) == (at(12), at(5), at(25))
    assert next_promise(made, estimate(13.1), now=at(1)) is made
    # 66 s off is within half a minute of rounding and 40 s of calm; 72 s is not, nor within 7 % of the 12.2 min left.
    assert next_promise(made, estimate(13.2), now=at(1)).point_at == at(13)
    assert next_promise(made, estimate(13.5), now=at(1)).point_at == at(14)


def test_a_plan_is_never_told_to_the_minute() -> None:
    assert next_promise(None, estimate(12.4, basis="plan"), now=NOON).point_at == at(10)


def test_the_range_does_not_begin_before_the_window_opens() -> None:
    window = (at(25), at(120))
    assert next_promise(None, estimate(31), now=NOON, window=window).lo_at == at(25)


@pytest.mark.parametrize(
    ("one", "says_now"),
    [
        (estimate(1.9, before=0), True),
        (estimate(2.1, before=0), False),
        (estimate(6, before=0, is_inside=True), True),
        (estimate(1, before=1), False),
        (estimate(1, before=0, basis="plan"), False),
    ],
)
def test_arriving_now_is_said_under_two_minutes_or_in_the_fence(one: Estimate, says_now: bool) -> None:
    assert is_arriving_now(one, now=NOON) is says_now
    assert next_promise(promise(5), one, now=NOON).is_now is says_now


def test_a_promise_is_broken_when_the_median_is_after_its_end() -> None:
    window = (at(0), at(60))
    assert not breaks_promise(window, estimate(60))
    assert breaks_promise(window, estimate(60.1))


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(-3600, 7200)), min_size=1, max_size=40))
def test_a_promise_is_in_order_on_its_marks_and_not_in_the_past(steps: list[tuple[float, float]]) -> None:
    current: Promise | None = None
    now = NOON
    for passed_s, left_s in steps:
        now += timedelta(seconds=passed_s)
        eta_at = now + timedelta(seconds=left_s)
        one = Estimate("a", eta_at, eta_at - timedelta(minutes=7), eta_at + timedelta(minutes=9), 1, None, "live")
        current = next_promise(current, one, now=now, window=TEN_TO_TWO)
        assert current.point_at >= now
        assert current.lo_at <= current.point_at < current.hi_at
        assert next_promise(current, one, now=now, window=TEN_TO_TWO) is current
        assert current.lo_at.timestamp() % 60 == current.point_at.timestamp() % 60 == 0
        assert current.hi_at.timestamp() % 300 == 0
