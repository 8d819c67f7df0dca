"""The fleet and the first page: trucks, what waits for one, and trucks nobody hears of."""

import re
from datetime import timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.accounts import Role
from portal.services import Services
from portal.staff.queues import needing_a_person
from tests.builders import SERVICE_ON, local, make_delivery, make_depot, make_driver, make_route
from tests.portal.staff_browser import StaffBrowser
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.holding import holding_route
from tracking.ids import new_id
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import stops_of
from tracking.storage import Database

NOON = local("12:00")
OUT = DeliveryStatus.OUT_FOR_DELIVERY


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services, Role.DISPATCHER)


@pytest.fixture
def waiting(services: Services) -> str:
    """Where what has no truck waits; the route of that name."""
    with services.database.writing() as session:
        make_route(session, name="Madison")
        depot = make_depot(session)
        return holding_route(session, depot=depot, service_on=SERVICE_ON, zone="America/New_York", ids=new_id).id


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_a_place_to_wait_with_nothing_in_it_is_not_in_the_fleet(staff: StaffBrowser, waiting: str) -> None:
    page = staff.get("/staff/fleet").text
    assert waiting not in page
    assert "1 route, 0 driving" in text_of(page)
    assert "Waits for a truck" not in page


def test_what_waits_for_a_truck_stands_apart_from_the_trucks(
    staff: StaffBrowser, services: Services, waiting: str
) -> None:
    with services.database.writing() as session:
        delivery = make_delivery(session, route=session.get_one(Route, waiting))
    page = staff.get("/staff/fleet").text
    assert "1 route, 0 driving" in text_of(page)
    assert "Waits for a truck 1 delivery at North depot" in text_of(page)
    assert f'id="route-{waiting}"' not in page

    route = text_of(staff.get(f"/staff/routes/{waiting}").text)
    assert "Anna Berg" in route
    for of_a_truck in ("unassigned", "Nobody yet", "Send the link", "Give to", "Starts"):
        assert of_a_truck not in route
    assert "None yet: it waits for a truck" in text_of(staff.get(f"/staff/deliveries/{delivery.id}").text)


def test_a_stop_that_was_left_is_not_waiting(staff: StaffBrowser, services: Services, waiting: str) -> None:
    with services.database.writing() as session:
        route = session.get_one(Route, waiting)
        for name in ("Anna Berg", "Bo Li"):
            make_delivery(session, route=route, recipient_name=name)
        gone, _ = stops_of(session, waiting)
        gone.address = "1 Left Lane"
        elsewhere = make_delivery(session, recipient_name="Elsewhere").stop_id
        session.execute(update(Delivery).where(Delivery.stop_id == gone.id).values(stop_id=elsewhere))
    assert "Left Lane" not in staff.get(f"/staff/routes/{waiting}").text


def test_nobody_is_no_driver_to_give_a_route_to(staff: StaffBrowser, services: Services, waiting: str) -> None:
    with services.database.writing() as session:
        other = make_route(session, name="Summit", driver=make_driver(session, "Theo Marsh", "+12015550151"))
    page = staff.get(f"/staff/routes/{other.id}").text
    assert "Theo Marsh" in page
    assert "Nobody yet" not in page


def on_the_road(session: Session, *, fix_min: float | None, tap_min: float, status: DeliveryStatus = OUT) -> str:
    """Add a route that started at nine, whose last position and tap are so many minutes old at noon."""
    route = make_route(session, name="Madison", status=RouteStatus.STARTED, started_at=local("09:00"))
    make_delivery(session, route=route, status=status, status_at=NOON - timedelta(minutes=tap_min))
    if fix_min is not None:
        state = RouteState(route_id=route.id, engine={}, plan_version=1)
        state.last_fix_at = NOON - timedelta(minutes=fix_min)
        session.add(state)
        session.flush()
    return route.id


@pytest.mark.parametrize(
    ("fix_min", "tap_min", "told"),
    [
        (15, 180, None),
        (16, 180, ("Not heard of for 16 min", "Route Madison. Last seen 11:44\xa0am.")),
        (60, 20, ("Not heard of for 20 min", "Route Madison. Last seen 11:00\xa0am.")),
        (60, 10, None),
        (None, 180, ("Not heard of for 3 h 00", "Route Madison. It has never sent a position.")),
    ],
)
def test_a_truck_that_is_not_heard_of_needs_a_person(
    database: Database, fix_min: float | None, tap_min: float, told: tuple[str, str] | None
) -> None:
    with database.writing() as session:
        route_id = on_the_road(session, fix_min=fix_min, tap_min=tap_min)
        found = [item for item in needing_a_person(session, SERVICE_ON, NOON) if item.kind == "Silent"]
    assert [(item.title, item.detail, item.href) for item in found] == (
        [(*told, f"/staff/routes/{route_id}")] if told else []
    )


def test_a_truck_without_stops_left_may_be_silent(database: Database) -> None:
    with database.writing() as session:
        on_the_road(session, fix_min=60, tap_min=60, status=DeliveryStatus.DELIVERED)
        assert [item for item in needing_a_person(session, SERVICE_ON, NOON) if item.kind == "Silent"] == []
