"""Who may see where the truck is (DESIGN 7, Privacy): the rule, and that nothing gets round it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.deliveries import DeliveryStatus
from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m
from tracking.visibility import VisibilityRules, VisibleTruck, visible_truck

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOME = LatLon(52.05, 13.0)
RULES = VisibilityRules()


def north(meters: float) -> LatLon:
    return LatLon(52.0 + meters / 111_195, 13.0)


def fix(ago_s: float, meters: float, *, speed: float | None = 8.0, heading: float | None = 1.0) -> Fix:
    at = NOON - timedelta(seconds=ago_s)
    return Fix(*north(meters), at, at, 8.0, speed, heading)


def see(
    *fixes: Fix,
    status: str = "out_for_delivery",
    is_next: bool = False,
    stops_before: int | None = 3,
    eta_in_s: float | None = 900.0,
    others: tuple[LatLon, ...] = (),
    home: LatLon = HOME,
) -> VisibleTruck | None:
    return visible_truck(
        delivery_status=status,
        is_next=is_next,
        stops_before=stops_before,
        eta_in_s=eta_in_s,
        fixes=fixes,
        home=home,
        other_stops=others,
        now=NOON,
        rules=RULES,
    )


@pytest.mark.parametrize("status", sorted(set(DeliveryStatus) - {DeliveryStatus.OUT_FOR_DELIVERY}))
def test_only_a_delivery_under_way_shows_the_truck(status: str) -> None:
    assert see(fix(5, 0)) is not None
    assert see(fix(5, 0), status=status) is None


@pytest.mark.parametrize(
    ("stops_before", "eta_in_s", "is_shown"),
    [(10, 9000, True), (11, 3600, True), (11, 3601, False), (None, 3601, False), (None, None, False), (0, None, True)],
)
def test_the_truck_is_shown_from_ten_stops_or_an_hour_on(
    stops_before: int | None, eta_in_s: float | None, is_shown: bool
) -> None:
    assert (see(fix(5, 0), stops_before=stops_before, eta_in_s=eta_in_s) is not None) is is_shown


def test_a_place_has_three_decimals_until_next_then_four() -> None:
    here = Fix(52.123456, 13.654321, NOON, NOON, 8.0, 8.0, 90.0)
    far, near = see(here), see(here, is_next=True)
    assert far is not None
    assert near is not None
    assert (far.lat, far.lon, far.line_to_home) == (52.123, 13.654, False)
    assert (near.lat, near.lon, near.line_to_home) == (52.1235, 13.6543, True)


def test_after_three_minutes_the_truck_is_stale() -> None:
    fresh, old = see(fix(180, 0)), see(fix(181, 0))
    assert fresh is not None
    assert old is not None
    assert (fresh.is_stale, old.is_stale, old.age_s) == (False, True, 181)


def test_the_heading_is_given_only_while_it_drives() -> None:
    driving, standing = see(fix(5, 0)), see(fix(5, 0, speed=0.4))
    assert driving is not None
    assert standing is not None
    assert (driving.heading_deg, standing.heading_deg) == (1.0, None)


def test_without_a_fix_there_is_no_truck() -> None:
    assert see() is None
    assert see(fix(-60, 0)) is None


def test_standing_at_another_stop_the_truck_stays_at_its_last_fix_before() -> None:
    truck = see(fix(60, -400), fix(30, -30, speed=0.0), fix(0, 0, speed=0.0), others=(north(0),))
    assert truck is not None
    assert truck.at_other_stop
    assert distance_m(LatLon(truck.lat, truck.lon), north(-400)) < 80
    assert (truck.at, truck.heading_deg) == (NOON, None)


def test_driving_past_another_stop_the_truck_is_shown() -> None:
    truck = see(fix(30, -400), fix(0, 0), others=(north(0),))
    assert truck is not None
    assert not truck.at_other_stop
    assert truck.lat == 52.0


def test_a_phone_that_reports_no_speed_gives_no_door_away() -> None:
    truck = see(fix(30, -400), fix(0, 0, speed=None), others=(north(0),))
    assert truck is not None
    assert truck.at_other_stop


def test_a_phone_that_reports_a_wrong_speed_gives_no_door_away() -> None:
    truck = see(fix(60, -400), fix(30, 0), fix(0, 4), others=(north(0),))
    assert truck is not None
    assert truck.at_other_stop


def test_a_wrong_speed_gives_no_door_away_however_often_a_phone_sends() -> None:
    """One fix of a stand says 5 m/s: what the phone measured before, or the noise of its receiver."""
    for every_s in (1, 5, 10, 60):
        stand = [fix(ago * every_s, 3 * (ago % 2), speed=0.0) for ago in range(12, 0, -1)]
        truck = see(fix(13 * every_s, -400), *stand, fix(0, 5, speed=5.0), others=(north(0),))
        assert truck is not None
        assert truck.at_other_stop, every_s
        assert distance_m(LatLon(truck.lat, truck.lon), north(-400)) < 80


def test_a_wrong_speed_at_the_stop_before_does_not_show_through() -> None:
    first, *rest = (fix(100 - 10 * number, -400, speed=0.0) for number in range(5))
    wrong = replace(first, speed_mps=5.0)
    truck = see(fix(200, -900), wrong, *rest, fix(0, 0, speed=0.0), others=(north(0), north(-400)))
    assert truck is not None
    assert distance_m(LatLon(truck.lat, truck.lon), north(-900)) < 80


def test_a_truck_that_crawls_past_another_stop_is_shown() -> None:
    truck = see(*(fix(ago, -3.0 * ago, speed=3.0) for ago in range(60, -1, -5)), others=(north(0),))
    assert truck is not None
    assert not truck.at_other_stop


def test_a_stand_at_the_stop_before_does_not_show_through() -> None:
    # It stood at the stop 400 m back, then at this one: the last place that tells nothing is the one on the way there.
    fixes = (fix(300, -900), fix(200, -400, speed=0.0), fix(100, -400, speed=0.0), fix(0, 0, speed=0.0))
    truck = see(*fixes, others=(north(0), north(-400)))
    assert truck is not None
    assert distance_m(LatLon(truck.lat, truck.lon), north(-900)) < 80


def test_without_a_place_that_tells_nothing_the_truck_is_not_shown() -> None:
    assert see(fix(30, 10, speed=0.0), fix(0, 0, speed=0.0), others=(north(0),)) is None


def test_at_the_next_recipients_own_door_nobody_says_another_stop() -> None:
    truck = see(fix(60, -500), fix(0, 0, speed=0.0), is_next=True, home=north(5), others=(north(90),))
    assert truck is not None
    assert not truck.at_other_stop


PLACES = st.builds(LatLon, st.floats(51.99, 52.01), st.floats(12.99, 13.01))
TRACK = st.lists(st.tuples(PLACES, st.one_of(st.none(), st.floats(0, 25)), st.floats(1, 120)), min_size=1, max_size=25)


def drive(track: list[tuple[LatLon, float | None, float]]) -> list[Fix]:
    ago_s = 0.0
    fixes = []
    for place, speed, gap_s in reversed(track):
        at = NOON - timedelta(seconds=ago_s)
        fixes.append(Fix(place.lat, place.lon, at, at, 8.0, speed, 10.0))
        ago_s += gap_s
    return fixes[::-1]


@given(TRACK, st.lists(PLACES, max_size=8), st.floats(-0.001, 0.001), st.sampled_from([None, 0.0, 1.9]), st.booleans())
def test_no_place_near_another_stop_while_the_truck_may_stand_there(
    track: list[tuple[LatLon, float | None, float]],
    others: list[LatLon],
    off_deg: float,
    speed: float | None,
    is_next: bool,
) -> None:
    *before, (place, _, gap_s) = track
    stop = LatLon(place.lat + off_deg, place.lon)
    truck = see(*drive([*before, (place, speed, gap_s)]), others=(stop, *others), is_next=is_next)
    if truck is not None:
        assert distance_m(LatLon(truck.lat, truck.lon), stop) > 150
        assert truck.heading_deg is None
        assert truck.at_other_stop


@given(TRACK, st.lists(PLACES, max_size=8), st.sampled_from(sorted(DeliveryStatus)), st.booleans())
def test_a_shown_place_is_always_rounded_and_from_the_past(
    track: list[tuple[LatLon, float | None, float]], others: list[LatLon], status: str, is_next: bool
) -> None:
    fixes = drive(track)
    truck = see(*fixes, others=tuple(others), status=status, is_next=is_next)
    if truck is None:
        return
    assert status == "out_for_delivery"
    decimals = 4 if is_next else 3
    places = [(round(f.lat, decimals), round(f.lon, decimals)) for f in fixes]
    assert (truck.lat, truck.lon) in places
    assert truck.at <= NOON
    assert truck.age_s >= 0


@given(TRACK, PLACES, st.lists(PLACES, max_size=5))
def test_a_place_shown_from_a_stand_at_any_stop_is_none(
    track: list[tuple[LatLon, float | None, float]], stop: LatLon, others: list[LatLon]
) -> None:
    """However the day went, a fix of a truck standing within 150 m of a stop is never the one that is shown."""
    fixes = [*drive([(place, 0.0, gap_s) for place, _, gap_s in track])]
    everywhere = (stop, *others)
    truck = see(*fixes, others=everywhere)
    if truck is not None:
        assert all(distance_m(LatLon(truck.lat, truck.lon), other) > 150 for other in everywhere)
