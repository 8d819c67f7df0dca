"""Moving a delivery from its page: what is said before, who is told, and the way back."""

import re
from datetime import date, timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from messaging.notifications import Notification
from portal.accounts import AuditEntry, Role
from portal.services import Services
from tests.builders import SERVICE_ON, local, make_delivery, make_driver, make_route
from tests.portal.staff_browser import StaffBrowser
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, load, require_move
from tracking.routes import Route

TODAY, TOMORROW = SERVICE_ON, SERVICE_ON + timedelta(days=1)


@pytest.fixture
def clock() -> SetClock:
    """Five past eight in the morning: nothing is under way, and quiet hours are over."""
    return SetClock(local("08:05"))


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services, Role.DISPATCHER)


@pytest.fixture
def one(services: Services) -> Delivery:
    """A delivery of today between 10 and 12, and another route of today."""
    with services.database.writing() as session:
        make_route(session, name="Madison", driver=make_driver(session, "Theo Marsh", "+12015550151"))
        return make_delivery(session, route=make_route(session, name="Summit"))


@pytest.fixture
def madison(services: Services, one: Delivery) -> str:
    with services.database.reading() as session:
        return session.scalars(select(Route.id).where(Route.name == "Madison")).one()


def ask(staff: StaffBrowser, delivery_id: str, on: date, start: str, end: str, route_id: str = "") -> TestResponse:
    fields = {"service_on": on.isoformat(), "window_start": start, "window_end": end, "route_id": route_id}
    return staff.post(f"/staff/deliveries/{delivery_id}/reschedule", fields)


def the_delivery(services: Services, one: Delivery) -> Delivery:
    with services.database.reading() as session:
        return load(session, one.id)


def place(found: Delivery) -> tuple[object, ...]:
    return found.stop_id, found.service_on, found.window_start_at, found.window_end_at


def text_of(page: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def undo_fields(page: TestResponse) -> dict[str, str]:
    form = page.text.partition('class="notice notice--ok undo"')[2].partition("</form>")[0]
    return dict(re.findall(r'name="(event)" value="([^"]*)"', form))


def test_another_day_is_told_by_every_channel_and_the_question_says_so(
    staff: StaffBrowser, services: Services, one: Delivery
) -> None:
    asked = text_of(ask(staff, one.id, TOMORROW, "13:00", "15:00"))

    assert "It comes on Fri 6 Mar, 1:00–3:00 pm." in asked
    assert "It waits for a truck: no route takes it yet." in asked
    assert "The recipient is told by text and email at once. The link stays the same." in asked
    assert place(the_delivery(services, one)) == place(one)
    with services.database.reading() as session:
        assert session.scalars(select(Notification)).all() == []


def test_at_night_the_question_says_when_they_are_told(staff: StaffBrowser, clock: SetClock, one: Delivery) -> None:
    clock.at = local("23:00", TODAY - timedelta(days=1))
    asked = text_of(ask(staff, one.id, TOMORROW, "13:00", "15:00"))
    assert "told by text and email when quiet hours end: Thu 5 Mar, 8:00 am." in asked


def test_nobody_is_told_when_only_the_route_changes(staff: StaffBrowser, one: Delivery, madison: str) -> None:
    asked = text_of(ask(staff, one.id, TODAY, "10:00", "12:00", madison))
    assert "It goes onto route Madison of Theo Marsh." in asked
    assert "Day and time stay as they were, so the recipient is not told." in asked


def test_who_was_told_no_time_yet_is_not_told_that_it_changed(staff: StaffBrowser, one: Delivery) -> None:
    asked = text_of(ask(staff, one.id, TODAY, "10:00", "12:30"))
    assert "No message goes out about it now; those still to come name the new time." in asked


def test_a_move_to_where_it_is_already_is_refused(staff: StaffBrowser, services: Services, one: Delivery) -> None:
    answer = ask(staff, one.id, TODAY, "10:00", "12:00")
    assert answer.status_code == 422
    assert "It is planned so already." in answer.text


def test_a_move_is_taken_back_on_the_next_page(staff: StaffBrowser, services: Services, one: Delivery) -> None:
    staff.say_yes(ask(staff, one.id, TOMORROW, "13:00", "15:00"))
    assert the_delivery(services, one).service_on == TOMORROW

    page = staff.get(f"/staff/deliveries/{one.id}")
    assert "Moved to Fri 6 Mar, 1:00–3:00 pm, waiting for a truck." in text_of(page)
    staff.post(f"/staff/deliveries/{one.id}/reschedule/undo", undo_fields(page))

    assert place(the_delivery(services, one)) == place(one)
    said = text_of(staff.get(f"/staff/deliveries/{one.id}"))
    assert "Moved back. It comes on Thu 5 Mar, 10:00 am–12:00 pm. It goes onto route Summit" in said
    with services.database.reading() as session:
        assert "undo_reschedule" in session.scalars(select(AuditEntry.action)).all()


def test_what_has_been_loaded_since_stays_where_it_is(
    staff: StaffBrowser, services: Services, clock: SetClock, one: Delivery, madison: str
) -> None:
    staff.say_yes(ask(staff, one.id, TODAY, "10:00", "12:00", madison))
    page = staff.get(f"/staff/deliveries/{one.id}")
    assert "Moved to Thu 5 Mar, 10:00 am–12:00 pm, route Madison." in text_of(page)
    with services.database.writing() as session:
        require_move(session, one.id, DeliveryStatus.LOADED, at=clock.now() + timedelta(minutes=1))

    staff.post(f"/staff/deliveries/{one.id}/reschedule/undo", undo_fields(page))
    assert "it cannot be moved back" in staff.get(f"/staff/deliveries/{one.id}").text
    assert the_delivery(services, one).stop.route_id == madison


def test_no_way_back_is_offered_to_a_window_that_is_over(staff: StaffBrowser, clock: SetClock, one: Delivery) -> None:
    clock.at = local("12:30")
    staff.say_yes(ask(staff, one.id, TOMORROW, "13:00", "15:00"))
    page = staff.get(f"/staff/deliveries/{one.id}")
    assert "Moved to Fri 6 Mar, 1:00–3:00 pm, waiting for a truck." in text_of(page)
    assert undo_fields(page) == {}
