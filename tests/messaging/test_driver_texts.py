from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind
from messaging.conversations import ChatMessage, Origin, Voice, say
from messaging.kinds import Kind
from messaging.notifications import Notification, NotificationStatus
from tests.builders import local, make_driver, make_route
from tests.messaging.phone import NOW, PHONE, is_out, lines, out, replies, started, told
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.routes import RouteStatus


def asked(session: Session, delivery: Delivery, body: str, at: datetime = NOW) -> None:
    """Say something as the recipient and let the text reach the driver's phone."""
    say(
        session,
        delivery_id=delivery.id,
        voice=Voice.RECIPIENT,
        origin=Origin.PAGE,
        actor_id="",
        body=body,
        now=at,
    )
    statement = select(Notification).where(
        Notification.delivery_id == delivery.id, Notification.kind == Kind.CHAT, Notification.accepted_at.is_(None)
    )
    text = session.scalars(statement).one()
    text.status, text.accepted_at = NotificationStatus.ACCEPTED, at + timedelta(minutes=2)
    session.flush()


@pytest.fixture
def driver_phone() -> str:
    return "+12015550150"


def test_a_drivers_reply_goes_to_who_was_last_asked_about_and_says_so(session: Session, driver_phone: str) -> None:
    route = started(session)
    bob = out(session, route, recipient_name="Bob", phone="+12015550112")
    anna = out(session, route, recipient_name="Anna Berg")
    asked(session, bob, "Hello?")
    asked(session, anna, "Which side?", NOW + timedelta(minutes=5))
    told(session, "at the back", sender=driver_phone, at=NOW + timedelta(minutes=9))
    assert lines(session, anna)[-1] == (Voice.DRIVER, "at the back")
    assert replies(session, driver_phone) == ["Sent to stop 2, Anna."]
    carried = session.scalars(select(Notification).where(Notification.to_address == PHONE)).one()
    assert carried.context["text"] == "Dana (driver): at the back"


@pytest.mark.parametrize(
    "text", ["1: on my way", "stop 1 on my way", "#1 on my way", "Stop 1: on my way", "1:on my way"]
)
def test_a_driver_can_name_the_stop(session: Session, driver_phone: str, text: str) -> None:
    route = started(session)
    bob = out(session, route, recipient_name="Bob", phone="+12015550112")
    anna = out(session, route)
    asked(session, anna, "Which side?")
    told(session, text, sender=driver_phone, at=NOW + timedelta(minutes=5))
    assert lines(session, bob) == [(Voice.DRIVER, "on my way")]


def test_five_minutes_names_no_stop(session: Session, driver_phone: str) -> None:
    route = started(session)
    anna = out(session, route)
    asked(session, anna, "How long?")
    told(session, "5 minutes", sender=driver_phone, at=NOW + timedelta(minutes=5))
    assert lines(session, anna)[-1] == (Voice.DRIVER, "5 minutes")


def test_a_driver_nobody_asked_is_asked_which_stop_and_a_number_answers(session: Session, driver_phone: str) -> None:
    anna = out(session, started(session))
    told(session, "I am at the gate", sender=driver_phone)
    assert "Which stop?" in replies(session, driver_phone)[0]
    assert lines(session, anna) == []
    told(session, "1", sender=driver_phone, at=NOW + timedelta(minutes=1))
    assert lines(session, anna) == [(Voice.DRIVER, "I am at the gate")]


def test_a_driver_answers_what_was_read_on_the_page(session: Session, driver_phone: str) -> None:
    anna = out(session, started(session))
    say(session, delivery_id=anna.id, voice=Voice.RECIPIENT, origin=Origin.PAGE, actor_id="", body="Hi", now=NOW)
    told(session, "two minutes", sender=driver_phone, at=NOW + timedelta(minutes=1))
    assert lines(session, anna)[-1] == (Voice.DRIVER, "two minutes")


def test_a_driver_who_writes_after_the_delivery_is_told_and_support_sees_it(
    session: Session, driver_phone: str
) -> None:
    anna = out(session, started(session), recipient_name="Anna")
    asked(session, anna, "Thanks")
    anna.status = DeliveryStatus.DELIVERED
    session.flush()
    told(session, "you are welcome", sender=driver_phone, at=NOW + timedelta(minutes=4))
    assert replies(session, driver_phone) == ["Not sent: the delivery to stop 1, Anna, is over. Support has been told."]
    line = session.scalars(select(ChatMessage).where(ChatMessage.voice == Voice.DRIVER)).one()
    assert line.is_internal


def test_a_long_text_of_a_driver_comes_whole(session: Session, driver_phone: str) -> None:
    anna = out(session, started(session), recipient_name="Anna")
    asked(session, anna, "Which side?")
    words = "by the gate " * 130
    told(session, words, sender=driver_phone, at=NOW + timedelta(minutes=4))
    said = [body for voice, body in lines(session, anna) if voice is Voice.DRIVER]
    assert len(said) == 2
    assert "".join(said).replace(" ", "") == words.replace(" ", "")


def test_a_driver_may_write_of_stops(session: Session, driver_phone: str) -> None:
    anna = out(session, started(session))
    asked(session, anna, "Where?")
    told(session, "I stop texting now, next stop is you", sender=driver_phone, at=NOW + timedelta(minutes=5))
    assert not is_out(session, driver_phone)


def test_a_driver_who_opts_out_becomes_a_task(session: Session, driver_phone: str) -> None:
    out(session, started(session))
    told(session, "STOP", sender=driver_phone)
    assert is_out(session, driver_phone)
    assert [task.kind for task in session.scalars(select(Task))] == [TaskKind.OPT_OUT_REVIEW]


def test_a_driver_off_duty_who_awaits_a_delivery_writes_as_a_recipient(session: Session, driver_phone: str) -> None:
    make_route(session, status=RouteStatus.FINISHED, on=local("09:00").date() - timedelta(days=5))
    route = started(session, driver=None)
    delivery = out(session, route, phone=driver_phone)
    route.driver_id = _other_driver(session)
    session.flush()
    told(session, "leave it with my neighbour", sender=driver_phone)
    assert lines(session, delivery) == [(Voice.RECIPIENT, "leave it with my neighbour")]


def _other_driver(session: Session) -> str:
    return make_driver(session, name="Eli", phone="+12015550151").id


def test_no_reply_or_relay_ever_holds_a_foreign_number(session: Session, driver_phone: str) -> None:
    anna = out(session, started(session))
    asked(session, anna, "Which side?")
    told(session, "at the back", sender=driver_phone, at=NOW + timedelta(minutes=5))
    told(session, "CALL", at=NOW + timedelta(minutes=6))
    for notification in session.scalars(select(Notification)):
        foreign = driver_phone if notification.to_address == PHONE else PHONE
        assert foreign not in str(notification.context)
