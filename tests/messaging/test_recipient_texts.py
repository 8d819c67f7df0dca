from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import TaskKind, open_tasks
from messaging.conversations import Voice
from messaging.inbound import (
    InboundMessage,
    ReadAs,
)
from messaging.kinds import Kind
from messaging.moved_lines import attach
from messaging.notifications import Notification
from tests.builders import local, make_delivery
from tests.messaging.phone import NOW, PHONE, lines, out, replies, sent, told
from tracking.deliveries import Delivery, DeliveryStatus


def two(session: Session) -> tuple[Delivery, Delivery]:
    """Return a sofa and a lamp for the same number, both scheduled."""
    sofa = make_delivery(session, phone=PHONE, items="sofa", window="10:00-12:00")
    return sofa, make_delivery(session, phone=PHONE, items="lamp", window="14:00-16:00")


def test_when_unsure_we_ask_back_and_say_nothing_to_a_driver(session: Session) -> None:
    sofa, lamp = two(session)
    told(session, "can you come later?")
    assert replies(session) == [
        "Juniper: which delivery is this about? A sofa 10:00 am-12:00 pm, or B lamp 2:00-4:00 pm?"
    ]
    assert lines(session, sofa) == lines(session, lamp) == []
    assert "can you come later?" in open_tasks(session)[0].reason


def test_the_answer_brings_the_text_that_waited_to_its_thread(session: Session) -> None:
    sofa, lamp = two(session)
    told(session, "can you come later?")
    assert told(session, "b please", at=NOW + timedelta(minutes=1)).read_as is ReadAs.ANSWER
    assert lines(session, lamp) == [(Voice.RECIPIENT, "can you come later?")]
    assert lines(session, sofa) == []
    assert open_tasks(session) == []


def test_a_command_that_waited_is_done_after_the_answer(session: Session) -> None:
    _, lamp = two(session)
    told(session, "NOTE gate 4412")
    told(session, "the lamp", at=NOW + timedelta(minutes=1))
    session.refresh(lamp)
    assert lamp.recipient_note == "gate 4412"
    held = session.scalars(select(InboundMessage).where(InboundMessage.body == "NOTE gate 4412")).one()
    assert (held.read_as, held.delivery_id, held.assumed) == (ReadAs.COMMAND, lamp.id, "the recipient chose it")


def test_an_unclear_answer_is_asked_again_and_then_assumed_with_its_reason(session: Session) -> None:
    sofa, _ = two(session)
    told(session, "can you come later?")
    told(session, "both", at=NOW + timedelta(minutes=1))
    told(session, "hello?", at=NOW + timedelta(minutes=2))
    assert lines(session, sofa) == [(Voice.RECIPIENT, "hello?")]
    last = session.scalars(select(InboundMessage).where(InboundMessage.body == "hello?")).one()
    assert last.assumed == "asked 2 times which of 2, without an answer"


def test_a_text_that_names_the_goods_needs_no_question(session: Session) -> None:
    _, lamp = two(session)
    told(session, "is the lamp fragile?")
    assert lines(session, lamp) == [(Voice.RECIPIENT, "is the lamp fragile?")]


def test_a_text_after_ours_is_about_what_ours_was_about(session: Session) -> None:
    sofa, _ = two(session)
    sent(session, sofa, Kind.NEXT_STOP, NOW - timedelta(minutes=20))
    told(session, "ok see you")
    assert lines(session, sofa) == [(Voice.RECIPIENT, "ok see you")]
    assert session.scalars(select(InboundMessage)).one().assumed == "our last message to this number was about it"


def test_two_mornings_texts_at_once_say_nothing_about_which(session: Session) -> None:
    for delivery in two(session):
        sent(session, delivery, Kind.MORNING_OF, local("08:00"))
    told(session, "ok see you")
    assert "which delivery" in replies(session)[0]


def test_the_only_one_under_way_is_meant(session: Session) -> None:
    make_delivery(session, phone=PHONE, items="lamp", window="14:00-16:00")
    sofa = out(session, items="sofa")
    told(session, "where are you?")
    assert lines(session, sofa) == [(Voice.RECIPIENT, "where are you?")]


def test_two_at_the_same_stop_need_no_question(session: Session) -> None:
    first = make_delivery(session, phone=PHONE, reference="A1")
    make_delivery(session, phone=PHONE, reference="A2", stop=first.stop)
    told(session, "ring twice")
    assert lines(session, first) == [(Voice.RECIPIENT, "ring twice")]


def test_an_unknown_number_becomes_a_task_and_is_answered_once_a_day(session: Session) -> None:
    stranger = "+12015550177"
    assert told(session, "Where is my parcel", sender=stranger).read_as is ReadAs.UNMATCHED
    told(session, "Hello??", sender=stranger, at=NOW + timedelta(hours=2))
    assert [task.kind for task in open_tasks(session)] == [TaskKind.UNMATCHED_INBOUND] * 2
    assert len(replies(session, stranger)) == 1
    told(session, "Hello???", sender=stranger, at=NOW + timedelta(hours=25))
    assert len(replies(session, stranger)) == 2


def test_staff_can_put_a_strangers_text_into_a_thread(session: Session) -> None:
    delivery = out(session, phone="+12015550178")
    told(session, "It is my wife's order", sender="+12015550177")
    inbound = session.scalars(select(InboundMessage)).one()
    assert attach(session, inbound.id, delivery_id=delivery.id, staff_id="bo", now=NOW)
    assert lines(session, delivery) == [(Voice.RECIPIENT, "It is my wife's order")]
    assert open_tasks(session) == []
    assert not attach(session, inbound.id, delivery_id=delivery.id, staff_id="bo", now=NOW)


def test_a_late_text_goes_to_support_and_says_so_once(session: Session) -> None:
    delivery = out(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW, status_at=NOW)
    later = NOW + timedelta(hours=30)
    told(session, "the box is damaged", at=later)
    told(session, "and wet", at=later + timedelta(minutes=1))
    assert (Voice.RECIPIENT, "the box is damaged") in lines(session, delivery)
    assert (Voice.SYSTEM, "This message came after the chat had closed.") in lines(session, delivery)
    assert len(replies(session)) == 1
    assert "support reads" in replies(session)[0]
    chats = session.scalars(select(Notification).where(Notification.kind == Kind.CHAT))
    assert list(chats) == []


def test_two_machines_that_answer_each_other_stop_soon(session: Session) -> None:
    out(session)
    for minute in range(30):
        told(session, "WORDS", at=NOW + timedelta(minutes=minute))
    assert len(replies(session)) == 8


def test_a_text_after_the_delivery_is_noted_once_for_support(session: Session) -> None:
    delivery = out(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW, status_at=NOW)
    told(session, "thanks, but the box is open")
    told(session, "please look at it", at=NOW + timedelta(minutes=5))
    noted = [body for voice, body in lines(session, delivery) if voice is Voice.SYSTEM]
    assert noted == ["This message came when the driver was done. Support has it."]
