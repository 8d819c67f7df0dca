from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, case_of, open_tasks
from messaging.consent import contact_hash, has_opted_out
from messaging.conversations import ChatMessage, Origin, Voice, say
from messaging.inbound import (
    InboundContext,
    InboundMessage,
    InboundOutcome,
    ReadAs,
    read_inbound,
    record_inbound,
    unread_inbound,
)
from messaging.kinds import Channel, Kind
from messaging.moved_lines import attach
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from messaging.ratings import rating_of
from tests.builders import local, make_delivery, make_driver, make_route
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.facts import chat_changed
from tracking.ids import new_id
from tracking.routes import Route, RouteStatus
from tracking.storage import Database

NOW = local("11:00")
PHONE = "+12015550111"
OURS = "+12125550100"


def told(session: Session, body: str, *, sender: str = PHONE, at: datetime = NOW, **options: Any) -> InboundOutcome:
    """Receive a text and read it."""
    settings = {key: options.pop(key) for key in ("opt_out_replies", "support_phone") if key in options}
    inbound_id = record_inbound(
        session,
        inbound_id=new_id(),
        channel=Channel.SMS,
        provider_ref=options.pop("provider_ref", f"SM{new_id()}"),
        from_address=sender,
        to_address=OURS,
        body=body,
        opt_out_type=options.pop("opt_out_type", ""),
        received_at=at,
    )
    assert inbound_id is not None
    return read_inbound(session, inbound_id, now=at, context=replace(CONTEXT, **settings))


CONTEXT = InboundContext(
    company_name="Juniper",
    support_phone="+12125550199",
    support_email="help@example.net",
    pepper="pepper",
    default_region="US",
    ids=new_id,
)


def started(session: Session, **columns: Any) -> Route:
    return make_route(session, status=RouteStatus.STARTED, started_at=local("09:00"), **columns)


def out(session: Session, route: Route | None = None, **columns: Any) -> Delivery:
    """Return a delivery under way to ``PHONE``."""
    given = {"phone": PHONE, "status": DeliveryStatus.OUT_FOR_DELIVERY, **columns}
    return make_delivery(session, route=route or started(session), **given)


def delivered(session: Session, **columns: Any) -> Delivery:
    """Return a delivery that has just been handed over, with the question for a rating sent."""
    delivery = out(session, **{"status": DeliveryStatus.DELIVERED, "delivered_at": NOW, "status_at": NOW, **columns})
    sent(session, delivery, Kind.DELIVERED, NOW)
    return delivery


def sent(session: Session, delivery: Delivery, kind: Kind, at: datetime, to: str = PHONE) -> None:
    """Add a text that the carrier took at ``at``."""
    notification_id = queue(
        session,
        kind=kind,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion=f"sent-{at.isoformat()}",
        delivery_id=delivery.id,
        to_address=to,
        locale="en",
        context={},
        now=at,
        ids=new_id,
    )
    row = session.get_one(Notification, notification_id)
    row.status, row.accepted_at = NotificationStatus.ACCEPTED, at
    session.flush()


def replies(session: Session, to: str = PHONE) -> list[str]:
    """Return what we answered a number, oldest first."""
    statement = select(Notification).where(Notification.kind == Kind.REPLY, Notification.to_address == to)
    found = session.scalars(statement.order_by(Notification.created_at))
    return [notification.context["text"] for notification in found]


def lines(session: Session, delivery: Delivery) -> list[tuple[Voice, str]]:
    statement = select(ChatMessage).where(ChatMessage.conversation_id == delivery.id).order_by(ChatMessage.id)
    return [(line.voice, line.body) for line in session.scalars(statement)]


def is_out(session: Session, phone: str = PHONE) -> bool:
    return has_opted_out(session, contact_hash(phone, "pepper"), Channel.SMS)


# Receiving


def test_a_repeated_webhook_is_kept_once(database: Database) -> None:
    given: dict[str, Any] = {
        "channel": Channel.SMS,
        "provider_ref": "SM1",
        "from_address": PHONE,
        "to_address": OURS,
        "body": "Hello",
        "received_at": NOW,
    }
    with database.writing() as session:
        assert record_inbound(session, inbound_id="a" * 32, **given) == "a" * 32
    with database.writing() as session:
        assert record_inbound(session, inbound_id="b" * 32, **given) is None
        assert unread_inbound(session, 10) == ["a" * 32]


def test_reading_twice_acts_once(database: Database) -> None:
    with database.writing() as session:
        delivery = out(session)
        outcome = told(session, "Ring twice")
        inbound_id = session.scalars(select(InboundMessage.id)).one()
        assert read_inbound(session, inbound_id, now=NOW, context=CONTEXT).read_as is None
        assert len(lines(session, delivery)) == 1
        assert outcome.facts[0] == chat_changed(delivery.id)


def test_a_nul_in_a_text_is_no_trouble(database: Database) -> None:
    with database.writing() as session:
        delivery = out(session)
        told(session, "Ring\x00 twice")
        assert lines(session, delivery) == [(Voice.RECIPIENT, "Ring twice")]


def test_a_text_without_words_is_shown_as_one(session: Session) -> None:
    delivery = out(session)
    told(session, "")
    assert lines(session, delivery) == [(Voice.RECIPIENT, "(a message without words)")]


def test_a_text_of_1500_characters_becomes_two_lines(session: Session) -> None:
    delivery = out(session)
    told(session, "a" * 1500)
    assert [len(body) for _, body in lines(session, delivery)] == [1000, 500]


# Consent


def test_stop_opts_out_and_the_carrier_answers(session: Session) -> None:
    delivery = out(session)
    assert told(session, "Stop.").read_as is ReadAs.OPT_OUT
    assert is_out(session)
    assert replies(session) == []
    assert lines(session, delivery) == []


def test_stop_is_confirmed_by_us_when_we_are_told_to(session: Session) -> None:
    out(session)
    told(session, "STOP", opt_out_replies="ours")
    (confirmation,) = session.scalars(select(Notification).where(Notification.kind == Kind.REPLY))
    assert "START" in confirmation.context["text"]
    assert confirmation.context["confirms_opt_out"] is True


def test_a_word_the_carrier_does_not_know_is_confirmed_by_us(session: Session) -> None:
    out(session)
    told(session, "stop please")
    assert is_out(session)
    assert len(replies(session)) == 1


def test_a_phrase_opts_out_and_staff_look_at_it(session: Session) -> None:
    delivery = out(session)
    told(session, "please stop texting me")
    (task,) = open_tasks(session)
    assert (task.kind, task.delivery_id) == (TaskKind.OPT_OUT_REVIEW, delivery.id)
    assert is_out(session)


def test_do_not_stop_at_the_gate_is_chat(session: Session) -> None:
    delivery = out(session)
    told(session, "don't stop at the gate, come in")
    assert not is_out(session)
    assert lines(session, delivery) == [(Voice.RECIPIENT, "don't stop at the gate, come in")]


@pytest.mark.parametrize("word", ["CANCEL", "end", "Quit!"])
def test_cancel_while_a_delivery_is_open_may_mean_the_delivery(session: Session, word: str) -> None:
    delivery = out(session)
    told(session, word, opt_out_type="STOP")
    assert is_out(session)
    (task,) = open_tasks(session)
    assert (task.kind, task.delivery_id) == (TaskKind.MAYBE_CANCEL, delivery.id)


def test_cancel_without_an_open_delivery_is_only_an_opt_out(session: Session) -> None:
    told(session, "CANCEL")
    assert is_out(session)
    assert open_tasks(session) == []


def test_asking_to_cancel_in_words_is_chat_with_a_task_and_an_honest_answer(session: Session) -> None:
    delivery = out(session)
    told(session, "Please cancel my order")
    assert not is_out(session)
    assert lines(session, delivery) == [(Voice.RECIPIENT, "Please cancel my order")]
    assert [task.kind for task in open_tasks(session)] == [TaskKind.MAYBE_CANCEL]
    assert "Nothing is cancelled yet" in replies(session)[0]


def test_start_opts_in_again(session: Session) -> None:
    out(session)
    told(session, "STOP")
    assert told(session, "Start").read_as is ReadAs.OPT_IN
    assert not is_out(session)


def test_yes_opts_in_only_who_had_opted_out(session: Session) -> None:
    delivery = out(session)
    assert told(session, "Yes", opt_out_type="START").read_as is ReadAs.CHAT
    assert lines(session, delivery) == [(Voice.RECIPIENT, "Yes")]
    told(session, "STOP")
    assert told(session, "Yes", opt_out_type="START").read_as is ReadAs.OPT_IN


def test_an_opt_out_makes_the_plan_of_open_deliveries_dirty(session: Session) -> None:
    delivery = out(session)
    delivery.plan_dirty_at = None
    told(session, "STOP")
    session.refresh(delivery)
    assert delivery.plan_dirty_at == NOW


def test_help_is_answered_with_the_words_and_never_relayed(session: Session) -> None:
    delivery = out(session)
    assert told(session, "Help?").read_as is ReadAs.HELP
    assert "STATUS" in replies(session)[0]
    assert "+12125550199" in replies(session)[0]
    assert lines(session, delivery) == []


def test_help_that_the_carrier_answered_is_left_to_it(session: Session) -> None:
    out(session)
    told(session, "HELP", opt_out_type="HELP")
    assert replies(session) == []


def test_stop_while_a_rating_is_asked_is_no_rating(session: Session) -> None:
    delivery = delivered(session)
    told(session, "STOP")
    assert rating_of(session, delivery.id) is None
    assert is_out(session)


# Commands


def test_status_tells_how_it_stands(session: Session) -> None:
    delivery = out(session, items="sofa", promise_lo_at=local("11:40"), promise_hi_at=local("12:20"))
    delivery.stop.stops_before = 3
    assert told(session, "status?").read_as is ReadAs.COMMAND
    assert replies(session) == ["Juniper: sofa: on its way, expected 11:40-12:20. 3 stops before you."]
    assert lines(session, delivery) == []


def test_status_in_spanish_is_answered_in_the_recipients_language(session: Session) -> None:
    out(session, items="sofa", locale="es", promise_lo_at=local("11:40"), promise_hi_at=local("12:20"))
    told(session, "Estado")
    assert replies(session) == ["Juniper: sofa: en camino, llega 11:40-12:20."]


def test_status_carries_the_link_when_there_is_one(session: Session) -> None:
    out(session)
    context = replace(CONTEXT, page_url=lambda _session, _delivery_id: "https://x.example/t/abc")
    inbound_id = record_inbound(
        session,
        inbound_id=new_id(),
        channel=Channel.SMS,
        provider_ref="SM7",
        from_address=PHONE,
        to_address=OURS,
        body="STATUS",
        received_at=NOW,
    )
    assert inbound_id is not None
    read_inbound(session, inbound_id, now=NOW, context=context)
    assert replies(session)[0].endswith("https://x.example/t/abc")


def test_eta_of_tomorrow_names_the_day(session: Session) -> None:
    make_delivery(session, phone=PHONE, items="sofa")
    told(session, "ETA", at=local("11:00") - timedelta(days=1))
    assert replies(session) == ["Juniper: sofa: planned for Thu 10-12."]


def test_a_note_reaches_the_delivery_and_the_driver(session: Session) -> None:
    delivery = out(session)
    told(session, "Note: gate 4412")
    session.refresh(delivery)
    assert delivery.recipient_note == "gate 4412"
    assert lines(session, delivery) == [(Voice.RECIPIENT, "gate 4412")]
    assert replies(session) == ['Noted for the driver: "gate 4412"']


def test_a_second_note_is_added_to_the_first(session: Session) -> None:
    delivery = out(session)
    told(session, "NOTE gate 4412")
    told(session, "SAFE behind the shed", at=NOW + timedelta(minutes=1))
    session.refresh(delivery)
    assert delivery.recipient_note == "gate 4412\nSafe place: behind the shed"


def test_late_tells_the_driver_how_much(session: Session) -> None:
    delivery = out(session)
    told(session, "late 20 min")
    assert lines(session, delivery) == [(Voice.RECIPIENT, "I will be 20 minutes late.")]
    assert replies(session) == ["The driver knows that you are 20 minutes late."]


def test_late_without_minutes_asks_how_many(session: Session) -> None:
    delivery = out(session)
    told(session, "LATE")
    assert lines(session, delivery) == []
    assert "How many minutes?" in replies(session)[0]


def test_call_puts_a_request_where_people_look_and_tells_our_number(session: Session) -> None:
    delivery = out(session)
    told(session, "call me please")
    assert lines(session, delivery) == [(Voice.RECIPIENT, "Please call me.")]
    assert "+12125550199" in replies(session)[0]
    assert delivery.stop.route.driver.phone not in replies(session)[0]


@pytest.mark.parametrize("text", ["NOTE gate 4412", "LATE 20", "SAFE behind the shed"])
def test_a_command_after_the_delivery_is_told_that_it_is_too_late(session: Session, text: str) -> None:
    delivery = out(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW, status_at=NOW)
    told(session, text)
    session.refresh(delivery)
    assert delivery.recipient_note == ""
    assert "delivered 11:00" in replies(session)[0]


# Ratings


@pytest.mark.parametrize(
    ("text", "score", "comment"),
    [("4", 4, ""), ("5 great!", 5, "great!"), ("2 left in the rain", 2, "left in the rain")],
)
def test_an_answer_to_our_question_is_a_rating(session: Session, text: str, score: int, comment: str) -> None:
    delivery = delivered(session)
    assert told(session, text).read_as is ReadAs.RATING
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert (rating.score, rating.comment, rating.source) == (score, comment, "sms")
    assert len(replies(session)) == 1
    assert lines(session, delivery) == []


def test_a_low_rating_opens_a_case(session: Session) -> None:
    delivery = delivered(session)
    told(session, "2 left in the rain")
    case = case_of(session, delivery.id)
    assert case is not None
    assert (case.score, case.comment) == (2, "left in the rain")


def test_a_low_rating_without_words_is_asked_why_and_the_answer_goes_to_the_case(session: Session) -> None:
    delivery = delivered(session)
    told(session, "1")
    assert "What went wrong?" in replies(session)[0]
    outcome = told(session, "Nobody rang the bell", at=NOW + timedelta(minutes=2))
    assert outcome.read_as is ReadAs.ANSWER
    case = case_of(session, delivery.id)
    assert case is not None
    assert case.comment == "Nobody rang the bell"
    assert lines(session, delivery) == [(Voice.RECIPIENT, "Nobody rang the bell")]


def test_a_digit_is_chat_while_nobody_asked_for_a_rating(session: Session) -> None:
    delivery = out(session)
    assert told(session, "5").read_as is ReadAs.CHAT
    assert rating_of(session, delivery.id) is None


def test_a_later_rating_replaces_the_first_and_is_thanked_no_second_time(session: Session) -> None:
    delivery = delivered(session)
    told(session, "3")
    told(session, "5 he came back", at=NOW + timedelta(hours=1))
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert (rating.score, rating.comment) == (5, "he came back")
    assert len(replies(session)) == 1


def test_a_rating_a_day_after_the_first_is_chat(session: Session) -> None:
    delivery = delivered(session)
    told(session, "3")
    assert told(session, "5", at=NOW + timedelta(hours=25)).read_as is ReadAs.CHAT
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert rating.score == 3


@pytest.mark.parametrize("text", ["5 minutes please", "3rd floor", "10/10"])
def test_a_doubtful_rating_is_asked_about_and_shown_to_support_meanwhile(session: Session, text: str) -> None:
    delivery = delivered(session)
    told(session, text)
    assert rating_of(session, delivery.id) is None
    assert "did you mean a rating?" in replies(session)[0]
    assert lines(session, delivery) == [(Voice.RECIPIENT, text)]


def test_yes_after_a_doubtful_rating_takes_its_digit(session: Session) -> None:
    delivery = delivered(session)
    told(session, "great, 5")
    told(session, "yes", at=NOW + timedelta(minutes=1), opt_out_type="START")
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert rating.score == 5


def test_no_after_a_doubtful_rating_leaves_it(session: Session) -> None:
    delivery = delivered(session)
    told(session, "5 minutes please")
    assert told(session, "no", at=NOW + timedelta(minutes=1)).read_as is ReadAs.ANSWER
    assert rating_of(session, delivery.id) is None


@pytest.mark.parametrize("text", ["10", "٥", "thanks!"])
def test_what_is_no_rating_goes_to_support(session: Session, text: str) -> None:
    delivery = delivered(session)
    assert told(session, text).read_as is ReadAs.CHAT
    assert rating_of(session, delivery.id) is None
    assert lines(session, delivery) == [(Voice.RECIPIENT, text)]


def test_a_delivery_told_at_night_carried_no_question(session: Session) -> None:
    delivery = out(session, status=DeliveryStatus.DELIVERED, delivered_at=local("20:00"), status_at=local("20:00"))
    sent(session, delivery, Kind.DELIVERED, local("20:00"))
    assert told(session, "5", at=local("20:05")).read_as is ReadAs.CHAT


# Which delivery


def two(session: Session) -> tuple[Delivery, Delivery]:
    """Return a sofa and a lamp for the same number, both scheduled."""
    sofa = make_delivery(session, phone=PHONE, items="sofa", window="10:00-12:00")
    return sofa, make_delivery(session, phone=PHONE, items="lamp", window="14:00-16:00")


def test_when_unsure_we_ask_back_and_say_nothing_to_a_driver(session: Session) -> None:
    sofa, lamp = two(session)
    told(session, "can you come later?")
    assert replies(session) == ["Juniper: which delivery is this about? A sofa 10-12, or B lamp 14-16?"]
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


# Strangers and late comers


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
        told(session, "HELP", at=NOW + timedelta(minutes=minute))
    assert len(replies(session)) == 8


# Drivers


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
