"""A driver's link: bound to the first phone, ended at once, and good for one route only."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.services import Services
from tests.builders import make_delivery
from tests.conftest import NOON
from tests.portal.driver_shift import Shift, prepare, route_status
from tracking import links
from tracking.clocks import SetClock
from tracking.deliveries import DeliveryStatus
from tracking.drivers import live_device_token
from tracking.links import Link
from tracking.routes import RouteStatus

S = DeliveryStatus


@pytest.fixture
def planned(services: Services, client: FlaskClient) -> Shift:
    """A route before its start, opened on this phone."""
    shift = prepare(services)
    client.post(shift.path)
    return shift


@pytest.fixture
def under_way(services: Services, client: FlaskClient) -> Shift:
    """A started route, opened on this phone."""
    shift = prepare(services, S.OUT_FOR_DELIVERY)
    client.post(shift.path)
    return shift


def test_looking_at_the_link_changes_nothing(services: Services, client: FlaskClient) -> None:
    shift = prepare(services)
    page = client.get(shift.path)
    assert page.status_code == 200
    assert 'data-form="open"' in page.text
    assert "Set-Cookie" not in page.headers
    with services.database.reading() as session:
        assert session.get_one(Link, shift.link_id).bound_to is None


def test_the_button_binds_the_link_to_this_phone(services: Services, client: FlaskClient) -> None:
    shift = prepare(services)
    answer = client.post(shift.path)
    assert (answer.status_code, answer.location) == (303, "/d/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get("/d/")
    [token] = re.findall(r'data-device-token="([^"]+)"', page.text)
    with services.database.reading() as session:
        device = live_device_token(session, token, NOON)
        assert device is not None
        assert device.expires_at == session.get_one(Link, shift.link_id).expires_at
    assert client.post(shift.path).status_code == 303
    assert f'data-device-token="{token}"' in client.get("/d/").text


def test_a_second_phone_is_sent_to_dispatch_until_staff_rebind(
    services: Services, client: FlaskClient, app: Flask
) -> None:
    shift = prepare(services)
    client.post(shift.path)
    other = app.test_client()
    for answer in (other.get(shift.path), other.post(shift.path)):
        assert answer.status_code == 403
        assert "already opened on another phone" in answer.text
        assert services.settings.support_phone in answer.text
    with services.database.writing() as session:
        link = session.get_one(Link, shift.link_id)
        link.bound_to = link.bound_at = None
    assert other.post(shift.path).status_code == 303
    assert other.get("/d/").status_code == 200
    assert client.get("/d/").status_code == 403


def test_two_routes_on_one_phone_do_not_lock_each_other_out(services: Services, client: FlaskClient) -> None:
    morning, evening = prepare(services), prepare(services)
    for shift in (morning, evening, morning):
        assert client.post(shift.path).status_code == 303
        assert f'data-route="{shift.route_id}"' in client.get("/d/").text


def test_without_a_link_there_is_no_day(client: FlaskClient) -> None:
    page = client.get("/d/")
    assert page.status_code == 401
    assert "Open the link in the text message" in page.text
    client.set_cookie("portal_driver", "forged", path="/d")
    assert client.get("/d/").status_code == 401
    assert client.get("/d/abc.def").status_code == 404


def test_a_revoked_link_stops_working_at_once(services: Services, client: FlaskClient, planned: Shift) -> None:
    with services.database.writing() as session:
        links.revoke(session, [planned.link_id], NOON)
    for answer in (client.post("/d/start"), client.get("/d/"), client.get(planned.path)):
        assert answer.status_code in {401, 410}
    assert route_status(services, planned) is RouteStatus.PLANNED


def test_an_expired_link_ends_the_shift(client: FlaskClient, clock: SetClock, planned: Shift) -> None:
    clock.advance(hours=16)
    answer = client.get("/d/")
    assert answer.status_code == 410
    assert "portal_driver=;" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("step", ["loaded", "not-loaded", "delivered", "failed", "undo", "messages"])
def test_parcels_of_other_routes_are_not_found(
    services: Services, client: FlaskClient, under_way: Shift, step: str
) -> None:
    with services.database.writing() as session:
        foreign = make_delivery(session, status=S.OUT_FOR_DELIVERY)
    fields = {"reason": "nobody_home", "body": "hello"}
    assert client.post(f"/d/deliveries/{foreign.id}/{step}", data=fields).status_code == 404
    assert client.get(f"/d/stops/{foreign.stop_id}").status_code == 404
    assert client.post(f"/d/stops/{foreign.stop_id}/arrived").status_code == 404
    assert client.get(f"/d/deliveries/{foreign.id}/chat").status_code == 404


def test_posts_from_elsewhere_are_refused(client: FlaskClient, planned: Shift) -> None:
    answer = client.post("/d/start", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
