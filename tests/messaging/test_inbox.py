from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.chat_lines import Origin, Voice
from messaging.conversations import assign, mark_seen, say
from messaging.inbox import Queue, inbox, inbox_counts
from messaging.ratings import rate
from tests.builders import local, make_delivery, make_route
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.ids import new_id
from tracking.routes import RouteStatus
from tracking.storage import Database

NOW = local("11:00")


def spoken(session: Session, body: str, minutes: int = 0, **columns: object) -> Delivery:
    """Return a delivery whose recipient said ``body`` some minutes after ``NOW``."""
    route = make_route(session, status=RouteStatus.STARTED)
    delivery = make_delivery(session, route=route, **{"status": DeliveryStatus.OUT_FOR_DELIVERY, **columns})
    speak(session, delivery, Voice.RECIPIENT, body, minutes)
    return delivery


def speak(session: Session, delivery: Delivery, voice: Voice, body: str, minutes: int = 0) -> None:
    at = NOW + timedelta(minutes=minutes)
    say(session, delivery_id=delivery.id, voice=voice, origin=Origin.PAGE, actor_id="bo", body=body, now=at)


def found(session: Session, queue: Queue = "all", query: str | None = None, staff_id: str = "bo") -> list[str]:
    rows = inbox(session, queue=queue, staff_id=staff_id, query=query, now=NOW)
    return [row.delivery_id for row in rows]


def test_who_waits_longest_comes_first(session: Session) -> None:
    second, first = spoken(session, "Hello", 5), spoken(session, "Hi", 1)
    assert found(session, "unanswered") == [first.id, second.id]
    speak(session, first, Voice.SUPPORT, "Good morning", 6)
    assert found(session, "unanswered") == [second.id]
    assert found(session, "waiting") == [first.id]


def test_a_row_shows_the_last_line_and_what_nobody_has_read(session: Session) -> None:
    delivery = spoken(session, "Hello", recipient_name="Anna Berg")
    speak(session, delivery, Voice.RECIPIENT, "Are you there?", 1)
    (row,) = inbox(session, queue="all", staff_id="bo", now=NOW)
    assert (row.recipient_name, row.last_body, row.unread) == ("Anna Berg", "Are you there?", 2)
    assert row.waiting_since == NOW
    mark_seen(session, delivery.id, reader=Voice.SUPPORT, now=NOW)
    assert inbox(session, queue="all", staff_id="bo", now=NOW)[0].unread == 0


def test_mine_is_what_i_look_after(session: Session) -> None:
    mine, _ = spoken(session, "Hello"), spoken(session, "Hi")
    assign(session, mine.id, "bo", NOW)
    assert found(session, "mine") == [mine.id]
    assert found(session, "mine", staff_id="cy") == []


def test_a_thread_closes_a_day_after_the_delivery_unless_somebody_waits(session: Session) -> None:
    done = spoken(session, "Thanks")
    speak(session, done, Voice.SUPPORT, "You are welcome", 1)
    done.status, done.status_at = DeliveryStatus.DELIVERED, NOW - timedelta(hours=25)
    waits = spoken(session, "It is broken")
    waits.status, waits.status_at = DeliveryStatus.DELIVERED, NOW - timedelta(hours=25)
    session.flush()
    assert found(session, "closed") == [done.id]
    assert found(session, "unanswered") == [waits.id]


def test_cases_are_a_queue(session: Session) -> None:
    delivery = spoken(session, "It is broken")
    delivery.status, delivery.delivered_at = DeliveryStatus.DELIVERED, NOW
    rate(session, delivery_id=delivery.id, score=1, comment="", source="page", now=NOW, ids=new_id)
    assert found(session, "cases") == [delivery.id]
    assert inbox(session, queue="cases", staff_id="bo", now=NOW)[0].has_open_case


def test_the_counts_are_those_of_the_queues(session: Session) -> None:
    spoken(session, "Hello")
    speak(session, spoken(session, "Hi"), Voice.SUPPORT, "Yes?", 1)
    counts = inbox_counts(session, staff_id="bo", now=NOW)
    assert counts == {"unanswered": 1, "mine": 0, "waiting": 1, "cases": 0, "all": 2, "closed": 0}


@pytest.mark.parametrize(
    "query", ["gate code", "GATE CODE", "berg", "REF-77", "ref-77", "+12015550123", "(201) 555-0123", "12015550123"]
)
def test_words_names_references_and_whole_numbers_are_found(database: Database, query: str) -> None:
    with database.writing() as session:
        wanted = spoken(
            session, "The gate code is 4412", recipient_name="Anna Berg", reference="REF-77", phone="+12015550123"
        )
        spoken(session, "Hello", recipient_name="Bob", reference="X", phone="+12015550124")
        assert found(session, query=query) == [wanted.id]


@pytest.mark.parametrize("query", ["5550123", "%", "_", "100%x", "nobody"])
def test_parts_of_numbers_and_wildcards_find_nothing(session: Session, query: str) -> None:
    spoken(session, "Hello", phone="+12015550123", recipient_name="Bob", reference="X")
    assert found(session, query=query) == []


def test_the_next_page_goes_on_where_the_first_ended(session: Session) -> None:
    for minute in range(5):
        spoken(session, "Hello", minute)
    first = inbox(session, queue="all", staff_id=None, limit=3, now=NOW)
    second = inbox(session, queue="all", staff_id=None, limit=3, before=first[-1].last_message_at, now=NOW)
    assert len({row.delivery_id for row in [*first, *second]}) == 5
