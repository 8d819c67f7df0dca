"""Driver texts: a driver's reply goes to the recipient last asked about, or to the stop it begins with (DESIGN 8)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import (
    Conversation,
    ConversationClosed,
    EmptyMessage,
    Origin,
    Voice,
    first_name,
    pieces_of,
)
from messaging.chat_pictures import NO_WORDS, has_pictures
from messaging.conversations import say
from messaging.inbound_reading import Reading
from messaging.inbound_texts import InboundMessage, QuestionKind, ReadAs
from messaging.questions import ask, close, open_question
from messaging.relay import last_asked
from tracking.deliveries import Delivery, load
from tracking.drivers import Driver
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop

ASKED_WITHIN = timedelta(hours=12)  # a shift; our choice
# "5: I am here", "stop 5 I am here", "#5 I am here"; a bare "5 minutes" names no stop.
_NAMED_STOP = re.compile(
    r"^\s*(?:(?:stop|parada)\s*#?\s*(\d{1,3})\s*[:,.\-–]?\s+|#\s*(\d{1,3})\s*[:,.\-–]?\s+|(\d{1,3})\s*:\s*)(\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_BARE_STOP = re.compile(r"^\s*(?:(?:stop|parada)\s*)?#?\s*(\d{1,3})\s*[.!:]?\s*$", re.I)


@dataclass(frozen=True, slots=True)
class NamedStop:
    """A stop's number in front of a text, and the text."""

    sequence: int
    text: str


def named_stop(text: str) -> NamedStop | None:
    """Return the stop that ``text`` begins with, or None."""
    match = _NAMED_STOP.match(text)
    if match is None:
        return None
    sequence = next(group for group in match.groups()[:3] if group)
    return NamedStop(int(sequence), match.group(4).strip())


def is_at_work(session: Session, driver: Driver, now: datetime) -> bool:
    """True while the driver's texts are a driver's: a route under way, or one of theirs near in time."""
    statement = select(Route.id).where(
        Route.driver_id == driver.id,
        (Route.status == RouteStatus.STARTED) | Route.planned_start_at.between(now - ASKED_WITHIN, now + ASKED_WITHIN),
    )
    return session.scalar(statement.limit(1)) is not None


def read_driver(reading: Reading, driver: Driver) -> None:
    """Read the text of a driver: to the named stop, to who was last asked about, else ask which stop."""
    session, body = reading.session, reading.inbound.body
    if _picked(reading, driver):
        return
    named = named_stop(body)
    if named is not None:
        delivery = _at_stop(session, driver, named.sequence, reading.now)
        if delivery is not None:
            _tell(reading, driver, delivery, named.text)
            return
    asked_of = last_asked(session, driver.phone, reading.now - ASKED_WITHIN)
    asked_of = asked_of or _only_waiting(session, driver)
    if asked_of is not None and named is None:
        delivery = load(session, asked_of)
        if delivery.stop.route.driver_id == driver.id:
            _tell(reading, driver, delivery, body, assumed="sent to the recipient who wrote last")
            return
    _ask_which_stop(reading, driver)


def _picked(reading: Reading, driver: Driver) -> bool:
    """Read a bare stop number as the answer to "which stop?", and send the text that waited for it."""
    question = open_question(reading.session, reading.address, QuestionKind.WHICH_DELIVERY, reading.now)
    bare = _BARE_STOP.match(reading.inbound.body)
    if question is None or question.inbound_id is None or bare is None:
        return False
    delivery = _at_stop(reading.session, driver, int(bare.group(1)), reading.now)
    held = reading.session.get(InboundMessage, question.inbound_id)
    if delivery is None or held is None:
        return False
    close(reading.session, reading.address, QuestionKind.WHICH_DELIVERY, reading.now)
    reading.settle(ReadAs.ANSWER, delivery.id)
    if held.delivery_id is None:
        _tell(reading, driver, delivery, held.body, held=held, assumed="the driver chose the stop")
    return True


def _ask_which_stop(reading: Reading, driver: Driver) -> None:
    reading.settle(ReadAs.CHAT)
    ask(
        reading.session,
        address=reading.address,
        kind=QuestionKind.WHICH_DELIVERY,
        now=reading.now,
        ids=reading.context.ids,
        inbound_id=reading.inbound.id,
    )
    reading.reply("driver_which", driver.locale)


def _tell(
    reading: Reading,
    driver: Driver,
    delivery: Delivery,
    text: str,
    *,
    held: InboundMessage | None = None,
    assumed: str = "",
) -> None:
    """Say the driver's words to the recipient and confirm to whom; when the chat is over, say that instead."""
    inbound = held or reading.inbound
    inbound.read_as, inbound.delivery_id, inbound.assumed = ReadAs.CHAT, delivery.id, assumed
    if held is None:
        reading.settle(ReadAs.CHAT, delivery.id, assumed)
    if not text.strip() and has_pictures(reading.session, inbound.id):
        text = NO_WORDS
    to: dict[str, Any] = {"stop": delivery.stop.sequence, "name": first_name(delivery.recipient_name)}
    try:
        _say(reading, driver, delivery, inbound, text)
    except EmptyMessage:
        reading.reply("driver_help", driver.locale)
        return
    except ConversationClosed:
        _tell_support(reading, driver, delivery, text)
        reading.reply("driver_closed", driver.locale, delivery_id=delivery.id, **to)
        return
    reading.changed(delivery.id)
    reading.reply("driver_sent", driver.locale, delivery_id=delivery.id, **to)


def _tell_support(reading: Reading, driver: Driver, delivery: Delivery, text: str) -> None:
    """Keep the words of a driver whose chat is over as a note that only staff see."""
    _say(reading, driver, delivery, reading.inbound, text, as_note=True)
    reading.changed(delivery.id)


def _say(
    reading: Reading, driver: Driver, delivery: Delivery, inbound: InboundMessage, text: str, *, as_note: bool = False
) -> None:
    """Say what came with ``inbound`` in lines of the length a chat has; ``as_note`` to staff alone, open or not."""
    for number, piece in enumerate(pieces_of(text)):
        say(
            reading.session,
            delivery_id=delivery.id,
            voice=Voice.DRIVER,
            origin=Origin.SMS,
            actor_id=driver.id,
            body=piece,
            now=reading.now,
            request_id=f"inbound-{inbound.id}-{number}",
            is_internal=as_note,
            inbound_id=inbound.id,
            even_when_closed=as_note,
            ids=reading.context.ids,
        )


def _at_stop(session: Session, driver: Driver, sequence: int, now: datetime) -> Delivery | None:
    """Return the delivery at a stop of the driver's route under way; the one with a thread when there are several."""
    statement = (
        select(Delivery.id)
        .join(Stop, Stop.id == Delivery.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .join(Conversation, Conversation.id == Delivery.id, isouter=True)
        .where(
            Route.driver_id == driver.id,
            Route.status.in_((RouteStatus.STARTED, RouteStatus.FINISHED)),
            Route.planned_start_at > now - timedelta(hours=24),
            Stop.sequence == sequence,
        )
        .order_by(
            (Route.status == RouteStatus.STARTED).desc(),
            Route.planned_start_at.desc(),
            Conversation.last_message_at.is_(None),
            Conversation.last_message_at.desc(),
            Delivery.reference,
        )
    )
    found = session.scalar(statement.limit(1))
    return load(session, found) if found is not None else None


def _only_waiting(session: Session, driver: Driver) -> str | None:
    """Return the one thread on the driver's started route in which the recipient waits; None for none or several."""
    statement = (
        select(Conversation.id)
        .join(Delivery, Delivery.id == Conversation.delivery_id)
        .join(Stop, Stop.id == Delivery.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .where(
            Route.driver_id == driver.id,
            Route.status == RouteStatus.STARTED,
            Conversation.waiting_since.is_not(None),
            Conversation.taken_over_by.is_(None),
        )
    )
    waiting = list(session.scalars(statement.limit(2)))
    return waiting[0] if len(waiting) == 1 else None
