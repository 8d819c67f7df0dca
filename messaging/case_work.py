"""Case work: our one question back, and asking how it is once it is settled."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus
from messaging.chat_lines import Origin, Voice
from messaging.contacts import contact_of
from messaging.conversations import say
from messaging.inbound_texts import QuestionKind
from messaging.kinds import RULES, Channel, Kind
from messaging.outbox import queue
from messaging.questions import ask
from messaging.texts import language_of, small_words
from tracking.deliveries import Delivery, load

AGAIN_USEFUL = timedelta(hours=72)


def ask_back(
    session: Session, case_id: str, *, text: str, staff_id: str, now: datetime, ids: Callable[[], str]
) -> bool:
    """Ask the recipient our one question in the conversation; False when it was asked already, or the case is closed.

    What they answer by text is added to the case. Raises ``EmptyMessage`` and ``MessageTooLong``.
    """
    once = update(Case).where(Case.id == case_id, Case.status == CaseStatus.OPEN, Case.asked_at.is_(None))
    delivery_id = session.scalar(once.values(asked_at=now).returning(Case.delivery_id))
    if delivery_id is None:
        return False
    line = say(
        session,
        delivery_id=delivery_id,
        voice=Voice.SUPPORT,
        origin=Origin.PAGE,
        actor_id=staff_id,
        body=text,
        now=now,
        request_id=f"case-{case_id}",
        even_when_closed=True,
        ids=ids,
    )
    phone = session.scalar(select(Delivery.phone).where(Delivery.id == delivery_id))
    if phone and line.id:
        ask(session, address=phone, kind=QuestionKind.CASE_FOLLOW_UP, now=now, ids=ids, delivery_id=delivery_id)
    return True


def ask_again(session: Session, case_id: str, *, now: datetime, ids: Callable[[], str], pepper: str) -> bool:
    """Ask how it is now that the case is settled, once, by text or else mail; False when nobody could be asked."""
    case = session.get(Case, case_id)
    if case is None or case.status is not CaseStatus.CLOSED or case.again_asked_at is not None:
        return False
    delivery = load(session, case.delivery_id)
    contact = contact_of(session, delivery, pepper)
    channel = next(iter(contact.channels(RULES[Kind.CASE_FOLLOW_UP].reach)), None)
    address = contact.address(channel) if channel else None
    if channel is None or address is None:
        return False
    queue(
        session,
        kind=Kind.CASE_FOLLOW_UP,
        channel=channel,
        subject=case.id,
        occasion="again",
        delivery_id=delivery.id,
        to_address=address,
        locale=delivery.locale,
        context={"text": small_words(language_of(delivery.locale))["again"]},
        now=now,
        useful_until=now + AGAIN_USEFUL,
        ids=ids,
    )
    if channel is Channel.SMS:
        ask(session, address=address, kind=QuestionKind.RATING, now=now, ids=ids, delivery_id=delivery.id)
    case.again_asked_at = now
    session.flush()
    return True
