"""A staff tab that was open for too long, and an address that only takes forms: there is always a way on."""

import pytest
from flask.testing import FlaskClient

from portal.accounts import IDLE_S
from portal.services import Services
from tests.builders import make_delivery
from tests.portal.staff_browser import StaffBrowser
from tracking.clocks import SetClock
from tracking.deliveries import Delivery

HTMX = {"HX-Request": "true"}


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services)


@pytest.fixture
def delivery_id(services: Services) -> str:
    with services.database.writing() as session:
        return make_delivery(session).id


def test_a_form_of_a_login_that_idled_out_comes_back_to_its_page(
    staff: StaffBrowser, clock: SetClock, delivery_id: str
) -> None:
    token = staff.token()
    clock.advance(seconds=IDLE_S + 1)
    page = f"/staff/deliveries/{delivery_id}"
    answer = staff.client.post(f"{page}/cancel", data={"csrf_token": token})

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/staff/login?next={page}")


def test_a_form_without_any_login_or_token_is_sent_to_the_login_too(client: FlaskClient) -> None:
    answer = client.post("/staff/conversations/madeup/say", data={"body": "Hello"})
    fragment = client.post("/staff/conversations/madeup/say", data={"body": "Hello"}, headers=HTMX)

    assert answer.headers["Location"] == "/staff/login?next=/staff/conversations/madeup"
    assert fragment.status_code == 401
    assert 'href="/staff/login?next=/staff/conversations/madeup"' in fragment.text


def test_an_old_token_changes_nothing_and_says_so_with_a_way_back(
    staff: StaffBrowser, services: Services, delivery_id: str
) -> None:
    page = f"/staff/deliveries/{delivery_id}"
    for headers in ({}, HTMX):
        fields = {"csrf_token": "of another login", "instructions": "Ring <twice>"}
        answer = staff.client.post(f"{page}/instructions", data=fields, headers=headers)
        assert answer.status_code == 400
        assert "open for too long. Nothing was changed." in answer.text
        assert "Ring &lt;twice&gt;" in answer.text  # a reload would take the words away
        assert f'href="{page}"' in answer.text
        assert ("<html" in answer.text) is not bool(headers)
    with services.database.reading() as session:
        assert session.get_one(Delivery, delivery_id).instructions != "Ring <twice>"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/staff/deliveries/abc/reschedule", "/staff/deliveries/abc"),
        ("/staff/deliveries/abc/notices/xyz/resend", "/staff/deliveries/abc"),
        ("/staff/messages/day_before/sms/en/save", "/staff/messages/day_before/sms/en"),
        ("/staff/tasks/abc/resolve", "/staff/tasks"),
        ("/staff/deliveries/%0d%0aX-Evil:1/cancel", "/staff/deliveries/%0D%0AX-Evil:1"),
    ],
)
def test_an_address_that_only_takes_forms_leads_to_its_page(staff: StaffBrowser, path: str, page: str) -> None:
    answer = staff.get(path)

    assert (answer.status_code, answer.headers["Location"]) == (303, page)


def test_where_no_page_is_plain_there_is_a_link_to_the_first(staff: StaffBrowser) -> None:
    answer = staff.get("/staff/wishes/abc/accept")

    assert answer.status_code == 405
    assert "Nothing was changed" in answer.text
    assert 'href="/staff/"' in answer.text
