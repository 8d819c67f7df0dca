"""Questions we asked a number, and which of them a text may answer."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from messaging.cases import awaits_again, case_of
from messaging.inbound_texts import Question, QuestionKind
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.ratings import CHANGE_WITHIN, rating_of

# How long an answer still counts as one; our choices.
RATING_OPEN_FOR = timedelta(days=7)
WHICH_OPEN_FOR = timedelta(hours=2)
MEANT_OPEN_FOR = timedelta(hours=24)
FOLLOW_UP_OPEN_FOR = timedelta(hours=48)
OPEN_FOR = {
    QuestionKind.RATING: RATING_OPEN_FOR,
    QuestionKind.WHICH_DELIVERY: WHICH_OPEN_FOR,
    QuestionKind.DID_YOU_MEAN_RATING: MEANT_OPEN_FOR,
    QuestionKind.CASE_FOLLOW_UP: FOLLOW_UP_OPEN_FOR,
}


def ask(
    session: Session,
    *,
    address: str,
    kind: QuestionKind,
    now: datetime,
    ids: Callable[[], str],
    delivery_id: str | None = None,
    inbound_id: str | None = None,
    choices: Sequence[str] = (),
) -> Question:
    """Note that ``address`` is being asked something, and what an answer would be about."""
    question = Question(
        id=ids(),
        address=address,
        kind=kind,
        delivery_id=delivery_id,
        inbound_id=inbound_id,
        choices=",".join(choices),
        asked_at=now,
        expires_at=now + OPEN_FOR[kind],
    )
    session.add(question)
    session.flush()
    return question


def open_question(session: Session, address: str, kind: QuestionKind, now: datetime) -> Question | None:
    """Return the newest question of a kind that this number has not answered, or None."""
    statement = select(Question).where(
        Question.address == address,
        Question.kind == kind,
        Question.answered_at.is_(None),
        Question.expires_at > now,
        Question.asked_at <= now,
    )
    return session.scalar(statement.order_by(Question.asked_at.desc(), Question.id).limit(1))


def times_asked(session: Session, address: str, kind: QuestionKind, since: datetime) -> int:
    """Return how often this number was asked since then without an answer."""
    statement = select(func.count()).where(
        Question.address == address,
        Question.kind == kind,
        Question.asked_at >= since,
        Question.answered_at.is_(None),
    )
    return session.scalar(statement) or 0


def close(session: Session, address: str, kind: QuestionKind, now: datetime) -> None:
    """Note that every open question of this kind to this number is answered."""
    statement = select(Question).where(
        Question.address == address, Question.kind == kind, Question.answered_at.is_(None)
    )
    for question in session.scalars(statement):
        question.answered_at = now
    session.flush()


def rating_asked_of(session: Session, address: str, now: datetime) -> str | None:
    """Return the delivery that this number was last asked to rate, while an answer counts; None when there is none.

    What asked is the record of what went out: a ``rating_request``, or a ``delivered`` within the hours in which it
    carries the question; a ``Question`` row counts as well. A rating that was given a day ago closes it, unless we
    asked how it is now that the complaint is settled.
    """
    asked = [found for found in (_by_text(session, address, now), _by_question(session, address, now)) if found]
    if not asked:
        return None
    _, delivery_id = max(asked)
    rating = rating_of(session, delivery_id)
    is_settled = awaits_again(case_of(session, delivery_id), now)
    if rating is not None and now - rating.first_at > CHANGE_WITHIN and not is_settled:
        return None
    return delivery_id


def _by_text(session: Session, address: str, now: datetime) -> tuple[datetime, str] | None:
    statement = select(Notification).where(
        Notification.to_address == address,
        Notification.channel == Channel.SMS,
        or_(Notification.kind == Kind.RATING_REQUEST, Notification.kind == Kind.DELIVERED),
        Notification.accepted_at.is_not(None),
        Notification.accepted_at > now - RATING_OPEN_FOR,
        Notification.delivery_id.is_not(None),
    )
    for sent in session.scalars(statement.order_by(Notification.accepted_at.desc(), Notification.id)):
        assert sent.accepted_at is not None
        assert sent.delivery_id is not None
        if sent.kind is Kind.RATING_REQUEST or sent.context.get("said", {}).get("asked"):
            return sent.accepted_at, sent.delivery_id
    return None


def _by_question(session: Session, address: str, now: datetime) -> tuple[datetime, str] | None:
    statement = select(Question).where(
        Question.address == address,
        Question.kind == QuestionKind.RATING,
        Question.delivery_id.is_not(None),
        Question.expires_at > now,
    )
    question = session.scalar(statement.order_by(Question.asked_at.desc(), Question.id).limit(1))
    if question is None or question.delivery_id is None:
        return None
    return question.asked_at, question.delivery_id
