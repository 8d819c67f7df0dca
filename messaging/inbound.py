"""Inbound messages: stored raw first, then read: opt-out words, answers, commands, chat."""

from datetime import datetime

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from messaging.candidates import candidates_of
from messaging.consent_texts import read_consent
from messaging.driver_texts import is_at_work, read_driver
from messaging.inbound_reading import InboundContext, InboundOutcome, Reading
from messaging.inbound_texts import InboundMessage, Question, QuestionKind, ReadAs
from messaging.inserts import insert_once
from messaging.kinds import Channel
from messaging.recipient_texts import read_recipient
from tracking.deliveries import load
from tracking.drivers import Driver

__all__ = [
    "InboundContext",
    "InboundMessage",
    "InboundOutcome",
    "Question",
    "QuestionKind",
    "ReadAs",
    "read_inbound",
    "record_inbound",
    "unread_inbound",
]


def record_inbound(
    session: Session,
    *,
    inbound_id: str,
    channel: Channel,
    provider_ref: str,
    from_address: str,
    to_address: str,
    body: str,
    opt_out_type: str = "",
    received_at: datetime,
) -> str | None:
    """Keep a message as it came and return its id; None when the provider told us of it before."""
    added = insert_once(
        session,
        InboundMessage,
        id=inbound_id,
        channel=channel,
        provider_ref=provider_ref,
        from_address=from_address[:254],
        to_address=to_address[:254],
        body=body.replace("\x00", ""),  # PostgreSQL keeps no NUL
        opt_out_type=opt_out_type[:16],
        received_at=received_at,
        assumed="",
    )
    return inbound_id if added else None


def unread_inbound(session: Session, limit: int) -> list[str]:
    """Return ids of messages nobody has read yet, oldest first."""
    statement = select(InboundMessage.id).where(InboundMessage.read_at.is_(None))
    return list(session.scalars(statement.order_by(InboundMessage.received_at, InboundMessage.id).limit(limit)))


def read_inbound(session: Session, inbound_id: str, *, now: datetime, context: InboundContext) -> InboundOutcome:
    """Read one message and act on it in this transaction; an outcome without ``read_as`` means it was read before."""
    taken = session.execute(
        update(InboundMessage)
        .where(InboundMessage.id == inbound_id, InboundMessage.read_at.is_(None))
        .values(read_at=now)
        .execution_options(synchronize_session="fetch")
    )
    assert isinstance(taken, CursorResult)
    if taken.rowcount != 1:
        return InboundOutcome()
    inbound = session.get(InboundMessage, inbound_id, populate_existing=True)
    assert inbound is not None
    reading = Reading(session, inbound, now, context)
    candidates = candidates_of(session, inbound.from_address, inbound.channel, now)
    driver = _driver(reading, has_deliveries=bool(candidates))
    locale = _locale(reading, driver, candidates[0].delivery_id if candidates else None)
    if not read_consent(reading, candidates=candidates, driver=driver, locale=locale):
        if driver is not None:
            read_driver(reading, driver)
        else:
            read_recipient(reading, candidates)
    return reading.outcome


def _driver(reading: Reading, *, has_deliveries: bool) -> Driver | None:
    """Return the driver who wrote; one off duty who awaits a delivery writes as a recipient."""
    if reading.inbound.channel is not Channel.SMS:
        return None
    driver = reading.session.scalar(select(Driver).where(Driver.phone == reading.address))
    if driver is not None and has_deliveries and not is_at_work(reading.session, driver, reading.now):
        return None
    return driver


def _locale(reading: Reading, driver: Driver | None, delivery_id: str | None) -> str:
    if driver is not None:
        return driver.locale
    return load(reading.session, delivery_id).locale if delivery_id else reading.context.default_locale
