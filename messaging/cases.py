"""Cases: a bad rating, with the facts beside it, an owner and a deadline; and tasks: what staff must do by hand."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, ForeignKey, Index, String, Text, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.business_hours import business_deadline
from messaging.errors import MessagingError
from messaging.inserts import insert_once
from tracking.storage import Base, words

DEADLINE_H = 4  # business hours; our choice, an answer the same day
WORST_GOOD_SCORE = 3  # a score below opens a case (DESIGN 2)
AGAIN_WITHIN = timedelta(days=14)  # how long an answer to "how is it now?" counts; as long as a first rating


class CaseStatus(StrEnum):
    """What a case is doing."""

    OPEN = "open"
    CLOSED = "closed"


class Case(Base):
    """One complaint to make good. ``facts`` holds what was known when it opened: promised, actual, messages, proof.

    ``asked_at`` is when we asked our one question back; ``again_*`` what the recipient said once it was settled.
    """

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
    asked_at: Mapped[datetime | None]
    again_asked_at: Mapped[datetime | None]
    again_score: Mapped[int | None]
    again_comment: Mapped[str] = mapped_column(Text, default="", server_default="")
    again_at: Mapped[datetime | None]


class TaskKind(StrEnum):
    """What a staff task is about."""

    COULD_NOT_REACH = "could_not_reach"
    MAYBE_CANCEL = "maybe_cancel"
    POSSIBLY_LOST = "possibly_lost"
    OPT_OUT_REVIEW = "opt_out_review"
    UNMATCHED_INBOUND = "unmatched_inbound"
    NOT_LOADED = "not_loaded"
    PROVIDER_DIFFERENCE = "provider_difference"
    CHANNELS_DOWN = "channels_down"
    WISH = "wish"
    FILTERED = "filtered"


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


class EmptyResolution(MessagingError):
    """A case or task was closed without a word."""

    def __init__(self) -> None:
        super().__init__("Say in a few words how this was settled.")


def open_case(
    session: Session,
    *,
    delivery_id: str,
    score: int,
    comment: str,
    facts: dict[str, Any],
    zone: str,
    now: datetime,
    ids: Callable[[], str],
    owner_id: str | None = None,
) -> str:
    """Open the case of a delivery, due in 4 business hours of its zone, and return its id.

    ``owner_id`` is who of staff gets it, if somebody does at once. A delivery has one case: when there is one, its
    score and words become the new ones, and a closed one that gets a low score again is opened again with a new
    deadline.
    """
    deadline = business_deadline(now, zone=zone, hours=DEADLINE_H)
    case_id = ids()
    added = insert_once(
        session,
        Case,
        id=case_id,
        delivery_id=delivery_id,
        status=CaseStatus.OPEN,
        score=score,
        comment=comment,
        facts=facts,
        owner_id=owner_id,
        opened_at=now,
        deadline_at=deadline,
        resolution="",
    )
    if added:
        return case_id
    case = session.scalars(select(Case).where(Case.delivery_id == delivery_id)).one()
    if case.status is CaseStatus.CLOSED:
        case.status, case.deadline_at, case.closed_at = CaseStatus.OPEN, deadline, None
    case.score, case.comment, case.facts = score, comment, facts
    session.flush()
    return case.id


def case_of(session: Session, delivery_id: str) -> Case | None:
    """Return the case of a delivery, open or closed."""
    return session.scalar(select(Case).where(Case.delivery_id == delivery_id))


def cases(session: Session, status: CaseStatus | None = CaseStatus.OPEN, limit: int = 200) -> list[Case]:
    """Return cases of a status, or all: open ones by deadline, closed ones newest first."""
    statement = select(Case).limit(limit)
    if status is not None:
        statement = statement.where(Case.status == status)
    order = Case.closed_at.desc() if status is CaseStatus.CLOSED else Case.deadline_at
    return list(session.scalars(statement.order_by(order, Case.id)))


def awaits_again(case: Case | None, now: datetime) -> bool:
    """True while a rating of this delivery is the answer to "how is it now?"."""
    return (
        case is not None
        and case.status is CaseStatus.CLOSED
        and case.again_asked_at is not None
        and case.again_at is None
        and now - case.again_asked_at <= AGAIN_WITHIN
    )


def rate_again(session: Session, case: Case, *, score: int, comment: str, zone: str, now: datetime) -> None:
    """Note how they rate it now; the first rating stays what it was. A low one opens the case again."""
    case.again_score, case.again_comment, case.again_at = score, comment, now
    if score < WORST_GOOD_SCORE:
        case.status, case.closed_at = CaseStatus.OPEN, None
        case.deadline_at = business_deadline(now, zone=zone, hours=DEADLINE_H)
    session.flush()


def assign_case(session: Session, case_id: str, staff_id: str | None) -> bool:
    """Say who owns an open case; False when there is no such open case."""
    return _changed(session, update(Case).where(Case.id == case_id, _OPEN).values(owner_id=staff_id))


def close_case(session: Session, case_id: str, *, resolution: str, staff_id: str, now: datetime) -> bool:
    """Close a case with a word on how; its owner becomes who closed it when it had none.

    False when it is closed already. Raises ``EmptyResolution``.
    """
    if not resolution.strip():
        raise EmptyResolution
    closed = update(Case).where(Case.id == case_id, _OPEN)
    if not _changed(session, closed.values(status=CaseStatus.CLOSED, resolution=resolution.strip(), closed_at=now)):
        return False
    session.execute(update(Case).where(Case.id == case_id, Case.owner_id.is_(None)).values(owner_id=staff_id))
    return True


def add_words(session: Session, delivery_id: str, words_said: str) -> str | None:
    """Add what the recipient told us later to the case of a delivery; return its id, None when it has none."""
    case = case_of(session, delivery_id)
    if case is None:
        return None
    case.comment = f"{case.comment}\n{words_said}".strip()
    session.flush()
    return case.id


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


def open_tasks(session: Session, limit: int = 200) -> list[Task]:
    """Return what staff must settle, oldest first."""
    statement = select(Task).where(Task.resolved_at.is_(None)).order_by(Task.opened_at, Task.id)
    return list(session.scalars(statement.limit(limit)))


def resolve_task(session: Session, task_id: str, *, resolved_by: str, resolution: str, now: datetime) -> bool:
    """Take a task off the list; False when it is off already. ``resolved_by`` is a staff id or "system"."""
    open_one = update(Task).where(Task.id == task_id, Task.resolved_at.is_(None))
    return _changed(session, open_one.values(resolved_at=now, resolved_by=resolved_by, resolution=resolution.strip()))


def resolve_task_of(session: Session, key: str, *, resolution: str, now: datetime) -> bool:
    """Take the task with this key off the list because it settled itself; False when it was not on it."""
    open_one = update(Task).where(Task.key == key, Task.resolved_at.is_(None))
    return _changed(session, open_one.values(resolved_at=now, resolved_by="system", resolution=resolution))


_OPEN = Case.status == CaseStatus.OPEN


def _changed(session: Session, statement: Any) -> bool:
    result = session.execute(statement.execution_options(synchronize_session="fetch"))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1
