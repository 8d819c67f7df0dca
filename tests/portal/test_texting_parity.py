"""Whatever the page can do, a text can do, and the other way round, with the same effect on record."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Conversation, Origin, Voice
from messaging.commands import WORDS, Command
from messaging.ratings import rating_of
from messaging.wish_actions import ask_for
from messaging.wishes import WishKind, newest_wish
from portal.services import Services
from tests.builders import SERVICE_ON, make_driver
from tests.messaging.phone import told
from tests.portal.recipient_day import NOW, on_the_way, token_of
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.links import LinkSigner

OURS = {"Origin": "http://127.0.0.1:8000"}
FRIDAY = SERVICE_ON + timedelta(days=1)
PHONES = ("+12015550311", "+12015550312")
# Actions of the page that are no command, and what a text does instead.
NO_WORD = {
    "recipient.write": "free text and pictures are the chat by text, too",
    "recipient.seen": "the page's own word that it was looked at; a text that comes in says as much",
}


@dataclass(frozen=True)
class Twin:
    """One thing that is done by page and by text: the text, the page's endpoint and form, and the state before."""

    text: str
    endpoint: str
    form: dict[str, str]
    status: DeliveryStatus = DeliveryStatus.OUT_FOR_DELIVERY


SCHEDULED, DELIVERED = DeliveryStatus.SCHEDULED, DeliveryStatus.DELIVERED
TWINS = {
    Command.NOTE: Twin("NOTE gate 4412", "note", {"note": "gate 4412"}),
    Command.LATE: Twin("LATE 20", "late", {"minutes": "20"}),
    Command.SAFE: Twin("SAFE behind the shed", "wish", {"kind": "safe_place", "what": "behind the shed"}),
    Command.NEIGHBOUR: Twin("NEIGHBOR Bo, 14", "wish", {"kind": "neighbour", "what": "Bo, 14"}),
    Command.DAY: Twin("DAY FRI", "wish", {"kind": "other_day", "day": FRIDAY.isoformat()}, SCHEDULED),
    Command.UNDO: Twin("UNDO", "wish/back", {}),
    Command.CALL: Twin("CALL", "call", {}),
    Command.RATE: Twin("RATE 4 quick", "rating", {"score": "4", "comment": "quick"}, DELIVERED),
}
ONLY_READ = {Command.STATUS, Command.ETA, Command.HELP}


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


def twin(session: Session, phone: str, driver: str, case: Twin, command: Command) -> Delivery:
    """Return a delivery in the state before; one that asked for a safe place, to take it back."""
    make_driver(session, "Dana Ruiz", driver)
    delivery = on_the_way(
        session, phone=phone, driver_phone=driver, status=case.status, status_at=NOW, delivered_at=NOW, locale="en"
    )
    if command is Command.UNDO:
        ask_for(session, delivery.id, WishKind.SAFE_PLACE, what="porch", origin=Origin.PAGE, now=NOW)
    return delivery


def effect(session: Session, delivery_id: str) -> dict[str, Any]:
    """Return what is on record, but for where it came from."""
    row = load(session, delivery_id)
    wish, rating = newest_wish(session, delivery_id), rating_of(session, delivery_id)
    talk = session.get(Conversation, delivery_id)
    theirs = select(ChatMessage.body).where(
        ChatMessage.conversation_id == delivery_id, ChatMessage.voice == Voice.RECIPIENT
    )
    return {
        "note": row.recipient_note,
        "wish": (wish.kind, wish.status, wish.what) if wish else None,
        "rating": (rating.score, rating.comment) if rating else None,
        # A note by text is said in the thread as well: there is no page on which the driver would see it change.
        "lines": [] if row.recipient_note else list(session.scalars(theirs)),
        "waits": talk is not None and talk.waiting_since is not None,
    }


@pytest.mark.parametrize("command", list(TWINS), ids=lambda command: command.value)
def test_page_and_text_have_the_same_effect(
    client: FlaskClient, services: Services, signer: LinkSigner, command: Command
) -> None:
    case = TWINS[command]
    with services.database.writing() as session:
        by_page = twin(session, PHONES[0], "+12015550151", case, command)
        by_text = twin(session, PHONES[1], "+12015550152", case, command)
        before = effect(session, by_page.id)
        token = token_of(session, by_page, signer)
    answer = client.post(f"/t/{token}/{case.endpoint}", data=case.form, headers=OURS)
    assert answer.status_code == 303
    with services.database.writing() as session:
        told(session, case.text, sender=PHONES[1], at=NOW)
    with services.database.reading() as session:
        after = effect(session, by_page.id)
        assert after == effect(session, by_text.id)
    assert after != before


def test_every_word_has_its_action_on_the_page(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert {row.endpoint for row in WORDS} <= endpoints
    assert {row.command for row in WORDS} == set(Command)
    assert set(TWINS) | ONLY_READ == set(Command)
    for row in WORDS:
        changes = row.command in TWINS
        methods = {method for rule in app.url_map.iter_rules(row.endpoint) for method in rule.methods or set()}
        assert ("POST" in methods) is changes, row.command


def test_every_action_of_the_page_has_its_word(app: Flask) -> None:
    actions = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/t/") and "POST" in (rule.methods or set())
    }
    assert actions - set(NO_WORD) == {row.endpoint for row in WORDS if row.command in TWINS}
    assert set(NO_WORD) <= actions
