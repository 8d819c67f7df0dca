"""The sum over the stops ahead, what history expects, and which trouble explains a change."""

import json

import pytest

from tracking.causes import CauseLedger
from tracking.eta import Ahead, Cause, EtaHistory, reach_all, service_left_s


def test_legs_at_the_pace_and_services_between_add_up() -> None:
    reaches = reach_all(1000.0, [Ahead(100, 60, None), Ahead(50, 60, None), Ahead(50, 60, None)], pace=1.5)
    # 150; 150 + 60 + 75 - 12 (a fifth of one service, for skew); and 60 + 75 more.
    assert [reach.at for reach in reaches] == [1150.0, 1273.0, 1408.0]


def test_a_truck_that_is_early_waits_and_what_follows_counts_from_the_opening() -> None:
    reaches = reach_all(0.0, [Ahead(100, 60, 500.0), Ahead(100, 60, None)], pace=1.0)
    assert [(reach.at, reach.is_waiting) for reach in reaches] == [(500.0, True), (648.0, False)]


@pytest.mark.parametrize(("elapsed_s", "left_s"), [(0, 100), (40, 60), (65, 35), (500, 35)])
def test_a_service_has_at_least_a_third_of_itself_left(elapsed_s: float, left_s: float) -> None:
    assert service_left_s(100.0, elapsed_s) == pytest.approx(left_s)


def test_the_plans_own_service_time_comes_before_types_and_usual_ones() -> None:
    history = EtaHistory(
        pace=1.0,
        quantiles=EtaHistory.default().quantiles,
        service_s=100.0,
        service_by_type={"shop": 300.0},
        service_by_driver={"slow": 1.5},
        pace_by_driver={"slow": 1.2},
    )
    assert history.service_of(planned_s=60.0, stop_type="shop", driver=None) == 60.0
    assert history.service_of(planned_s=None, stop_type="shop", driver=None) == 300.0
    assert history.service_of(planned_s=None, stop_type="home", driver="slow") == 150.0
    assert (history.pace_of("slow"), history.pace_of(None)) == (1.2, 1.0)
    assert EtaHistory.from_json(json.loads(json.dumps(history.to_json()))) == history


def test_the_default_ratios_rise_with_their_level() -> None:
    for row in EtaHistory.default().quantiles.rows:
        assert list(row) == sorted(row)


def test_the_greatest_loss_is_the_cause() -> None:
    ledger = CauseLedger()
    ledger.note(Cause.LONG_STOP, lost_s=100.0, at=0.0)
    ledger.note(Cause.TRAFFIC, lost_s=200.0, at=0.0)
    assert ledger.main(0.0) is Cause.TRAFFIC
    assert ledger.main(0.0, overrun_s=150.0) is Cause.LONG_STOP


def test_old_losses_fade() -> None:
    ledger = CauseLedger()
    ledger.note(Cause.LONG_STOP, lost_s=200.0, at=0.0)
    # Two half-lives of 20 min leave 50 s, less than 70.
    ledger.note(Cause.TRAFFIC, lost_s=70.0, at=2400.0)
    assert ledger.main(2400.0) is Cause.TRAFFIC


def test_nothing_notable_has_no_cause_and_time_won_is_early() -> None:
    ledger = CauseLedger()
    assert ledger.main(0.0) is None
    ledger.note(Cause.TRAFFIC, lost_s=-90.0, at=0.0)
    assert ledger.main(0.0) is Cause.EARLY


def test_a_reorder_explains_the_next_ten_minutes() -> None:
    ledger = CauseLedger(reordered_at=0.0)
    assert (ledger.main(600.0), ledger.main(601.0)) == (Cause.REORDER, None)
    assert CauseLedger.load(json.loads(json.dumps(ledger.dump()))) == ledger
