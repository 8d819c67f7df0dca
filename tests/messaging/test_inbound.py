from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.conversations import Voice
from messaging.inbound import (
    InboundMessage,
    read_inbound,
    record_inbound,
    unread_inbound,
)
from messaging.kinds import Channel
from tests.messaging.phone import CONTEXT, NOW, OURS, PHONE, lines, out, told
from tracking.facts import chat_changed
from tracking.storage import Database


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
