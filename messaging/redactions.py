"""Redactions: what must still go at a provider. A row is the memory of it until the provider has done it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Index, String, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.inserts import insert_once
from tracking.storage import Base

LONGEST_BACK_OFF_S = 6 * 3600.0
FIRST_BACK_OFF_S = 60.0


class Redaction(Base):
    """One message at a provider whose words, or whose whole record (``is_whole``), must go.

    ``retry_after`` is machine time in Unix seconds; ``trouble`` the provider's last refusal, a code or a word.
    """

    __tablename__ = "redactions"
    __table_args__ = (Index("ix_redactions_done_at", "done_at", "retry_after"),)

    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    provider_ref: Mapped[str] = mapped_column(String(120), primary_key=True)
    is_whole: Mapped[bool]
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    retry_after: Mapped[float | None]
    trouble: Mapped[str] = mapped_column(String(120), default="")


def ask_redactions(
    session: Session, provider: str, provider_refs: Iterable[str], *, is_whole: bool, now: datetime
) -> int:
    """Note that these messages must be emptied or deleted at the provider; return how many are new work.

    A wish to delete outlives one to empty, done or not.
    """
    asked = 0
    for provider_ref in provider_refs:
        added = insert_once(
            session,
            Redaction,
            provider=provider,
            provider_ref=provider_ref,
            is_whole=is_whole,
            asked_at=now,
            attempts=0,
            trouble="",
        )
        if not added and is_whole:
            known = session.get_one(Redaction, (provider, provider_ref))
            if not known.is_whole:
                known.is_whole, known.done_at, known.retry_after, added = True, None, None, True
        asked += added
    session.flush()
    return asked


def open_redactions(session: Session, *, elapsed: float, limit: int) -> list[Redaction]:
    """Return what must go and may be tried now, oldest first."""
    statement = select(Redaction).where(
        Redaction.done_at.is_(None), or_(Redaction.retry_after.is_(None), Redaction.retry_after <= elapsed)
    )
    return list(session.scalars(statement.order_by(Redaction.asked_at, Redaction.provider_ref).limit(limit)))


def hurry_redactions(session: Session) -> None:
    """Let everything that must still go be tried once more now, whatever it was told to wait: somebody asked."""
    waiting = update(Redaction).where(Redaction.done_at.is_(None), Redaction.retry_after.is_not(None))
    session.execute(waiting.values(retry_after=None).execution_options(synchronize_session=False))


def note_redacted(
    session: Session, results: Sequence[tuple[Redaction, str | None]], *, now: datetime, elapsed: float
) -> None:
    """Note for each that it is done (None), or what stood in the way; then it is tried later and later."""
    for row, trouble in results:
        mine = update(Redaction).where(Redaction.provider == row.provider, Redaction.provider_ref == row.provider_ref)
        if trouble is None:
            values = mine.where(Redaction.is_whole == row.is_whole).values(done_at=now, trouble="", retry_after=None)
        else:
            wait_s = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0 ** min(row.attempts, 12))
            values = mine.values(attempts=row.attempts + 1, retry_after=elapsed + wait_s, trouble=trouble[:120])
        session.execute(values.execution_options(synchronize_session=False))


def count_open(session: Session) -> int:
    """Return how many messages still wait to be emptied or deleted at their provider."""
    return session.scalar(select(func.count()).select_from(Redaction).where(Redaction.done_at.is_(None))) or 0
