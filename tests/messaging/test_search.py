import itertools
import os
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.conversations import say
from messaging.inbox import inbox
from messaging.moved_lines import move_line
from messaging.search import MOST_FOUND, Hit, find
from messaging.search_index import keep_about
from messaging.search_words import query_words
from tests.builders import local, make_delivery, make_route
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.routes import Route, RouteStatus
from tracking.storage import Database

NOW = local("11:00")
_letters = map("q".__mul__, itertools.count(1))


def route(session: Session) -> Route:
    return make_route(session, status=RouteStatus.STARTED)


def spoken(session: Session, body: str, *, minutes: int = 0, internal: bool = False, **columns: object) -> Delivery:
    given_columns = {
        "status": DeliveryStatus.OUT_FOR_DELIVERY,
        "recipient_name": "Bo",
        "reference": f"X{next(_letters)}",
        **columns,
    }
    delivery = make_delivery(session, route=route(session), **given_columns)
    speak(session, delivery, body, minutes=minutes, internal=internal)
    return delivery


def speak(session: Session, delivery: Delivery, body: str, *, minutes: int = 0, internal: bool = False) -> ChatMessage:
    voice = Voice.SUPPORT if internal else Voice.RECIPIENT
    at = NOW + timedelta(minutes=minutes)
    return say(
        session,
        delivery_id=delivery.id,
        voice=voice,
        origin=Origin.PAGE,
        actor_id="bo",
        body=body,
        is_internal=internal,
        now=at,
    )


def found(session: Session, query: str, region: str = "US") -> list[str]:
    return [hit.delivery_id for hit in find(session, query, region=region)]


def test_every_word_of_a_line_its_name_and_reference_finds_it_without_accents_and_from_its_beginning(
    database: Database,
) -> None:
    with database.writing() as session:
        wanted = spoken(
            session, "La casa del arbol de Núñez, código 4412", recipient_name="Anna Bérg", reference="REF-77"
        )
        spoken(session, "La del mar")
        for query in [
            "nunez",
            "NÚÑEZ",
            "núñ",
            "casa nun",
            "nunez casa",
            "4412",
            "44",
            "del árbol",
            "anna casa",
            "ref-77",
            "REF 77",
        ]:
            assert found(session, query) == [wanted.id], query


def test_what_is_in_no_line_as_a_whole_is_not_found(database: Database) -> None:
    with database.writing() as session:
        spoken(session, "La casa 4412")
        for query in ["casa zebra", "asa", "412", "%", "*", "' OR 1=1 --", "NOT mar", "NEAR(casa mar)", ""]:
            assert found(session, query) == [], query


def test_signs_and_words_of_the_engines_own_language_are_plain_words(database: Database) -> None:
    with database.writing() as session:
        wanted = spoken(session, "casa and or not near search words")
        for query in ["or", "and not", '"casa"', "casa*", "casa OR", "(casa", "search_words:casa", "-casa"]:
            assert found(session, query) == [wanted.id], query


def test_no_query_breaks_either_engine(database: Database) -> None:
    with database.writing() as session:
        spoken(session, "hello")

        @settings(
            max_examples=int(os.environ.get("SEARCH_EXAMPLES", "50")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.text(max_size=60) | st.text(alphabet="\"'*():^-+&|!<>\\ aN\u0301٣々", max_size=30))
        def ask(query: str) -> None:
            found(session, query)

        ask()


def test_any_line_is_found_by_each_of_its_words(database: Database) -> None:
    with database.writing() as session:
        delivery = spoken(session, "hello")

        @settings(
            max_examples=int(os.environ.get("SEARCH_EXAMPLES", "50")) // 2,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.text(alphabet=st.characters(categories=["L", "N", "M"]), min_size=1, max_size=12))
        def ask(word: str) -> None:
            with session.begin_nested() as nested:
                speak(session, delivery, f"before {word} after")
                assert delivery.id in found(session, word)[:1] or not "".join(query_words(word))
                nested.rollback()

        ask()


def test_the_newest_line_comes_first_and_each_conversation_once(session: Session) -> None:
    first, second = spoken(session, "gate"), spoken(session, "gate", minutes=1)
    assert found(session, "gate") == [second.id, first.id]
    newest = speak(session, first, "the gate again", minutes=2)
    hits = find(session, "gate", region="US")
    assert hits[0] == Hit(first.id, newest.id)
    assert len(hits) == 2


def test_a_whole_number_however_it_is_written_finds_who_has_it_even_when_nobody_wrote(database: Database) -> None:
    with database.writing() as session:
        wanted = make_delivery(session, phone="+12015550123")
        make_delivery(session, phone="+12015550124")
        for query in [
            "+12015550123",
            "(201) 555-0123",
            "201 555 0123",
            "12015550123",
            "201.555.0123",
            "\u202a+1 201 555 0123\u202c",
        ]:
            assert found(session, query) == [wanted.id], query
            rows = inbox(session, queue="all", staff_id=None, query=query, now=NOW)
            assert [(row.delivery_id, row.last_body, row.last_message_at) for row in rows] == [(wanted.id, "", None)], (
                query
            )


def test_numbers_without_a_country_are_read_as_those_of_the_house(session: Session) -> None:
    wanted = make_delivery(session, phone="+447700900123")
    assert found(session, "07700 900123", region="GB") == [wanted.id]
    assert found(session, "07700 900123", region="US") == []


def test_a_reference_in_any_case_and_an_address_find_it(session: Session) -> None:
    wanted = make_delivery(session, reference="AB-1", email="anna@example.net")
    for query in ("AB-1", "ab-1", "anna@example.net", "ANNA@example.net"):
        assert found(session, query) == [wanted.id], query


def test_notes_among_staff_are_found_too(session: Session) -> None:
    wanted = spoken(session, "She sounded upset", internal=True)
    assert found(session, "upset") == [wanted.id]


def test_a_moved_line_is_found_where_it_is_now(session: Session) -> None:
    wrong, right = spoken(session, "hello", recipient_name="Anna"), spoken(session, "hi", recipient_name="Berta")
    line = speak(session, wrong, "zebra")
    move_line(session, line.id, from_delivery_id=wrong.id, to_delivery_id=right.id, staff_id="bo", now=NOW)
    session.flush()
    assert found(session, "zebra") == [right.id]


def test_a_name_that_was_corrected_finds_the_lines_said_before(session: Session) -> None:
    delivery = spoken(session, "gate", recipient_name="Anna")
    delivery.recipient_name = "Berta"
    keep_about(session, delivery)
    session.flush()
    assert found(session, "berta gate") == [delivery.id]
    assert found(session, "anna") == []


def test_a_search_in_a_queue_keeps_to_it_and_shows_where_it_was_said(session: Session) -> None:
    waits = spoken(session, "The green gate")
    done = spoken(session, "The red gate")
    say(
        session, delivery_id=done.id, voice=Voice.SUPPORT, origin=Origin.PAGE, actor_id="bo", body="Thanks", now=NOW
    )  # fmt: skip
    (row,) = inbox(session, queue="unanswered", staff_id="bo", query="gate", now=NOW)
    assert row.delivery_id == waits.id
    assert [piece.text for piece in row.found if piece.is_hit] == ["gate"]


def test_no_more_is_found_than_can_be_read(session: Session) -> None:
    shared = route(session)
    for _ in range(MOST_FOUND + 5):
        delivery = make_delivery(session, route=shared, status=DeliveryStatus.OUT_FOR_DELIVERY)
        speak(session, delivery, "gate")
    assert len(found(session, "gate")) == MOST_FOUND
