"""Stay or red light: how long a stand took, what this route is like, and the odds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.arrival import Stand
from tracking.fixes import Fix
from tracking.geo import LatLon
from tracking.stay import StayRule, Traffic, lost_s, middle_service_s, stay_log_odds, took_s

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
RULE = StayRule()


def fixes(*rows: tuple[float, float]) -> list[Fix]:
    return [
        Fix(52.0 + meters / 111_195, 13.0, NOON + timedelta(seconds=at), NOON + timedelta(seconds=at))
        for at, meters in rows
    ]


def odds(stood_s: float, *, away_m: float = 40.0, service_s: float = 150.0, lights_per_km: float = 2.0) -> float:
    return stay_log_odds(stood_s, away_m, service_s=service_s, lights_per_km=lights_per_km, rule=RULE)


def test_the_time_lost_at_a_stand_is_what_driving_does_not_explain() -> None:
    # 110 s from 400 m before to 160 m behind: 560 m at 8 m/s are 70 s of driving, 40 s are lost.
    before, first, second, after = fixes((0, -400), (50, 0), (80, 2), (110, 160))
    there = Stand(LatLon(52.0, 13.0), first.at, second.at)
    assert lost_s(before, there, after, RULE) == pytest.approx(40, abs=0.5)
    # Without a fix before it only what follows the first one is known: 60 s less 20 s.
    assert lost_s(None, there, after, RULE) == pytest.approx(40, abs=0.5)
    # Still there: 80 s since the fix before, less 50 s of driving.
    assert lost_s(before, there, second, RULE) == pytest.approx(30, abs=0.5)


def test_a_stand_took_the_middle_of_what_is_proven_and_what_was_lost_but_no_less_than_is_proven() -> None:
    track = fixes((0, -80), (50, 0), (80, 2), (130, 160))
    there = Stand(LatLon(52.0, 13.0), track[1].at, track[2].at)
    # 130 s less 240 m at 8 m/s are 100 s; 30 are proven.
    assert took_s(track, there, RULE) == pytest.approx(65, abs=0.5)
    hasty = fixes((0, -800), (50, 0), (80, 2), (90, 160))
    assert took_s(hasty, there, RULE) == 30


def test_lights_are_counted_once_and_what_is_usual_weighs_half_a_kilometre() -> None:
    traffic = Traffic()
    assert traffic.per_km(RULE) == 2.0
    traffic.drive(1500.0)
    # The one of the usual half kilometre, in two kilometres.
    assert traffic.per_km(RULE) == 0.5
    traffic.stand(100.0, 130.0)
    traffic.stand(100.0, 160.0)
    traffic.stand(300.0, 330.0)
    assert traffic.per_km(RULE) == 1.5
    assert Traffic(*traffic.dump()) == traffic


@pytest.mark.parametrize(
    ("usual_s", "observed_s", "middle_s"),
    [
        (180.0, [], 150.4),  # the median of a lognormal with that mean: 180 x exp(-0.6^2 / 2)
        (180.0, [300.0] * 3, 212.4),  # the root of 150.4 x 300
        (0.0, [], 60.0),
        (30.0, [20.0] * 9, 60.0),
    ],
)
def test_the_middle_service_is_what_is_usual_and_what_was_seen_today(
    usual_s: float, observed_s: list[float], middle_s: float
) -> None:
    assert middle_service_s(usual_s, observed_s, RULE) == pytest.approx(middle_s, abs=0.1)


def test_the_odds_of_81_seconds_where_lights_are_as_usual() -> None:
    # Service: -ln(81 x 0.6 x 2.507) - (ln(81 / 150) / 0.6)^2 / 2 = -4.80 - 0.53; a light: ln(0.13 x 2 / 24) less
    # (81 - 25) / 24 = -4.53 - 2.33. The difference is 1.53.
    assert odds(81) == pytest.approx(1.53, abs=0.01)
    # 20 m farther off than 45 m cost 20 x 0.05.
    assert odds(81, away_m=65) == pytest.approx(0.53, abs=0.01)


@pytest.mark.parametrize(
    ("service_s", "lights_per_km", "least_s"),
    [(150, 0.3, 51), (150, 2.0, 81), (150, 4.5, 98), (90, 2.0, 66), (250, 2.0, 101)],
)
def test_how_long_a_stand_must_be_depends_on_the_route(service_s: float, lights_per_km: float, least_s: float) -> None:
    is_told = [
        odds(stood_s, service_s=service_s, lights_per_km=lights_per_km) >= RULE.least_log_odds
        for stood_s in (least_s - 1, least_s)
    ]
    assert is_told == [False, True]


@given(st.floats(1, 1800), st.floats(0, 600), st.floats(60, 1200), st.floats(0.05, 10))
def test_a_longer_stand_is_never_less_likely_a_stay(
    stood_s: float, more_s: float, service_s: float, lights_per_km: float
) -> None:
    shorter = odds(stood_s, service_s=service_s, lights_per_km=lights_per_km)
    assert odds(stood_s + more_s, service_s=service_s, lights_per_km=lights_per_km) >= shorter - 1e-9
