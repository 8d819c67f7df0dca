"""Ranges from ratios, and coverage that adapts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.eta import EtaHistory
from tracking.intervals import LEVELS, Conformal, RatioQuantiles, horizon_bin, quantile, weighted_quantile

FLAT = RatioQuantiles(tuple(tuple(0.5 + level for level in LEVELS) for _ in range(7)))


@pytest.mark.parametrize(("minutes", "number"), [(0, 0), (2.9, 0), (3, 1), (9, 2), (12, 3), (20, 4), (30, 5), (90, 6)])
def test_horizons_fall_into_seven_bins(minutes: float, number: int) -> None:
    assert horizon_bin(minutes * 60) == number


def test_the_range_is_the_estimate_times_the_ratios() -> None:
    # Levels 0.1 and 0.9 have ratios 0.6 and 1.4: 1200 s becomes 720 to 1680 s.
    assert FLAT.interval(1200.0, 0.2) == (pytest.approx(720.0), pytest.approx(1680.0))


def test_the_range_is_at_least_a_minute_to_each_side_and_never_before_now() -> None:
    # By the ratios 24 to 56 s, and 54 to 126 s.
    assert FLAT.interval(40.0, 0.2) == (0.0, 100.0)
    assert FLAT.interval(90.0, 0.2) == (30.0, 150.0)


def test_the_default_range_is_no_narrower_for_a_longer_way() -> None:
    shares = [
        (high_s - low_s) / left_s
        for left_s in (1200.0, 2000.0, 4000.0)
        for low_s, high_s in [EtaHistory.default().quantiles.interval(left_s, 0.2)]
    ]
    assert shares == pytest.approx([0.93, 0.93, 0.93])


@given(st.floats(0, 20_000), st.floats(0.04, 0.6))
def test_a_range_holds_its_estimate_and_fewer_misses_widen_it(left_s: float, miss: float) -> None:
    quantiles = EtaHistory.default().quantiles
    low_s, high_s = quantiles.interval(left_s, miss)
    wide_low_s, wide_high_s = quantiles.interval(left_s, miss / 2)
    assert 0 <= low_s <= left_s <= high_s
    assert wide_low_s <= low_s
    assert high_s <= wide_high_s


def test_an_arrival_outside_its_ranges_lets_fewer_be_missed_from_then_on() -> None:
    conformal = Conformal()
    conformal.remember("a", horizon=2, low_at=100.0, high_at=200.0)
    conformal.settle("a", 300.0)
    # 0.2 + 0.15 x (0.2 - 1) = 0.08
    assert conformal.miss == pytest.approx(0.08)


def test_an_arrival_inside_lets_a_little_more_be_missed() -> None:
    conformal = Conformal()
    conformal.remember("a", horizon=2, low_at=100.0, high_at=200.0)
    conformal.settle("a", 150.0)
    assert conformal.miss == pytest.approx(0.23)


def test_only_the_first_prediction_of_a_horizon_is_scored() -> None:
    conformal = Conformal()
    conformal.remember("a", horizon=2, low_at=100.0, high_at=200.0)
    conformal.remember("a", horizon=2, low_at=290.0, high_at=310.0)
    conformal.settle("a", 300.0)
    assert conformal.miss < 0.2


def test_a_stop_nobody_predicted_teaches_nothing() -> None:
    conformal = Conformal()
    conformal.settle("a", 300.0)
    assert Conformal.load(json.loads(json.dumps(conformal.dump()))) == Conformal()


def test_quantiles_of_a_few_values() -> None:
    assert quantile([1.0, 2.0, 4.0], 0.75) == 3.0
    assert weighted_quantile([(1.0, 1.0), (2.0, 1.0), (9.0, 0.1)], 0.5) == 2.0
