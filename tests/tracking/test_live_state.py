from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from tests.builders import DEPOT_AT, local, make_delivery, make_driver, make_route, make_stop
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.eta import EtaHistory
from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m
from tracking.live_state import place_json, places_near, truck_place
from tracking.route_changes import reassign
from tracking.routes import RouteStatus
from tracking.under_way import keep, look
from tracking.visibility import VisibilityRules, visible_truck

NOW = local("10:00")


def fix(lat: float, lon: float, seconds: float = 0.0) -> Fix:
    at = NOW + timedelta(seconds=seconds)
    return Fix(lat, lon, at, at, 5.0, 8.0, 45.0)


@pytest.fixture
def driven(session: Session) -> Delivery:
    """The next delivery of a route whose truck is between the depot and it."""
    route = make_route(session, status=RouteStatus.STARTED, started_at=NOW)
    stop = make_stop(session, route, stops_before=0, eta_at=NOW + timedelta(minutes=10))
    delivery = make_delivery(session, stop=stop, status=DeliveryStatus.OUT_FOR_DELIVERY)
    seen = look(session, route.id, now=NOW, history=EtaHistory.default())
    assert seen is not None
    seen.progress.accept(fix(DEPOT_AT[0] + 0.002, DEPOT_AT[1] + 0.0015))
    keep(session, seen)
    session.flush()
    return delivery


def test_next_recipient_sees_the_truck(session: Session, driven: Delivery) -> None:
    truck = truck_place(session, driven, NOW)
    assert truck is not None
    assert place_json(truck) == {
        "lat": 40.712,
        "lon": -74.3485,
        "heading": 45,
        "at": "2026-03-05T15:00:00+00:00",
        "stale": False,
        "at_other_stop": False,
        "line": True,
    }


@pytest.mark.parametrize("status", sorted(set(DeliveryStatus) - {DeliveryStatus.OUT_FOR_DELIVERY}))
def test_in_any_other_status_nothing_is_seen(session: Session, driven: Delivery, status: DeliveryStatus) -> None:
    driven.status = status
    assert truck_place(session, driven, NOW) is None


@pytest.mark.parametrize("status", sorted(set(RouteStatus) - {RouteStatus.STARTED}))
def test_nothing_is_seen_of_a_route_that_is_not_under_way(
    session: Session, driven: Delivery, status: RouteStatus
) -> None:
    driven.stop.route.status = status
    assert truck_place(session, driven, NOW) is None


def test_nothing_is_seen_before_the_first_fix(session: Session) -> None:
    route = make_route(session, status=RouteStatus.STARTED, started_at=NOW)
    delivery = make_delivery(session, route=route, status=DeliveryStatus.OUT_FOR_DELIVERY)
    assert truck_place(session, delivery, NOW) is None


near = st.floats(-0.01, 0.01)


@given(
    st.lists(st.tuples(near, near), min_size=1, max_size=6),
    st.lists(st.tuples(near, near), max_size=12),
    st.sampled_from([0.0, 40.7, -67.0]),
)
def test_leaving_out_far_places_changes_nothing_anyone_sees(
    way: list[tuple[float, float]], stops: list[tuple[float, float]], lat: float
) -> None:
    fixes = [fix(lat + north, east, number * 10.0) for number, (north, east) in enumerate(way)]
    places = {str(number): LatLon(lat + north, east) for number, (north, east) in enumerate(stops)}
    see: Callable[[list[LatLon]], object] = lambda others: visible_truck(  # noqa: E731
        delivery_status="out_for_delivery",
        is_next=False,
        stops_before=3,
        eta_in_s=600.0,
        fixes=fixes,
        home=LatLon(lat, 0.02),
        other_stops=others,
        now=fixes[-1].at,
        rules=VisibilityRules(),
    )
    assert see(list(places.values())) == see(list(places_near(fixes, places).values()))


def test_the_door_just_served_still_hides_the_truck(session: Session) -> None:
    """DESIGN 7: standing within 150 m of another stop, open or just served."""
    route = make_route(session, status=RouteStatus.STARTED, started_at=NOW)
    served = make_stop(session, route, arrived_at=NOW, arrived_source="tap")
    make_delivery(session, stop=served, status=DeliveryStatus.DELIVERED)
    mine = make_stop(session, route, stops_before=0, eta_at=NOW + timedelta(minutes=10))
    delivery = make_delivery(session, stop=mine, status=DeliveryStatus.OUT_FOR_DELIVERY)
    seen = look(session, route.id, now=NOW, history=EtaHistory.default())
    assert seen is not None
    on_the_way = fix(served.lat - 0.003, served.lon - 0.002)
    for each in (on_the_way, replace(fix(served.lat, served.lon, 60), speed_mps=0.0)):
        seen.progress.accept(each)
    keep(session, seen)
    session.flush()

    truck = truck_place(session, delivery, NOW + timedelta(seconds=60))

    assert truck is not None
    assert truck.at_other_stop
    assert distance_m(LatLon(truck.lat, truck.lon), LatLon(served.lat, served.lon)) > 150
    assert distance_m(LatLon(truck.lat, truck.lon), on_the_way.place) < 15  # four decimals: this recipient is next


def test_after_a_reassignment_nothing_is_seen_of_the_truck_before(
    session: Session, driven: Delivery, ids: Callable[[], str]
) -> None:
    assert truck_place(session, driven, NOW) is not None
    other = make_driver(session, "Bo Li", "+12015550177")

    reassign(session, driven.stop.route_id, driver_id=other.id, now=NOW, actor=SYSTEM, ids=ids)
    session.flush()

    assert truck_place(session, driven, NOW) is None
