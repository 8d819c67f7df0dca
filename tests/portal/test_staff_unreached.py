"""The page of who could not be reached."""

import csv
import io
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.cases import Task, TaskKind
from messaging.consent import pepper_of
from messaging.fallback import after_failure
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.reconciler import of_delivery, reconcile
from messaging.unreached import unreached
from portal.accounts import AuditEntry, Role
from portal.services import Services
from portal.staff.unreached_words import what_to_do
from tests.builders import SERVICE_ON, local, make_delivery
from tests.portal.recipient_day import token_of
from tests.portal.staff_browser import StaffBrowser
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_id

PHONE = "+12015550111"
_TOKEN = re.compile(r'name="csrf_token" value="[^"]+"')  # signed with the second it was made in


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services)


@pytest.fixture
def code() -> str:
    """What the text failed with; a landline gets none, another phone was only off."""
    return "30006"


@pytest.fixture
def lost(services: Services, clock: SetClock, code: str) -> str:
    """The task of a delivery tomorrow whose eve's text failed on a landline."""
    clock.at = local("18:05", SERVICE_ON.replace(day=SERVICE_ON.day - 1))
    pepper = pepper_of(services.settings.secret_keys)
    with services.database.writing() as session:
        made = make_delivery(session, phone=PHONE, email=None, plan_dirty_at=clock.now(), recipient_name="=Eve <b>")
        reconcile(session, made.id, now=clock.now(), ids=new_id, pepper=pepper)
        row = next(one for one in of_delivery(session, made.id) if one.kind is Kind.DAY_BEFORE)
        row.attempt = 1
        advance(session, row.id, NotificationStatus.SENDING)
        columns = {"error_code": code, "reason": "the number is a landline", "final_at": clock.now()}
        advance(session, row.id, NotificationStatus.UNDELIVERED, **columns)
        session.refresh(row)
        after_failure(session, row, now=clock.now(), ids=new_id, pepper=pepper)
        return session.scalars(select(Task.id).where(Task.kind == TaskKind.COULD_NOT_REACH)).one()


def test_the_list_says_who_why_what_was_tried_and_what_helps(staff: StaffBrowser, lost: str) -> None:
    page, part = (_TOKEN.sub("", staff.get(path).text) for path in ("/staff/unreached", "/staff/unreached/part"))

    assert part.strip() in page
    assert "=Eve &lt;b&gt;" in part
    assert "The number is a landline." in part
    assert "30006" in part
    assert "Text to" in part
    assert "+1•••••0111" in part
    assert PHONE not in page
    assert "A landline gets no texts: call them" in part
    assert f"/staff/unreached/{lost}/call" in part
    assert "/resend" not in part
    assert "Could not be reached" in staff.get("/staff/tasks").text


def test_the_spreadsheet_is_masked_and_harmless(staff: StaffBrowser, lost: str) -> None:
    answer = staff.get("/staff/unreached.csv")
    (row,) = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))

    assert row["recipient"] == "'=Eve <b>"
    assert row["to"] == "'+1•••••0111"
    assert row["reason"] == "The number is a landline."
    assert PHONE not in answer.text


@pytest.mark.parametrize("code", ["30003"])
def test_it_goes_out_again_by_one_click(staff: StaffBrowser, services: Services, lost: str) -> None:
    assert staff.post(f"/staff/unreached/{lost}/resend").status_code == 303
    with services.database.reading() as session:
        again = [row for row in session.scalars(select(Notification)) if row.occasion.startswith("again-")]
    assert [(row.kind, row.to_address) for row in again] == [(Kind.DAY_BEFORE, PHONE)]


@pytest.mark.parametrize("code", ["30003"])
def test_when_the_words_are_old_the_link_to_the_page_goes(
    staff: StaffBrowser, services: Services, clock: SetClock, lost: str
) -> None:
    clock.at += timedelta(days=1)
    assert "Send their page" in staff.get("/staff/unreached").text
    staff.post(f"/staff/unreached/{lost}/resend")
    with services.database.reading() as session:
        assert [row.kind for row in session.scalars(select(Notification)) if row.occasion.startswith("resend/")] == [
            Kind.CHAT
        ]


def test_a_landline_gets_no_text_and_no_link(
    staff: StaffBrowser, services: Services, clock: SetClock, lost: str
) -> None:
    for _ in range(2):
        answer = staff.post(f"/staff/unreached/{lost}/resend", follow_redirects=True)
        assert "There is no address it could arrive at. Call them." in answer.text
        clock.at += timedelta(days=1)
    with services.database.writing() as session:
        session.scalars(select(Delivery)).one().email = "eve@example.net"
    assert "Send their page" in staff.get("/staff/unreached").text
    staff.post(f"/staff/unreached/{lost}/resend")
    with services.database.reading() as session:
        sent = session.scalars(select(Notification).where(Notification.occasion.startswith("resend/"))).all()
    assert [(row.channel, row.to_address) for row in sent] == [(Channel.EMAIL, "eve@example.net")]


def test_staff_can_call_from_the_list_and_who_saw_the_number_is_on_record(
    client: FlaskClient, services: Services, lost: str
) -> None:
    agent = StaffBrowser(client, services, Role.AGENT)
    page = agent.get(f"/staff/unreached/{lost}/call").text

    assert f'href="tel:{PHONE}"' in page
    assert "+1 201-555-0111" in page
    assert "Thu 5 Mar, 10:00\xa0am–12:00\xa0pm" in page
    assert "Correct the contact" not in page
    with services.database.reading() as session:
        seen = session.scalars(select(AuditEntry).where(AuditEntry.action == "show_number")).one()
        assert (seen.subject_kind, seen.subject_id) == ("delivery", session.scalars(select(Delivery.id)).one())


def test_without_a_number_nobody_is_sent_to_call(staff: StaffBrowser, services: Services, lost: str) -> None:
    with services.database.writing() as session:
        found = session.scalars(select(Delivery)).one()
        found.phone, found.email = None, "eve@example.net"
    assert f"/staff/unreached/{lost}/call" not in staff.get("/staff/unreached").text
    answer = staff.get(f"/staff/unreached/{lost}/call")
    assert answer.status_code == 303
    assert "There is no number to call." in staff.get("/staff/unreached").text
    assert staff.get("/staff/unreached/nothing/call").status_code == 404


def test_settling_needs_a_word_and_can_be_taken_back(staff: StaffBrowser, services: Services, lost: str) -> None:
    staff.post(f"/staff/unreached/{lost}/settle", {"resolution": " "})
    assert "Say in a few words" in staff.get("/staff/unreached").text
    staff.post(f"/staff/unreached/{lost}/settle", {"resolution": "called them"})

    page = staff.get("/staff/unreached").text
    assert "Everybody was reached." in page
    assert f"/staff/unreached/{lost}/reopen" in page
    settled = staff.get("/staff/unreached?show=settled").text
    assert "called them Settled Mara Lind" in settled
    assert staff.post(f"/staff/unreached/{lost}/reopen").status_code == 303
    with services.database.reading() as session:
        pepper = pepper_of(services.settings.secret_keys)
        assert [one.task.id for one in unreached(session, now=services.clock.now(), pepper=pepper)] == [lost]


def test_a_line_that_does_not_exist_is_not_found(staff: StaffBrowser) -> None:
    assert staff.post("/staff/unreached/nothing/resend").status_code == 404


def test_opening_the_page_takes_the_line_off(
    client: FlaskClient, staff: StaffBrowser, services: Services, lost: str
) -> None:
    with services.database.writing() as session:
        token = token_of(session, session.scalars(select(Delivery)).one(), services.links)
    client.post(f"/t/{token}/seen")

    assert "They opened their page." in staff.get("/staff/unreached?show=settled").text


@pytest.mark.parametrize(
    ("channel", "code", "told"),
    [
        (Channel.SMS, "30005", "Correct the number"),
        (Channel.SMS, "30007", "about our account"),
        (Channel.SMS, "99999", "Call them, or correct"),
        (Channel.EMAIL, "5.1.1", "Correct the email address"),
        (Channel.EMAIL, "5.2.2", "mailbox is full"),
        (None, "", "Call them, or correct"),
    ],
)
def test_what_helps_follows_from_the_code(channel: Channel | None, code: str, told: str) -> None:
    assert told in what_to_do(TaskKind.COULD_NOT_REACH, channel, code)
