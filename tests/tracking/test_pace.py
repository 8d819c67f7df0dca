"""Pace and service time, shrunk to what history expects."""

import json

import pytest

from tracking.pace import Pace, ServicePace


def test_without_driving_the_pace_is_the_usual_one() -> None:
    assert Pace().factor(1.3, trust_s=600, now=0.0) == pytest.approx(1.3)


def test_the_pace_is_shrunk_by_what_the_prior_is_worth() -> None:
    pace = Pace()
    pace.add(until=1000.0, driven_s=600.0, engine_s=300.0)
    # (600 + 600) / (600 / 1 + 300) = 1.333, where today alone says 2.
    assert pace.factor(1.0, trust_s=600, now=1000.0) == pytest.approx(4 / 3)


def test_old_driving_fades_by_half_in_half_an_hour() -> None:
    pace = Pace()
    pace.add(until=1000.0, driven_s=600.0, engine_s=300.0)
    # (600 + 300) / (600 + 150) = 1.2
    assert pace.factor(1.0, trust_s=600, now=2800.0) == pytest.approx(1.2)


def test_driving_after_a_back_dated_arrival_is_taken_back() -> None:
    pace = Pace()
    pace.add(until=1000.0, driven_s=30.0, engine_s=30.0)
    pace.add(until=1030.0, driven_s=30.0, engine_s=0.0)
    pace.take_back(1000.0)
    assert pace.factor(1.0, trust_s=600, now=1000.0) == pytest.approx(1.0)


def test_a_detour_slows_the_pace_but_never_beyond_three_times_the_usual() -> None:
    pace = Pace()
    pace.add(until=1000.0, driven_s=900.0, engine_s=-600.0)
    assert pace.factor(1.0, trust_s=600, now=1000.0) == 3.0


def test_settled_driving_counts_as_it_did_before() -> None:
    pace, fresh = Pace(), Pace()
    for until in range(30, 1830, 30):
        pace.add(until=float(until), driven_s=30.0, engine_s=20.0)
    assert len(pace.pieces) < 30
    restored = Pace.load(json.loads(json.dumps(pace.dump())))
    expected = pytest.approx(pace.factor(1.0, trust_s=600, now=1830.0), rel=1e-4)
    assert restored.factor(1.0, trust_s=600, now=1830.0) == expected
    assert fresh.factor(1.0, trust_s=600, now=1830.0) < pace.factor(1.0, trust_s=600, now=1830.0)


def test_service_today_is_shrunk_by_six_usual_services() -> None:
    service = ServicePace()
    service.add(observed_s=400.0, expected_s=200.0)
    # (6 x 200 + 400) / (6 x 200 + 200) = 1.143
    assert service.ratio(200.0) == pytest.approx(1600 / 1400)
    assert ServicePace.load(json.loads(json.dumps(service.dump()))) == service


def test_a_route_without_service_times_has_no_ratio() -> None:
    service = ServicePace()
    service.add(observed_s=10.0, expected_s=0.0)
    assert service.ratio(0.0) == 1.0
