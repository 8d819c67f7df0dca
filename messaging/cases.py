"""Cases: a bad rating, with the facts beside it, an owner and a deadline; and tasks: what staff must do by hand."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.inserts import insert_once
from tracking.storage import Base, words


class CaseStatus(StrEnum):
    """What a case is doing."""

    OPEN = "open"
    CLOSED = "closed"


class Case(Base):
    """One complaint to make good. ``facts`` holds what was known when it opened: promised, actual, messages, proof."""

    __tablename__ = "cases"
    __table_args__ = (Index("ix_cases_status", "status", "deadline_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"), unique=True)
    status: Mapped[CaseStatus] = mapped_column(words(CaseStatus, "case_status"))
    score: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    facts: Mapped[dict[str, Any]]
    owner_id: Mapped[str | None] = mapped_column(String(32))
    opened_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    resolution: Mapped[str] = mapped_column(Text, default="")


class TaskKind(StrEnum):
    """What a staff task is about."""

    COULD_NOT_REACH = "could_not_reach"
    MAYBE_CANCEL = "maybe_cancel"
    POSSIBLY_LOST = "possibly_lost"
    OPT_OUT_REVIEW = "opt_out_review"
    UNMATCHED_INBOUND = "unmatched_inbound"
    NOT_LOADED = "not_loaded"


class Task(Base):
    """Something only a person can settle. ``key`` is unique, so the same thing is never listed twice."""

    __tablename__ = "tasks"
    __table_args__ = (Index("ix_tasks_resolved_at", "resolved_at", "opened_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[TaskKind] = mapped_column(words(TaskKind, "task_kind"))
    delivery_id: Mapped[str | None] = mapped_column(ForeignKey("deliveries.id"))
    notification_id: Mapped[str | None] = mapped_column(String(32))
    inbound_id: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text)
    tried: Mapped[str] = mapped_column(Text, default="")
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(String(64))
    resolution: Mapped[str] = mapped_column(Text, default="")


def open_task(
    session: Session,
    *,
    kind: TaskKind,
    key: str,
    reason: str,
    now: datetime,
    ids: Callable[[], str],
    delivery_id: str | None = None,
    notification_id: str | None = None,
    inbound_id: str | None = None,
    tried: str = "",
) -> bool:
    """List something for staff; False, and nothing changes, when ``key`` was listed before.

    ``reason`` is a sentence for staff, ``tried`` says what was done already.
    """
    return insert_once(
        session,
        Task,
        id=ids(),
        key=key,
        kind=kind,
        delivery_id=delivery_id,
        notification_id=notification_id,
        inbound_id=inbound_id,
        reason=reason,
        tried=tried,
        opened_at=now,
        resolution="",
    )
