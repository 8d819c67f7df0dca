"""Standing, near and far, and leaving again."""

from datetime import UTC, datetime, timedelta

import pytest

from tracking.arrival import (
    Candidate,
    Stand,
    StandingRule,
    arrived_stop,
    left_at,
    stand_at,
)
from tracking.fixes import Fix
from tracking.geo import LatLon

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
STOP = LatLon(52.0, 13.0)
RULE = StandingRule()


def north(meters: float) -> LatLon:
    return LatLon(52.0 + meters / 111_195, 13.0)


def fixes(*rows: tuple[float, float]) -> list[Fix]:
    return [Fix(*north(meters), NOON + timedelta(seconds=at), NOON + timedelta(seconds=at)) for at, meters in rows]


def stand(dwell_s: float, away_m: float) -> Stand:
    return Stand(north(away_m), NOON, NOON + timedelta(seconds=dwell_s))


def test_a_stand_is_back_dated_to_its_first_fix() -> None:
    drive = fixes((0, 900), (30, 600), (60, 10), (90, 0), (120, 14))
    found = stand_at(drive, 4, RULE)
    assert (found.since, found.until) == (drive[2].at, drive[4].at)
    assert found.dwell_s == 60


def test_a_moving_truck_does_not_stand() -> None:
    assert stand_at(fixes((0, 900), (30, 700), (60, 500)), 2, RULE).dwell_s == 0


def test_one_stray_fix_does_not_end_a_stand() -> None:
    assert stand_at(fixes((0, 0), (30, 50), (60, 5)), 2, RULE).dwell_s == 60


@pytest.mark.parametrize(
    ("dwell_s", "away_m", "is_near", "has_arrived"),
    [
        (24, 10, True, False),
        (25, 10, True, True),
        (25, 39, True, True),
        (25, 64, True, True),
        (179, 66, True, False),
        (180, 66, True, True),
        (180, 110, True, False),
        (89, 10, False, False),
        (90, 10, False, True),
    ],
)
def test_a_stand_is_an_arrival_when_it_is_long_enough_for_its_place(
    dwell_s: float, away_m: float, is_near: bool, has_arrived: bool
) -> None:
    found = arrived_stop(stand(dwell_s, away_m), [Candidate("a", STOP, is_near)], RULE)
    assert (found == "a") is has_arrived


@pytest.mark.parametrize(("earlier_m", "meant"), [(34, "earlier"), (36, "later")])
def test_the_nearest_of_the_next_stops_wins_but_one_as_near_that_comes_earlier(earlier_m: float, meant: str) -> None:
    candidates = [Candidate("earlier", north(earlier_m), is_near=True), Candidate("later", north(10), is_near=True)]
    assert arrived_stop(stand(30, 0), candidates, RULE) == meant


def test_a_next_stop_wins_over_a_nearer_one_that_is_not_its_turn() -> None:
    candidates = [Candidate("next", north(35), is_near=True), Candidate("other", STOP, is_near=False)]
    assert arrived_stop(stand(120, 0), candidates, RULE) == "next"


def test_coming_close_to_the_only_stop_left_is_arriving() -> None:
    last = Candidate("a", STOP, is_near=True, is_last=True)
    assert arrived_stop(stand(0, 55), [last], RULE) == "a"
    assert arrived_stop(stand(0, 75), [last], RULE) is None


def test_a_truck_out_of_the_exit_radius_has_left_at_its_last_fix_there() -> None:
    track = fixes((0, 0), (30, 5), (60, 160))
    assert left_at(track, arrived_at=NOON, stop=STOP, anchor=STOP, rule=RULE) == track[1].at


def test_one_fix_off_the_place_is_not_leaving_two_are() -> None:
    track = fixes((0, 0), (30, 60), (60, 80))
    assert left_at(track[:2], arrived_at=NOON, stop=STOP, anchor=STOP, rule=RULE) is None
    assert left_at(track, arrived_at=NOON, stop=STOP, anchor=STOP, rule=RULE) == track[0].at


def test_a_truck_parked_at_the_edge_of_the_fence_has_not_left() -> None:
    track = fixes((0, 95), (30, 99), (60, 101))
    assert left_at(track, arrived_at=NOON, stop=STOP, anchor=north(95), rule=RULE) is None
