"""Doubts: each time nobody saw whether a provider took a message, and how that ended (reference/messaging.md 1.4).

Their number is the honest size of the window that no protocol can close. Rows are counted, never read to decide.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.kinds import Channel
from tracking.storage import Base, words


class DoubtBegan(StrEnum):
    """How a message came to be in doubt."""

    NO_ANSWER = "no_answer"  # the provider's answer did not come, or said nothing
    SENDER_STOPPED = "sender_stopped"  # the lease of who was sending ran out


class DoubtEnded(StrEnum):
    """How a doubt ended."""

    RECEIPT = "receipt"  # the provider told by itself
    ANSWERED = "answered"  # the sender had the answer after all
    FOUND = "found"  # looked up at the provider, and adopted
    RESENT = "resent"  # not there after the settle time: sent again (planned kinds)
    GIVEN_UP = "given_up"  # not there after the settle time: possibly lost, told to staff (happening-now kinds)


class Doubt(Base):
    """One message in doubt, from ``began_at`` to ``ended_at`` (day time). A message may be in doubt more than once."""

    __tablename__ = "doubts"
    __table_args__ = (Index("ix_doubts_notification_id", "notification_id"), Index("ix_doubts_began_at", "began_at"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    notification_id: Mapped[str] = mapped_column(String(32))
    channel: Mapped[Channel] = mapped_column(words(Channel, "doubt_channel"))
    began: Mapped[DoubtBegan] = mapped_column(words(DoubtBegan, "doubt_began"))
    began_at: Mapped[datetime]
    ended: Mapped[DoubtEnded | None] = mapped_column(words(DoubtEnded, "doubt_ended"))
    ended_at: Mapped[datetime | None]


def begin_doubts(session: Session, of: Sequence[tuple[str, Channel]], how: DoubtBegan, *, now: datetime) -> None:
    """Count notifications (id, channel) that are in doubt from now on."""
    session.add_all(
        Doubt(notification_id=found_id, channel=channel, began=how, began_at=now, ended=None, ended_at=None)
        for found_id, channel in of
    )
    session.flush()


def end_doubt(session: Session, notification_id: str, how: DoubtEnded, *, now: datetime) -> None:
    """Say how the doubt about a notification ended. Call it only for one that was ambiguous."""
    open_one = update(Doubt).where(Doubt.notification_id == notification_id, Doubt.ended.is_(None))
    session.execute(open_one.values(ended=how, ended_at=now).execution_options(synchronize_session=False))


def count_doubts(
    session: Session, since: datetime | None = None
) -> dict[tuple[Channel, DoubtBegan, DoubtEnded | None], int]:
    """Return how many doubts began and ended in which way; those that last have ended as None."""
    counted = select(Doubt.channel, Doubt.began, Doubt.ended, func.count())
    if since is not None:
        counted = counted.where(Doubt.began_at >= since)
    rows = session.execute(counted.group_by(Doubt.channel, Doubt.began, Doubt.ended))
    return {(channel, began, ended): count for channel, began, ended, count in rows}
