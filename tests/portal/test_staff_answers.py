"""Canned answers: kept, filled in, offered in the recipient's language."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.canned_answers import WORDS, BadAnswer, CannedAnswer, answers, keep, offers, remove
from messaging.chat_lines import EmptyMessage, MessageTooLong
from portal.accounts import Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_id
from tracking.storage import Database


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


def test_an_answer_is_kept_once_a_language_changed_and_removed(database: Database, clock: SetClock) -> None:
    told = {"staff_id": "bo", "now": clock.now(), "ids": new_id}
    with database.writing() as session:
        made = keep(session, answer_id=None, name=" Side  door ", locale="en", body="Hi ((name))", **told)
        keep(session, answer_id=None, name="Side door", locale="es", body="Hola ((name))", **told)
        with pytest.raises(BadAnswer, match="already"):
            keep(session, answer_id=None, name="Side door", locale="en", body="Again", **told)
        keep(session, answer_id=made, name="Side door", locale="en", body="Hello ((name))", **told)
        assert [(row.name, row.locale, row.body) for row in answers(session)] == [
            ("Side door", "en", "Hello ((name))"),
            ("Side door", "es", "Hola ((name))"),
        ]
        assert remove(session, made)
        assert not remove(session, made)


@pytest.mark.parametrize("body", ["((password))", "((name)) ((Name))", "(({{ 7 * 7 }}))", "(())"])
def test_only_words_of_the_list_can_be_put_in(sqlite_database: Database, clock: SetClock, body: str) -> None:
    with sqlite_database.writing() as session, pytest.raises(BadAnswer, match="Choose from"):
        keep(session, answer_id=None, name="x", locale="en", body=body, staff_id="bo", now=clock.now(), ids=new_id)


@pytest.mark.parametrize(
    ("name", "body", "error"), [("", "x", BadAnswer), ("x", " ", EmptyMessage), ("x", "x" * 1001, MessageTooLong)]
)
def test_what_cannot_be_said_cannot_be_kept(
    sqlite_database: Database, clock: SetClock, name: str, body: str, error: type[Exception]
) -> None:
    with sqlite_database.writing() as session, pytest.raises(error):
        keep(session, answer_id=None, name=name, locale="en", body=body, staff_id="bo", now=clock.now(), ids=new_id)


def test_words_are_put_in_once_and_english_stands_in(sqlite_database: Database, clock: SetClock) -> None:
    words = dict.fromkeys(WORDS, "") | {"name": "((driver)) <b>", "driver": "Dana"}
    told = {"answer_id": None, "staff_id": "bo", "now": clock.now(), "ids": new_id}
    with sqlite_database.writing() as session:
        keep(session, name="a", locale="en", body="Hi ((name))", **told)
        keep(session, name="a", locale="es", body="Hola ((name))", **told)
        keep(session, name="b", locale="en", body="((driver)) comes", **told)
        found = [(one.name, one.text, one.is_own_language) for one in offers(session, "es_MX", words)]
    assert found == [("a", "Hola ((driver)) <b>", True), ("b", "Dana comes", False)]


def test_a_dispatcher_writes_an_answer_and_support_puts_it_in(
    client: FlaskClient, services: Services, day: StaffDay
) -> None:
    staff = StaffBrowser(client, services, Role.DISPATCHER)
    body = "Hello ((name)), ((driver)) comes ((expected)). ((me))"
    saved = staff.post("/staff/answers", {"name": "On the way", "locale": "en", "body": body})
    refused = staff.post("/staff/answers", {"name": "Bad", "locale": "en", "body": "((secret))"})
    with services.database.reading() as session:
        answer = session.scalars(select(CannedAnswer)).one()
        name = session.get_one(Delivery, day.chatty).recipient_name.split()[0]

    page = staff.get(f"/staff/conversations/{day.chatty}").text
    chosen = staff.get(f"/staff/conversations/{day.chatty}?answer={answer.id}").text

    assert saved.status_code == 303
    assert (refused.status_code, "((secret))" in refused.text) == (422, True)
    said = f"Hello {name}, Dana comes 12:25-12:40\N{NO-BREAK SPACE}pm. Mara"
    assert f'data-text="{said}"' in page
    assert f">{said}</textarea>" in chosen
    assert "Edit" in staff.get("/staff/answers").text
    assert staff.post(f"/staff/answers/{answer.id}/remove").status_code == 303
    assert "No answers yet" in staff.get("/staff/answers").text


def test_an_agent_sees_the_answers_and_changes_none(client: FlaskClient, services: Services) -> None:
    staff = StaffBrowser(client, services, Role.AGENT)
    assert "New answer" not in staff.get("/staff/answers").text
    assert staff.post("/staff/answers", {"name": "x", "locale": "en", "body": "y"}).status_code == 403
