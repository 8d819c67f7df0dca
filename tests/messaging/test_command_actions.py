from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.chat_lines import Conversation
from messaging.conversations import Voice
from messaging.inbound import (
    ReadAs,
    read_inbound,
    record_inbound,
)
from messaging.kinds import Channel
from tests.builders import local, make_delivery
from tests.messaging.phone import CONTEXT, NOW, OURS, PHONE, lines, out, replies, told
from tracking.deliveries import DeliveryStatus
from tracking.fixes import Fix, dump_fix
from tracking.ids import new_id
from tracking.routes import RouteState


def test_status_tells_how_it_stands(session: Session) -> None:
    delivery = out(session, items="sofa", promise_lo_at=local("11:40"), promise_hi_at=local("12:20"))
    delivery.stop.stops_before = 3
    assert told(session, "status?").read_as is ReadAs.COMMAND
    assert replies(session) == ["Juniper: sofa: on its way, expected 11:40 am-12:20 pm. 3 stops before you."]
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
    assert replies(session) == ["Juniper: sofa: planned for Thu 10:00 am-12:00 pm."]


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
    told(session, "NOTE ring twice", at=NOW + timedelta(minutes=1))
    session.refresh(delivery)
    assert delivery.recipient_note == "gate 4412\nring twice"


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


@pytest.mark.parametrize(("text", "waits"), [("NOTE gate 4412", False), ("LATE 20", False), ("call me please", True)])
def test_what_was_answered_by_itself_makes_nobody_wait(session: Session, text: str, waits: bool) -> None:
    delivery = out(session)
    told(session, text)
    conversation = session.get_one(Conversation, delivery.id)
    assert (conversation.waiting_since is not None) is waits


def test_help_in_spanish_is_answered_in_spanish_whatever_the_file_says(session: Session) -> None:
    out(session, locale="en")
    told(session, "Ayuda")
    assert replies(session)[0].startswith("Juniper: escriba ESTADO")


def test_who_writes_to_a_moving_truck_is_told_so_once(session: Session) -> None:
    delivery = out(session)
    fix = Fix(40.7, -74.3, NOW, NOW, 8.0, 9.0, 48.0)
    session.add(RouteState(route_id=delivery.stop.route_id, engine={"recent": [dump_fix(fix)]}, plan_version=1))
    session.flush()
    told(session, "which side is the door you want?")
    told(session, "the left one is better", at=NOW + timedelta(minutes=1))
    assert replies(session) == ["Dana is driving and will see it at the next stop."]
