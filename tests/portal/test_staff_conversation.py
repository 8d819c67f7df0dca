"""One conversation as support sees and changes it."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.chat_lines import ChatMessage, Conversation, Origin, Voice
from messaging.conversations import say
from portal.accounts import AuditEntry, Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser, add_account
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


def without_tokens(page: str) -> str:
    """Return a page without the tokens of its forms, which carry the second they were made in."""
    return re.sub(r'(name="csrf_token" value=)"[^"]+"', r"\1", page)


def version_on(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found is not None
    return found[1]


def test_every_look_at_a_conversation_is_on_record(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    staff.get(f"/staff/conversations/{day.chatty}")

    with services.database.reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.subject_id == day.chatty)).one()
    assert (entry.action, entry.subject_kind, entry.actor_id) == ("view", "conversation", staff.account.id)


def test_looking_changes_nothing_but_the_record_of_who_looked(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    path = f"/staff/conversations/{day.chatty}"
    before = (lines(services, day.chatty), thread(services, day.chatty))

    staff.get(path)
    staff.get(f"{path}/part")

    after = (lines(services, day.chatty), thread(services, day.chatty))
    assert [line.seen_by_staff_at for line in after[0]] == [line.seen_by_staff_at for line in before[0]]
    assert any(line.seen_by_staff_at is None for line in after[0])
    assert after[1].version == before[1].version


def test_lines_count_as_read_when_the_page_says_so(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    path = f"/staff/conversations/{day.chatty}"
    assert "Mark as read" in staff.get(path).text

    by_button = staff.post(f"{path}/seen")
    by_script = staff.post(f"{path}/seen", headers={"X-Live": "1"})

    assert (by_button.status_code, by_script.status_code) == (303, 204)
    spoken = [line for line in lines(services, day.chatty) if line.voice != "support"]
    assert all(line.seen_by_staff_at == services.clock.now() for line in spoken)
    assert "Mark as read" not in staff.get(path).text
    assert 'data-unseen="0"' in staff.get(f"{path}/part").text


def test_who_else_looks_and_writes_is_seen_on_page_and_list_until_they_leave(
    app: Flask, services: Services, day: StaffDay
) -> None:
    mara = StaffBrowser(app.test_client(), services, Role.AGENT, "Mara Lind")
    joe = StaffBrowser(app.test_client(), services, Role.AGENT, "Joe Ade")
    path = f"/staff/conversations/{day.chatty}"

    joe.post(f"{path}/here", {"doing": "reading"})
    assert "Joe Ade is looking" in mara.get(f"{path}/part").text
    joe.post(f"{path}/here", {"doing": "writing"})
    assert "Joe Ade is writing" in mara.get(path).text
    assert "Joe Ade is writing" not in joe.get(path).text
    assert "Joe writes" in mara.get("/staff/inbox").text
    joe.post(f"{path}/here", {"doing": "left"})
    assert "Joe Ade is" not in mara.get(path).text


def test_the_page_works_without_redis(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    services.redis.connection_pool.connection_kwargs["port"] = 9
    services.redis.connection_pool.disconnect()

    assert staff.get(f"/staff/conversations/{day.chatty}").status_code == 200
    assert staff.post(f"/staff/conversations/{day.chatty}/here", {"doing": "writing"}).status_code == 204


def test_the_page_holds_its_part(staff: StaffBrowser, day: StaffDay) -> None:
    staff.get(f"/staff/conversations/{day.chatty}")
    page = without_tokens(staff.get(f"/staff/conversations/{day.chatty}").text)
    part = without_tokens(staff.get(f"/staff/conversations/{day.chatty}/part").text)

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
    assert answer.text.count("Written while you were writing") == 1
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


def test_a_conversation_is_taken_given_to_somebody_and_released(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    path = f"/staff/conversations/{day.chatty}"
    other = add_account(services, Role.AGENT, "Joe Ade")

    staff.post(f"{path}/assign", {"staff_id": staff.account.id})
    assert "Release" in staff.get(path).text
    assert day.chatty in staff.get("/staff/inbox?queue=mine").text
    staff.post(f"{path}/assign", {"staff_id": other.id})
    assert thread(services, day.chatty).assigned_to == other.id
    staff.post(f"{path}/assign", {"staff_id": ""})
    assert thread(services, day.chatty).assigned_to is None
    staff.post(f"{path}/assign", {"staff_id": "nobody"})
    assert thread(services, day.chatty).assigned_to is None


def test_a_text_in_the_wrong_thread_is_moved_to_another_delivery_of_the_person_or_by_reference(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    with services.database.writing() as session:
        wrong, right = session.get_one(Delivery, day.chatty), session.get_one(Delivery, day.late)
        right.phone, reference = wrong.phone, right.reference
        line = say(
            session,
            delivery_id=wrong.id,
            voice=Voice.RECIPIENT,
            origin=Origin.SMS,
            actor_id="",
            body="The sofa goes upstairs",
            now=services.clock.now(),
        )
    path = f"/staff/conversations/{day.chatty}"
    page = staff.get(path).text
    assert f'name="to" value="{day.late}"' in page
    assert reference in page

    nowhere = staff.post(f"{path}/lines/{line.id}/move", {"to": "NO-SUCH"}, follow_redirects=True)
    elsewhere = staff.post(f"/staff/conversations/{day.delivered}/lines/{line.id}/move", {"to": day.late})
    moved = staff.post(f"{path}/lines/{line.id}/move", {"to": reference.lower()})

    assert "There is no such delivery" in nowhere.text
    assert elsewhere.headers["Location"].endswith(day.delivered)
    assert day.late in moved.headers["Location"]
    assert "The sofa goes upstairs" not in [one.body for one in lines(services, day.chatty)]
    assert lines(services, day.late)[-1].body == "The sofa goes upstairs"


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
