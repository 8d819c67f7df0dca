"""Streets that take longer than their length says: what legs teach, and where nothing is known."""

import json
import math

import pytest

from tracking.geo import LatLon
from tracking.slow_places import DrivenLeg, SlowPlaces


def place(north_m: float) -> LatLon:
    return LatLon(52.0 + north_m / 111_195, 13.0)


def leg(from_m: float, seconds: float) -> DrivenLeg:
    """A leg of 500 m to the north."""
    return DrivenLeg(place(from_m), place(from_m + 500), 500.0, seconds)


SLOW_THEN_FAST = [leg(0, 200.0), leg(5000, 50.0)]


def test_a_slow_street_is_expected_to_be_slow_again_less_than_it_was() -> None:
    found = SlowPlaces.of_runs([SLOW_THEN_FAST])
    # 250 s for 1000 m: the first leg took 1.6 times its usual 125 s. One leg and the prior of one: the root of it.
    assert found.factor(place(0), place(500)) == pytest.approx(math.sqrt(1.6))
    assert found.factor(place(5000), place(5500)) == pytest.approx(math.sqrt(0.4))


def test_more_legs_are_believed_more() -> None:
    found = SlowPlaces.of_runs([SLOW_THEN_FAST] * 9)
    assert found.factor(place(0), place(500)) == pytest.approx(1.6**0.9)


def test_a_street_nearby_counts_and_one_far_away_does_not() -> None:
    found = SlowPlaces.of_runs([SLOW_THEN_FAST])
    assert found.factor(place(100), place(600)) == pytest.approx(math.sqrt(1.6))
    assert found.factor(place(1500), place(2000)) == 1.0


def test_the_pace_of_the_run_itself_teaches_nothing_about_streets() -> None:
    found = SlowPlaces.of_runs([[leg(0, 300.0), leg(5000, 300.0)]])
    assert found.factor(place(0), place(500)) == pytest.approx(1.0)


def test_one_mad_leg_is_worth_no_more_than_e() -> None:
    found = SlowPlaces.of_runs([[leg(0, 1.0e6), *(leg(5000 * n, 60.0) for n in range(1, 40))]])
    assert found.factor(place(0), place(500)) == pytest.approx(math.exp(0.5))


def test_a_run_of_one_leg_and_legs_of_nothing_say_nothing() -> None:
    short = DrivenLeg(place(0), place(20), 20.0, 400.0)
    assert SlowPlaces.of_runs([[leg(0, 100.0)], [short, short]]).cells == {}


def test_what_was_learned_survives_as_json() -> None:
    found = SlowPlaces.of_runs([SLOW_THEN_FAST])
    again = SlowPlaces.from_json(json.loads(json.dumps(found.to_json())))
    assert again.factor(place(0), place(500)) == pytest.approx(found.factor(place(0), place(500)), abs=1e-3)
