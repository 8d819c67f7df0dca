"""Ratings: one per delivery, the latest word within 24 hours counts, every word is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.case_facts import case_facts
from messaging.cases import WORST_GOOD_SCORE, awaits_again, case_of, open_case, rate_again
from messaging.chat_lines import Conversation
from messaging.errors import MessagingError
from messaging.fairness import Lateness, ScoreCause, cause_of
from messaging.inserts import insert_once
from messaging.kinds import Channel
from messaging.rating_texts import MAX_COMMENT_LENGTH, ParsedRating, RatingReading, parse_rating, read_rating
from tracking.deliveries import Delivery, DeliveryStatus, load, mark_plan_dirty
from tracking.storage import Base, words

__all__ = [
    "SOURCES",
    "CannotRate",
    "ParsedRating",
    "Rated",
    "Rating",
    "RatingReading",
    "RatingWord",
    "parse_rating",
    "rate",
    "rating_of",
    "read_rating",
    "score_of",
]

CHANGE_WITHIN = timedelta(hours=24)  # DESIGN 8: the latest within 24 h counts
RATE_WITHIN = timedelta(days=14)  # messaging.md 5.2: the link shows the rating form until then


class Rating(Base):
    """The rating that counts for a delivery: 1 to 5 and a comment.

    ``cause`` says whose score it is when it is not the driver's (``messaging.fairness``), ``cause_min`` by how many
    minutes.
    """

    __tablename__ = "ratings"
    __table_args__ = (CheckConstraint("score BETWEEN 1 AND 5", name="score"),)

    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    score: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(16))  # sms, page
    first_at: Mapped[datetime]
    at: Mapped[datetime] = mapped_column(index=True)
    cause: Mapped[ScoreCause] = mapped_column(words(ScoreCause, "score_cause"), default=ScoreCause.OPEN)
    cause_min: Mapped[int | None]


# Built once: this is read for every page.
_SCORE = select(Rating.score, Rating.comment).where(Rating.delivery_id == bindparam("delivery_id"))


class RatingWord(Base):
    """Every rating somebody gave, also those a later one replaced."""

    __tablename__ = "rating_words"
    __table_args__ = (Index("ix_rating_words_delivery_id", "delivery_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"))
    score: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]


SOURCES = (Channel.SMS.value, "page")


class CannotRate(MessagingError):
    """This rating was not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What counts now. ``is_first`` when there was no rating before; ``case_id`` when a low score has a case."""

    score: int
    comment: str
    is_first: bool
    case_id: str | None


def rate(
    session: Session,
    *,
    delivery_id: str,
    score: int,
    comment: str,
    source: str,
    now: datetime,
    ids: Callable[[], str],
) -> Rated:
    """Take a rating; the latest within 24 hours of the first counts, every word is kept. A score up to 2 opens a case.

    A repeat of the same score without words keeps the words said before. Once a case was settled and we asked how it is
    now, the rating is the answer to that and the first one stays. Raises ``NotFound``, and ``CannotRate`` for
    a score out of range, a delivery that has not been delivered, and one rated or delivered too long ago.
    """
    if not 1 <= score <= 5:
        raise CannotRate("Please choose from 1 to 5.")
    delivery = load(session, delivery_id)
    said = comment.strip()[:MAX_COMMENT_LENGTH]
    settled = case_of(session, delivery_id)
    if settled is not None and awaits_again(settled, now):
        rate_again(session, settled, score=score, comment=said, zone=delivery.zone, now=now)
        session.add(RatingWord(delivery_id=delivery_id, score=score, comment=said, source=source, at=now))
        return Rated(score, said, False, settled.id)
    _require_rateable(delivery, now)
    cause, cause_min = cause_of(score, _times(delivery))
    given = {"score": score, "comment": said, "source": source, "at": now, "cause": cause, "cause_min": cause_min}
    is_first = insert_once(session, Rating, delivery_id=delivery_id, first_at=now, **given)
    if not is_first:
        said = _replace(session, delivery_id, given)
    session.add(RatingWord(delivery_id=delivery_id, score=score, comment=comment.strip(), source=source, at=now))
    session.flush()
    mark_plan_dirty(session, [delivery_id], now)
    return Rated(score, said, is_first, _case(session, delivery, score, said, now, ids))


def rating_of(session: Session, delivery_id: str) -> Rating | None:
    """Return the rating that counts, or None."""
    return session.get(Rating, delivery_id)


def score_of(session: Session, delivery_id: str) -> tuple[int, str] | None:
    """Return score and comment of the rating that counts, or None."""
    row = session.execute(_SCORE, {"delivery_id": delivery_id}).one_or_none()
    return (row.score, row.comment) if row is not None else None


def can_be_rated(delivery: Delivery, now: datetime) -> bool:
    """True from the delivery on, for 14 days."""
    return delivery.status is DeliveryStatus.DELIVERED and now - (delivery.delivered_at or delivery.status_at) <= (
        RATE_WITHIN
    )


def _require_rateable(delivery: Delivery, now: datetime) -> None:
    if delivery.status is not DeliveryStatus.DELIVERED:
        raise CannotRate("You can rate this delivery once it has been delivered.")
    if not can_be_rated(delivery, now):
        raise CannotRate("This delivery was too long ago to be rated.")


def _times(delivery: Delivery) -> Lateness:
    route = delivery.stop.route
    return Lateness(
        window_end_at=delivery.window_end_at,
        arrived_at=delivery.stop.arrived_at or delivery.arrived_at or delivery.delivered_at,
        planned_start_at=route.planned_start_at,
        started_at=route.started_at,
    )


def _replace(session: Session, delivery_id: str, given: dict[str, Any]) -> str:
    """Put the newer rating in place of the one before and return its words."""
    rating = session.get(Rating, delivery_id, with_for_update=True, populate_existing=True)
    assert rating is not None
    if given["at"] - rating.first_at > CHANGE_WITHIN:
        raise CannotRate("This delivery was rated more than a day ago. Write to us if you want to add something.")
    if not given["comment"] and given["score"] == rating.score:
        given["comment"] = rating.comment
    for name, value in given.items():
        setattr(rating, name, value)
    return rating.comment


def _looks_after(session: Session, delivery_id: str) -> str | None:
    """Return who of staff has this delivery's conversation: a case of it is theirs."""
    talk = session.get(Conversation, delivery_id)
    return (talk.taken_over_by or talk.assigned_to) if talk is not None else None


def _case(
    session: Session, delivery: Delivery, score: int, said: str, now: datetime, ids: Callable[[], str]
) -> str | None:
    if score < WORST_GOOD_SCORE:
        return open_case(
            session,
            delivery_id=delivery.id,
            score=score,
            comment=said,
            facts=case_facts(session, delivery),
            zone=delivery.zone,
            now=now,
            ids=ids,
            owner_id=_looks_after(session, delivery.id),
        )
    case = case_of(session, delivery.id)
    if case is None:
        return None
    case.score = score  # the owner sees that it was made good, or a slip; closing stays a person's decision
    return case.id
