"""Wishes: what a recipient who will not be home asks for, its states, and the one that is open for a delivery."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, ForeignKey, Index, String, Text, bindparam, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.errors import MessagingError
from tracking.storage import Base, words

PLACE_LENGTH = 200  # characters of a place or a neighbour; our choice
WORDS_LENGTH = 200  # characters that go with a decision


class WishKind(StrEnum):
    """What is asked for."""

    SAFE_PLACE = "safe_place"
    NEIGHBOUR = "neighbour"
    OTHER_DAY = "other_day"


class WishStatus(StrEnum):
    """What became of it."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"  # by the recipient, or because they asked for something else
    LAPSED = "lapsed"  # the delivery was over first


_S = WishStatus
MOVES: dict[WishStatus, frozenset[WishStatus]] = {
    _S.ASKED: frozenset({_S.ACCEPTED, _S.DECLINED, _S.WITHDRAWN, _S.LAPSED}),
    # Back to asked is the dispatcher's undo, while the recipient has not been told.
    _S.ACCEPTED: frozenset({_S.ASKED, _S.WITHDRAWN}),
    _S.DECLINED: frozenset({_S.ASKED}),
    _S.WITHDRAWN: frozenset(),
    _S.LAPSED: frozenset(),
}
STATE_SENTENCES: dict[WishStatus, str] = {
    _S.ASKED: "This wish waits for a decision.",
    _S.ACCEPTED: "This wish was accepted already.",
    _S.DECLINED: "This wish was declined already.",
    _S.WITHDRAWN: "The recipient took this wish back.",
    _S.LAPSED: "This wish is over: so is the delivery.",
}


class Wish(Base):
    """One wish. ``place`` is the safe place, or the neighbour's name and door; ``wanted_on`` the other day.

    ``open_key`` is the delivery's id while the wish waits, so the database itself allows one open wish a delivery.
    ``decided_by`` is a staff id, or ``rule`` when the company accepts safe places by itself; ``answers`` counts what
    the recipient was to be told, so that a decision after an undo is told anew.
    """

    __tablename__ = "wishes"
    __table_args__ = (Index("ix_wishes_delivery_id", "delivery_id", "asked_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"))
    kind: Mapped[WishKind] = mapped_column(words(WishKind, "wish_kind"))
    status: Mapped[WishStatus] = mapped_column(words(WishStatus, "wish_status"))
    place: Mapped[str] = mapped_column(Text, default="")
    wanted_on: Mapped[date | None]
    origin: Mapped[str] = mapped_column(String(8))
    asked_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(String(64), default="")
    words: Mapped[str] = mapped_column(Text, default="")
    answers: Mapped[int] = mapped_column(default=0)
    open_key: Mapped[str | None] = mapped_column(String(32), unique=True)
    request_id: Mapped[str | None] = mapped_column(String(100), unique=True)

    @property
    def what(self) -> str:
        """The place, the neighbour, or the day as ``2026-03-06``."""
        return self.wanted_on.isoformat() if self.wanted_on else self.place


class WishRefused(MessagingError):
    """This cannot be asked for, or decided, now. ``code`` says why, for translations; the text is a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def advance(session: Session, wish_id: str, target: WishStatus, **columns: Any) -> bool:
    """Move to ``target`` and set ``columns`` with it; False, and nothing changes, when that is no allowed move."""
    sources = [status for status, targets in MOVES.items() if target in targets]
    open_key = Wish.delivery_id if target is _S.ASKED else None
    statement = (
        update(Wish)
        .where(Wish.id == wish_id, Wish.status.in_(sources))
        .values(status=target, open_key=open_key, **columns)
        .execution_options(synchronize_session="fetch")
    )
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


_NEWEST = (  # built once: this is read for every page
    select(Wish)
    .where(Wish.delivery_id == bindparam("delivery_id"))
    .order_by(Wish.asked_at.desc(), Wish.id.desc())
    .limit(1)
)


def newest_wish(session: Session, delivery_id: str) -> Wish | None:
    """Return what was asked for last, whatever became of it; None when nothing was."""
    return session.scalar(_NEWEST, {"delivery_id": delivery_id})


def wish_in_force(session: Session, delivery_id: str) -> Wish | None:
    """Return the wish that waits or was accepted; None when the goods come as planned."""
    return wishes_in_force(session, [delivery_id]).get(delivery_id)


def wishes_in_force(session: Session, delivery_ids: Iterable[str]) -> dict[str, Wish]:
    """Return, by delivery, the wish that waits or was accepted. One for another day is done once it was accepted."""
    statement = select(Wish).where(
        Wish.delivery_id.in_(list(delivery_ids)),
        (Wish.status == _S.ASKED) | ((Wish.status == _S.ACCEPTED) & (Wish.kind != WishKind.OTHER_DAY)),
    )
    return {wish.delivery_id: wish for wish in session.scalars(statement.order_by(Wish.asked_at, Wish.id))}
