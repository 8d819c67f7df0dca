"""The gate: what dirty fixes may and may not do."""

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.fixes import Fix, FixStatus, Gate, Verdict

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def fix(
    seconds: float,
    *,
    north_m: float = 0.0,
    lag_s: float = 1.0,
    accuracy_m: float | None = 8.0,
    speed: float | None = None,
) -> Fix:
    at = NOON + timedelta(seconds=seconds)
    return Fix(52.0 + north_m / 111_195, 13.0, at, at + timedelta(seconds=lag_s), accuracy_m, speed)


def judge(*fixes: Fix) -> list[Verdict]:
    gate = Gate()
    return [gate.judge(one) for one in fixes]


def test_a_good_fix_is_stored_and_moves_the_truck() -> None:
    verdict = judge(fix(0))[0]
    assert (verdict.status, verdict.moved, verdict.reason) == (FixStatus.STORED, True, None)


def test_the_same_fix_again_is_a_duplicate_and_moves_nothing() -> None:
    verdict = judge(fix(0), fix(0, lag_s=5))[1]
    assert (verdict.status, verdict.moved, verdict.is_evidence) == (FixStatus.DUPLICATE, False, False)


def test_an_older_fix_is_late_and_moves_nothing_but_may_speak_for_a_stand() -> None:
    verdict = judge(fix(60), fix(30, lag_s=90))[1]
    assert (verdict.status, verdict.moved, verdict.is_evidence) == (FixStatus.LATE, False, True)


def test_a_fix_from_the_future_is_clamped_to_its_receipt() -> None:
    verdict = judge(fix(300, lag_s=-300))[0]
    assert (verdict.status, verdict.reason) == (FixStatus.CLAMPED, "clock_skew")
    assert verdict.fix.at == NOON
    assert verdict.moved


def test_a_minute_ahead_is_no_clock_to_complain_of() -> None:
    assert judge(fix(60, lag_s=-60))[0].status is FixStatus.STORED


def test_a_fix_from_the_day_after_tomorrow_is_refused() -> None:
    verdict = judge(fix(0, lag_s=-90_000))[0]
    assert (verdict.status, verdict.reason) == (FixStatus.REFUSED, "future")


@pytest.mark.parametrize(("lat", "lon"), [(0.0, 0.0), (math.nan, 13.0), (91.0, 13.0), (52.0, -181.0)])
def test_what_is_no_place_is_refused(lat: float, lon: float) -> None:
    verdict = judge(Fix(lat, lon, NOON, NOON))[0]
    assert (verdict.status, verdict.reason) == (FixStatus.REFUSED, "bad_coordinates")


def test_an_inaccurate_fix_is_kept_but_moves_nothing() -> None:
    verdicts = judge(fix(0), fix(30, accuracy_m=101), fix(60, accuracy_m=math.nan))
    assert [v.status for v in verdicts] == [FixStatus.STORED] * 3
    assert [v.moved for v in verdicts] == [True, False, False]
    assert verdicts[1].reason == "inaccurate"


def test_a_leap_no_truck_can_make_is_believed_when_three_in_a_row_agree() -> None:
    # 5 km in 30 s is 167 m/s; the limit is 50.
    verdicts = judge(fix(0), *(fix(30 * n, north_m=5000) for n in (1, 2, 3)))
    assert [v.moved for v in verdicts] == [True, False, False, True]
    assert [v.reason for v in verdicts[1:]] == ["jump", "jump", None]


def test_leaps_that_disagree_are_never_believed() -> None:
    places = [(1, 5000), (2, -5000), (3, 9000), (4, -9000)]
    verdicts = judge(fix(0), *(fix(30 * n, north_m=north_m) for n, north_m in places))
    assert not any(v.moved for v in verdicts[1:])


def test_one_fix_far_from_a_slow_truck_is_not_believed_at_once() -> None:
    # 1.2 km in 60 s is 20 m/s, which a truck can do, but this one crawls at 2 m/s.
    crawl = [fix(60 * n, north_m=120 * n) for n in range(4)]
    verdicts = judge(*crawl, fix(240, north_m=1600), fix(300, north_m=520))
    assert [v.moved for v in verdicts[3:]] == [True, False, True]


def test_a_truck_that_reports_its_speed_may_take_off() -> None:
    crawl = [fix(60 * n, north_m=120 * n) for n in range(4)]
    assert judge(*crawl, fix(240, north_m=1600, speed=20.0))[-1].moved


def test_a_truck_that_really_takes_off_is_believed_at_the_second_fix() -> None:
    crawl = [fix(60 * n, north_m=120 * n) for n in range(4)]
    verdicts = judge(*crawl, fix(240, north_m=1600), fix(300, north_m=2800))
    assert [v.moved for v in verdicts[4:]] == [False, True]


def test_the_clock_offset_is_the_least_lag_for_buffered_fixes_only_raise_it() -> None:
    gate = Gate()
    for lag_s in (2.0, 700.0, 1.5, 90.0):
        gate.judge(fix(lag_s, lag_s=lag_s))
    assert gate.clock_offset_s == 1.5


STRANGE = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(
        st.tuples(
            st.floats(-2000, 2000),
            st.floats(-500, 100_000),
            st.one_of(st.none(), STRANGE),
            st.one_of(st.floats(-91, 91), STRANGE),
            st.one_of(st.floats(-181, 181), STRANGE),
        ),
        max_size=30,
    )
)
def test_whatever_comes_the_truck_never_goes_back_in_time(
    rows: list[tuple[float, float, float | None, float, float]],
) -> None:
    gate = Gate()
    newest = None
    for seconds, lag_s, accuracy_m, lat, lon in rows:
        at = NOON + timedelta(seconds=seconds)
        verdict = gate.judge(Fix(lat, lon, at, at + timedelta(seconds=lag_s), accuracy_m))
        if verdict.moved:
            assert newest is None or verdict.fix.at > newest
            newest = verdict.fix.at
        assert (gate.last.at if gate.last else None) == newest
    restored = Gate.load(json.loads(json.dumps(gate.dump())))
    assert (restored.last is None) == (gate.last is None)
