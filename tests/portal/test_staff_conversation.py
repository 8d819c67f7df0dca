"""One conversation as support sees and changes it."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.chat_lines import ChatMessage, Conversation
from portal.accounts import AuditEntry, Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tracking.deliveries import Delivery
from tracking.ids import new_id


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services, Role.AGENT)


def lines(services: Services, delivery_id: str) -> list[ChatMessage]:
    with services.database.reading() as session:
        found = select(ChatMessage).where(ChatMessage.conversation_id == delivery_id).order_by(ChatMessage.id)
        return list(session.scalars(found))


def thread(services: Services, delivery_id: str) -> Conversation:
    with services.database.reading() as session:
        return session.scalars(select(Conversation).where(Conversation.delivery_id == delivery_id)).one()


def version_on(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found is not None
    return found[1]


def test_every_look_at_a_conversation_is_on_record(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    staff.get(f"/staff/conversations/{day.chatty}")

    with services.database.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.subject_id == day.chatty)).one()
    assert (entry.action, entry.subject_kind, entry.actor_id) == ("view", "conversation", staff.account.id)


def test_the_page_holds_its_part(staff: StaffBrowser, day: StaffDay) -> None:
    staff.get(f"/staff/conversations/{day.chatty}")
    page = staff.get(f"/staff/conversations/{day.chatty}").text
    part = staff.get(f"/staff/conversations/{day.chatty}/part").text

    facts = part[part.index('<div id="facts"') :].strip()
    assert facts in page
    assert "Gate code" in page or "Dana Ruiz" in page


def test_an_answer_is_sent_once_however_often_it_is_posted(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    before = len(lines(services, day.chatty))
    fields = {"body": "About half an hour.", "request_id": "one", "version": "99"}

    first = staff.post(f"/staff/conversations/{day.chatty}/say", fields)
    staff.post(f"/staff/conversations/{day.chatty}/say", fields)

    assert first.status_code == 303
    assert [line.body for line in lines(services, day.chatty)[before:]] == ["About half an hour."]
    assert thread(services, day.chatty).waiting_since is None


def test_the_second_of_two_agents_is_refused_sees_what_changed_and_keeps_the_typed_text(
    app: Flask, services: Services, day: StaffDay
) -> None:
    mara = StaffBrowser(app.test_client(), services, Role.AGENT, "Mara Lind")
    joe = StaffBrowser(app.test_client(), services, Role.AGENT, "Joe Ade")
    path = f"/staff/conversations/{day.chatty}"
    version = version_on(mara.get(path).text)
    assert version_on(joe.get(path).text) == version

    mara.post(f"{path}/say", {"body": "About half an hour.", "version": version})
    answer = joe.post(f"{path}/say", {"body": "In 20 minutes & counting", "version": version})

    assert answer.status_code == 409
    assert "About half an hour." in answer.text
    assert "In 20 minutes &amp; counting" in answer.text
    assert "Your message was not sent" in answer.text
    assert "In 20 minutes & counting" not in [line.body for line in lines(services, day.chatty)]
    again = joe.post(f"{path}/say", {"body": "In 20 minutes & counting", "version": version_on(answer.text)})
    assert again.status_code == 303


@pytest.mark.parametrize("body", ["", "   \n ", "x" * 10_000])
def test_an_empty_or_endless_answer_is_refused_with_a_sentence(staff: StaffBrowser, day: StaffDay, body: str) -> None:
    answer = staff.post(f"/staff/conversations/{day.chatty}/say", {"body": body})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_an_internal_note_stays_among_staff_and_answers_nobody(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    staff.post(f"/staff/conversations/{day.chatty}/say", {"body": "She sounded upset.", "note": "yes"})

    assert lines(services, day.chatty)[-1].is_internal
    assert thread(services, day.chatty).waiting_since is not None


def test_support_takes_over_hands_back_assigns_and_settles(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    path = f"/staff/conversations/{day.chatty}"

    staff.post(f"{path}/take-over")
    assert thread(services, day.chatty).taken_over_by == staff.account.id
    staff.post(f"{path}/hand-back")
    assert thread(services, day.chatty).taken_over_by is None
    staff.post(f"{path}/assign", {"staff_id": staff.account.id})
    assert thread(services, day.chatty).assigned_to == staff.account.id
    staff.post(f"{path}/settle")
    assert thread(services, day.chatty).waiting_since is None


def test_htmx_gets_the_thread_with_the_new_line_instead_of_a_redirect(staff: StaffBrowser, day: StaffDay) -> None:
    answer = staff.post(f"/staff/conversations/{day.chatty}/say", {"body": "Soon."}, headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="talk"')
    assert "Soon." in answer.text


def test_what_people_wrote_is_shown_literally(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    payload = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    with services.database.writing() as session:
        late = session.get_one(Delivery, day.late)
        late.recipient_name = late.recipient_note = late.items = late.instructions = payload
    staff.post(f"/staff/conversations/{day.late}/say", {"body": payload})

    for path in (
        f"conversations/{day.late}",
        f"deliveries/{day.late}",
        f"routes/{day.route}",
        "inbox?queue=all",
        "",
        "fleet",
    ):
        text = staff.get(f"/staff/{path}").text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path


def test_the_inbox_shows_who_waits_longest_first_and_finds_words(staff: StaffBrowser, day: StaffDay) -> None:
    unanswered = staff.get("/staff/inbox").text
    found = staff.get("/staff/inbox?q=side+door").text

    assert unanswered.index(day.late) < unanswered.index(day.chatty)
    assert day.chatty in found
    assert day.late not in found
    assert "Nothing found" in staff.get("/staff/inbox?q=zebra").text
