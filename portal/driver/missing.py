"""What is missing from a van, as a task for staff: listed when the driver says so, settled when it turns up."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, open_task, resolve_task
from tracking.taps import Tap


def list_missing(session: Session, delivery_id: str, tap: Tap, reason: str) -> None:
    """List a parcel that was not there to load."""
    open_task(
        session,
        kind=TaskKind.NOT_LOADED,
        key=tap.key("not-loaded-task", delivery_id),
        reason=reason,
        now=tap.now,
        ids=tap.ids,
        delivery_id=delivery_id,
    )


def settle_missing(session: Session, delivery_id: str, tap: Tap) -> None:
    """Take it off the list: it is in the van after all."""
    waiting = select(Task.id).where(
        Task.kind == TaskKind.NOT_LOADED, Task.delivery_id == delivery_id, Task.resolved_at.is_(None)
    )
    for task_id in session.scalars(waiting).all():
        resolve_task(session, task_id, resolved_by="system", resolution="It was found and loaded.", now=tap.now)
