"""The changes of the day: of a route, of a delivery, of links and devices."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from portal.accounts import AuditEntry, Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.drivers import DeviceToken, Driver, live_device_token, note_heard
from tracking.ids import new_id, new_link_id
from tracking.links import Link, driver_link, recipient_link
from tracking.routes import Route
from tracking.stops import stops_of


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services, Role.DISPATCHER)


def order(services: Services, route_id: str) -> list[str]:
    with services.database.reading() as session:
        return [stop.id for stop in stops_of(session, route_id)]


def delivery(services: Services, delivery_id: str) -> Delivery:
    with services.database.reading() as session:
        return session.get_one(Delivery, delivery_id)


def sent(services: Services, kind: Kind) -> list[Notification]:
    with services.database.reading() as session:
        return list(session.scalars(select(Notification).where(Notification.kind == kind)))


def test_a_stop_moves_up_and_undo_puts_it_back(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    before = order(services, day.planned_route)
    path = f"/staff/routes/{day.planned_route}"

    staff.post(f"{path}/reorder", {"stop": before[2], "by": "up"})
    assert order(services, day.planned_route)[1:3] == [before[2], before[1]]
    page = staff.get(path)
    assert "The order is changed." in page.text

    staff.post(f"{path}/reorder", {"order": ",".join(before), "undone": "yes"})
    assert order(services, day.planned_route) == before


def test_a_stop_that_was_visited_keeps_its_place_and_the_page_says_so(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    before = order(services, day.route)

    staff.post(f"/staff/routes/{day.route}/reorder", {"stop": before[0], "by": "down"})

    assert order(services, day.route) == before
    assert "cannot change its place" in staff.get(f"/staff/routes/{day.route}").text


def test_another_driver_gets_the_route_after_a_yes_and_the_old_link_ends(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    now = services.clock.now()
    with services.database.writing() as session:
        route = session.get_one(Route, day.route)
        other = session.scalars(select(Driver).where(Driver.id != route.driver_id)).first()
        assert other is not None
        link = driver_link(
            session,
            route_id=route.id,
            driver_id=route.driver_id,
            link_id=new_link_id(),
            now=now,
            expires_at=now.replace(year=2030),
        )
        link_id, other_id, old_id = link.id, other.id, route.driver_id

    asked = staff.post(f"/staff/routes/{day.route}/reassign", {"driver_id": other_id})
    with services.database.reading() as session:
        assert session.get_one(Route, day.route).driver_id == old_id
    staff.say_yes(asked)

    with services.database.reading() as session:
        assert session.get_one(Route, day.route).driver_id == other_id
        assert session.get_one(Link, link_id).revoked_at == now
    assert [row.context["driver_id"] for row in sent(services, Kind.DRIVER_LINK)] == [other_id]


def test_a_route_is_offered_to_every_driver_but_its_own(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    with services.database.reading() as session:
        own = session.get_one(Route, day.route).driver_id
        others = set(session.scalars(select(Driver.id).where(Driver.id != own)))

    page = staff.get(f"/staff/routes/{day.route}").text
    choices = re.findall(
        r'<option value="([^"]*)"', re.findall(r'<select[^>]*id="driver_id".*?</select>', page, re.S)[0]
    )

    assert others
    assert choices[0] == ""
    assert set(choices[1:]) == others
    assert re.search(r'<select[^>]*name="driver_id" required>', page)


def test_what_is_under_way_says_why_it_keeps_its_time(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    with services.database.reading() as session:
        out = session.scalars(select(Delivery.id).where(Delivery.status == DeliveryStatus.OUT_FOR_DELIVERY)).first()

    page = staff.get(f"/staff/deliveries/{out}").text

    assert "Move it…" not in page
    assert "It is under way, so it keeps its time." in page
    assert "Move it…" in staff.get(f"/staff/deliveries/{day.not_loaded}").text


def test_a_driver_link_is_sent_again_each_time_it_is_asked_for(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    for _ in range(2):
        staff.post(f"/staff/routes/{day.planned_route}/link/send")

    assert len(sent(services, Kind.DRIVER_LINK)) == 2


def test_a_delivery_moves_to_another_day_only_after_a_yes(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    path = f"/staff/deliveries/{day.not_loaded}/reschedule"
    fields = {"service_on": "2026-03-06", "window_start": "09:00", "window_end": "11:00", "route_id": ""}

    page = staff.get(f"/staff/deliveries/{day.not_loaded}").text
    assert re.search(r'name="window_start"[^>]*value="\d\d:\d\d"', page)

    asked = staff.post(path, fields)
    assert asked.status_code == 200
    assert delivery(services, day.not_loaded).service_on == day.on
    answer = staff.say_yes(asked)

    assert answer.status_code == 303
    assert delivery(services, day.not_loaded).service_on.isoformat() == "2026-03-06"
    assert delivery(services, day.not_loaded).plan_dirty_at is not None


def test_another_window_on_the_same_day_keeps_the_route(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    before = delivery(services, day.not_loaded).stop_id
    fields = {"service_on": day.on.isoformat(), "window_start": "18:00", "window_end": "19:00", "route_id": ""}

    staff.say_yes(staff.post(f"/staff/deliveries/{day.not_loaded}/reschedule", fields))

    assert delivery(services, day.not_loaded).stop_id == before


def test_a_window_that_makes_no_sense_is_refused_before_it_is_asked_about_and_nothing_typed_is_lost(
    staff: StaffBrowser, day: StaffDay
) -> None:
    fields = {"service_on": "2026-03-06", "window_start": "11:00", "window_end": "09:00"}

    answer = staff.post(f"/staff/deliveries/{day.not_loaded}/reschedule", fields)

    assert answer.status_code == 422
    assert 'value="2026-03-06"' in answer.text
    assert 'role="alert"' in answer.text


def test_a_delivered_parcel_cannot_be_cancelled_and_the_page_says_why(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    answer = staff.post(f"/staff/deliveries/{day.delivered}/cancel", {"reason": "x"})

    assert answer.status_code == 422
    assert "already delivered" in answer.text
    assert delivery(services, day.delivered).status is DeliveryStatus.DELIVERED


def test_a_cancelled_delivery_is_cancelled_after_a_yes_with_its_reason_on_record(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    staff.say_yes(staff.post(f"/staff/deliveries/{day.not_loaded}/cancel", {"reason": "Called: no longer wanted"}))

    assert delivery(services, day.not_loaded).status is DeliveryStatus.CANCELLED
    with services.database.reading() as session:
        actions = set(session.scalars(select(AuditEntry.action).where(AuditEntry.subject_id == day.not_loaded)))
    assert "cancel" in actions
    assert "no longer wanted" in staff.get(f"/staff/deliveries/{day.not_loaded}").text


def test_a_wrong_number_is_refused_and_kept_a_right_one_is_taken_and_can_be_undone(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    path = f"/staff/deliveries/{day.late}/contacts"
    old = delivery(services, day.late)
    fields = {"recipient_name": "Anna B.", "phone": "123", "email": old.email or ""}

    refused = staff.post(path, fields)
    assert refused.status_code == 422
    assert 'value="123"' in refused.text
    staff.post(path, {**fields, "phone": "(212) 555-0123"})
    assert delivery(services, day.late).phone == "+12125550123"
    page = staff.get(f"/staff/deliveries/{day.late}")

    assert f'name="phone" value="{old.phone}"' in page.text  # the undo button's field


def test_the_recipients_link_is_sent_again_by_every_channel(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    staff.post(f"/staff/deliveries/{day.late}/link/resend")

    rows = [row for row in sent(services, Kind.CHAT) if row.delivery_id == day.late]
    assert {row.channel for row in rows} == {Channel.SMS, Channel.EMAIL}


@pytest.mark.parametrize(("step", "live"), [("renew", 1), ("revoke", 0)])
def test_a_link_is_replaced_or_ended_after_a_yes(
    staff: StaffBrowser, services: Services, day: StaffDay, step: str, live: int
) -> None:
    now = services.clock.now()
    with services.database.writing() as session:
        ends = now.replace(year=2030)
        recipient_link(session, delivery_id=day.late, link_id=new_link_id(), now=now, expires_at=ends)

    staff.say_yes(staff.post(f"/staff/deliveries/{day.late}/link/{step}"))

    with services.database.reading() as session:
        rows = list(session.scalars(select(Link).where(Link.delivery_id == day.late)))
    assert len([row for row in rows if row.revoked_at is None]) == live
    assert len([row for row in rows if row.revoked_at is not None]) == 1


@pytest.mark.parametrize(
    ("app_name", "shown"),
    [
        ("owntracks", "/ingest/owntracks"),
        ("traccar", "/ingest/osmand"),
        ("osmand", "/ingest/osmand?id="),
        ("other", "/ingest/positions"),
    ],
)
def test_a_device_token_is_shown_once_with_a_code_to_scan(
    staff: StaffBrowser, services: Services, day: StaffDay, app_name: str, shown: str
) -> None:
    with services.database.reading() as session:
        driver_id = session.get_one(Route, day.route).driver_id
    path = f"/staff/drivers/{driver_id}"

    page = staff.post(f"{path}/tokens", {"label": "Dana's phone", "app": app_name})

    assert "<svg" in page.text
    assert shown in page.text
    with services.database.reading() as session:
        row = session.scalars(select(DeviceToken).where(DeviceToken.label == "Dana's phone")).one()
        token = page.text.split('secret__value">')[1].split("<")[0]
        assert live_device_token(session, token, services.clock.now()) is not None
        assert row.speed_unit == ("mps" if app_name == "osmand" else "knots")
    again = staff.get(path).text
    assert token not in again
    assert "never heard" in again

    with services.database.writing() as session:
        note_heard(session, {row.id: services.clock.now()})
    assert "last heard" in staff.get(path).text

    staff.say_yes(staff.post(f"{path}/tokens/{row.id}/revoke"))
    with services.database.reading() as session:
        assert live_device_token(session, token, services.clock.now()) is None


def test_a_new_stop_needs_a_place(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    path = f"/staff/routes/{day.planned_route}"
    count = len(order(services, day.planned_route))

    staff.post(f"{path}/stops", {"address": "1 New Road", "lat": "north", "lon": "0"})
    assert len(order(services, day.planned_route)) == count
    staff.post(f"{path}/stops", {"address": "1 New Road", "lat": "40.71", "lon": "-74.36"})

    assert len(order(services, day.planned_route)) == count + 1
