"""What the company's own completed routes have taught: one row, made anew each night, read by the fix consumer."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tracking.eta import EtaHistory
from tracking.storage import Base

ONLY = 1


class LearnedHistory(Base):
    """The newest history; ``history`` is ``EtaHistory.to_json()``, ``runs`` how many routes taught it."""

    __tablename__ = "eta_history"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    history: Mapped[dict[str, Any]]
    learned_at: Mapped[datetime]
    runs: Mapped[int]


def learned_at(session: Session) -> datetime | None:
    """Return when the history was learned last, or None before the first night."""
    return session.scalar(select(LearnedHistory.learned_at))


def read_history(session: Session) -> EtaHistory | None:
    """Return what was learned last, or None before the first night."""
    row = session.get(LearnedHistory, ONLY)
    return EtaHistory.from_json(row.history) if row is not None else None


def write_history(session: Session, history: EtaHistory, *, runs: int, now: datetime) -> None:
    """Replace what was learned."""
    session.merge(LearnedHistory(id=ONLY, history=history.to_json(), learned_at=now, runs=runs))
