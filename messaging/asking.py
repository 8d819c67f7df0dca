"""Asking: whether a recipient may be asked to rate now. Nobody is asked twice a month, or while a complaint is open."""

from datetime import datetime, timedelta

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus
from messaging.hours import Quiet
from messaging.inbound_texts import Question, QuestionKind
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from tracking.deliveries import Delivery

ASKED_AGAIN_AFTER = timedelta(days=30)  # reference/messaging.md 7: at most one question a contact in 30 days


def may_ask(session: Session, delivery: Delivery, now: datetime) -> bool:
    """True when this delivery's phone and address were not asked about another delivery in the last 30 days.

    A contact with an open case, of any delivery, is not asked either. The question already put about this very
    delivery does not count.
    """
    contacts = [
        column == value
        for column, value in ((Delivery.phone, delivery.phone), (Delivery.email, delivery.email))
        if value is not None
    ]
    if not contacts:
        return False
    since = now - ASKED_AGAIN_AFTER
    complains = exists().where(Case.delivery_id == Delivery.id, Case.status == CaseStatus.OPEN, or_(*contacts))
    texted = exists().where(
        Question.address == delivery.phone,
        Question.kind == QuestionKind.RATING,
        Question.asked_at > since,
        Question.delivery_id != delivery.id,
    )
    mailed = exists().where(
        Notification.to_address == delivery.email,
        Notification.channel == Channel.EMAIL,
        Notification.kind == Kind.RATING_REQUEST,
        Notification.accepted_at > since,
        Notification.delivery_id != delivery.id,
    )
    return not session.scalar(select(complains | texted | mailed))


def may_ask_now(session: Session, delivery: Delivery, quiet: Quiet, now: datetime) -> bool:
    """True when the text ``delivered`` may carry the question: outside its ``quiet`` hours, to whom may be asked."""
    return not quiet.holds(now, delivery.zone) and may_ask(session, delivery, now)
