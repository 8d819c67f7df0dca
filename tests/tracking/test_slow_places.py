"""Streets and areas that take longer than their length says: what legs teach, and where nothing is known."""

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


USUAL = 0.25  # seconds a metre
# Two streets of one area that takes as long as usual: 250 s for 1000 m.
SLOW_THEN_FAST = [leg(0, 200.0), leg(550, 50.0)]


def learned(*runs: list[DrivenLeg]) -> SlowPlaces:
    return SlowPlaces.of_runs(runs, usual_s_per_m=USUAL)


def test_a_slow_street_is_expected_to_be_slow_again_less_than_it_was() -> None:
    found = learned(SLOW_THEN_FAST)
    # The first leg took 1.6 times its usual 125 s. One leg and the prior of one: the root of it.
    assert found.factor(place(0), place(500)) == pytest.approx(math.sqrt(1.6))
    assert found.factor(place(550), place(1050)) == pytest.approx(math.sqrt(0.4))


def test_more_legs_are_believed_more() -> None:
    assert learned(*[SLOW_THEN_FAST] * 9).factor(place(0), place(500)) == pytest.approx(1.6**0.9)


def test_a_street_nearby_counts_and_one_far_away_does_not() -> None:
    found = learned(SLOW_THEN_FAST)
    assert found.factor(place(100), place(600)) == pytest.approx(math.sqrt(1.6))
    assert found.factor(place(1500), place(2000)) == 1.0


def test_a_slow_area_is_expected_to_be_slow_again_less_than_it_was() -> None:
    found = learned([leg(0, 250.0)])
    # 250 s for 500 m is twice the usual. One run and the prior of four: 2 ** (1 / 5); its one street adds nothing.
    assert found.factor(place(0), place(500)) == pytest.approx(2**0.2)


def test_an_area_reaches_to_the_cell_beside_it_and_no_further() -> None:
    found = learned([leg(0, 250.0)])
    assert found.factor(place(1300), place(1800)) == pytest.approx(2**0.2)
    assert found.factor(place(2500), place(3000)) == 1.0


def test_a_run_tells_of_an_area_once_however_many_legs_it_drove_there() -> None:
    found = learned(*[[leg(10 * number, 250.0) for number in range(8)]] * 4)
    # Four runs and the prior of four: the root of two.
    assert found.factor(place(0), place(500)) == pytest.approx(math.sqrt(2))


def test_a_long_leg_teaches_every_area_it_goes_through() -> None:
    # 3.2 km in 1600 s are twice the usual. Four places stand for it, 0.4, 1.2, 2.0 and 2.8 km to the north, in the
    # cells 0, 1, 1 and 2, where the run counts once each; a short leg in the first or the third cell sees two of them.
    found = learned([DrivenLeg(place(0), place(3200), 3200.0, 1600.0)])
    assert found.factor(place(0), place(500)) == pytest.approx(2 ** (2 / 6))
    assert found.factor(place(2400), place(2900)) == pytest.approx(2 ** (2 / 6))


def test_a_long_leg_asks_every_area_it_goes_through() -> None:
    found = learned([leg(0, 250.0)])
    # Of its four places (0.4, 1.2, 2.0 and 2.8 km) three are in the known cell or the one beside it.
    assert found.factor(place(0), place(3200)) == pytest.approx((3 * 2**0.2 + 1) / 4)


def test_the_pace_of_the_run_itself_teaches_nothing_about_streets() -> None:
    found = learned([leg(0, 300.0), leg(5000, 300.0)])
    assert [total for total, _ in found.streets.values()] == pytest.approx([0.0, 0.0])


def test_one_mad_leg_is_worth_no_more_than_e() -> None:
    found = learned([leg(0, 1.0e6), *(leg(5000 * n, 60.0) for n in range(1, 40))])
    # One run of an area (a fifth of it counts) and one leg of a street (a half).
    assert found.factor(place(0), place(500)) == pytest.approx(math.exp(0.2 + 0.5))


def test_legs_of_nothing_say_nothing() -> None:
    short = DrivenLeg(place(0), place(20), 20.0, 400.0)
    assert learned([short, short]) == SlowPlaces()


def test_what_was_learned_survives_as_json() -> None:
    found = learned(SLOW_THEN_FAST)
    assert SlowPlaces.from_json(json.loads(json.dumps(found.to_json()))) == found
