"""Tasks: what only a person can settle, with what was tried and what to do; also as CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, open_tasks, resolve_task
from messaging.inbound import InboundMessage
from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.csv_cells import csv_answer
from portal.staff.shell import blueprint, done, me, note_view, refused, requires
from portal.staff.wish_views import WishView, wish_of
from portal.staff.words import Badge
from tracking.deliveries import Delivery
from tracking.facts import inbox_changed, publish

_SETTLES = {TaskKind.UNMATCHED_INBOUND: "attach", TaskKind.OPT_OUT_REVIEW: "undo"}


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task of the list."""

    id: str
    kind: Badge
    reason: str
    tried: str
    what_to_do: str
    said: str
    age: str
    opened_at: str
    name: str
    reference: str
    phone: str
    email: str
    delivery_href: str
    talk_href: str
    wish: WishView | None = None
    settles: str = ""  # what settles it with one click: attach, undo


@blueprint.get("/tasks")
@requires(Role.AGENT)
def tasks() -> ResponseReturnValue:
    """List the open tasks, oldest first."""
    return render_template("staff/tasks.html", rows=_rows())


@blueprint.get("/tasks/part")
@requires(Role.AGENT, counts_as_use=False)
def tasks_part() -> ResponseReturnValue:
    """The list alone."""
    return render_template("staff/_tasks.html", rows=_rows())


@blueprint.get("/tasks.csv")
@requires(Role.AGENT)
def tasks_csv() -> ResponseReturnValue:
    """The same list for a spreadsheet; that contacts left the house goes on record."""
    mine = services()
    header = ("opened_at", "kind", "reference", "recipient", "phone", "email", "reason", "tried", "what_to_do")
    rows = [
        (
            *(row.opened_at, row.kind.word, row.reference, row.name, row.phone, row.email),
            row.reason,
            row.tried,
            row.what_to_do,
        )
        for row in _rows()
    ]
    with mine.database.writing() as session:
        note_view(session, "export", "tasks", "open", mine.clock.now())
    return csv_answer("tasks", header, rows)


@blueprint.post("/tasks/<task_id>/resolve")
@requires(Role.AGENT)
def task_resolve(task_id: str) -> ResponseReturnValue:
    """Take a task off the list with a word on how."""
    mine = services()
    now, how = mine.clock.now(), request.form.get("resolution", "").strip()[:1000]
    if not how:
        return refused("staff.tasks", "Say in a few words how this was settled.", _anchor=f"task-{task_id}")
    with mine.database.writing() as session:
        has_changed = resolve_task(session, task_id, resolved_by=me().id, resolution=how, now=now)
        note_view(session, "resolve", "task", task_id, now)
    publish(mine.redis, [inbox_changed()])
    return done("staff.tasks", "Settled." if has_changed else "Somebody settled it already.")


def _rows() -> list[TaskRow]:
    mine = services()
    with mine.database.reading() as session:
        found = open_tasks(session)
        deliveries = _deliveries(session, found)
        said = _said(session, found)
        wishes = _wishes(session, found, deliveries, mine.clock.now())
    return [_row(task, deliveries, said, wishes, mine.clock.now()) for task in found]


def _wishes(
    session: Session, found: list[Task], deliveries: Mapping[str, Delivery], now: datetime
) -> dict[str, WishView]:
    asked = [deliveries[task.delivery_id] for task in found if task.kind is TaskKind.WISH and task.delivery_id]
    views = {delivery.id: wish_of(session, delivery, now) for delivery in asked}
    return {delivery_id: view for delivery_id, view in views.items() if view is not None}


def _deliveries(session: Session, found: list[Task]) -> dict[str, Delivery]:
    ids = [task.delivery_id for task in found if task.delivery_id]
    return {delivery.id: delivery for delivery in session.scalars(select(Delivery).where(Delivery.id.in_(ids)))}


def _said(session: Session, found: list[Task]) -> dict[str, InboundMessage]:
    ids = [task.inbound_id for task in found if task.inbound_id]
    return {row.id: row for row in session.scalars(select(InboundMessage).where(InboundMessage.id.in_(ids)))}


def _row(
    task: Task,
    deliveries: Mapping[str, Delivery],
    said: Mapping[str, InboundMessage],
    wishes: Mapping[str, WishView],
    now: datetime,
) -> TaskRow:
    delivery = deliveries.get(task.delivery_id or "")
    inbound = said.get(task.inbound_id or "")
    return TaskRow(
        id=task.id,
        kind=words.TASK[task.kind],
        reason=task.reason,
        tried=task.tried,
        what_to_do=words.WHAT_TO_DO[task.kind],
        said=inbound.body if inbound else "",
        age=words.ago(task.opened_at, now),
        opened_at=task.opened_at.isoformat(timespec="minutes"),
        name=delivery.recipient_name if delivery else "",
        reference=delivery.reference if delivery else "",
        phone=(delivery.phone or "") if delivery else (inbound.from_address if inbound else ""),
        email=(delivery.email or "") if delivery else "",
        delivery_href=f"/staff/deliveries/{delivery.id}" if delivery else "",
        talk_href=f"/staff/conversations/{delivery.id}" if delivery else "",
        wish=wishes.get(task.delivery_id or "") if task.kind is TaskKind.WISH else None,
        settles=_SETTLES.get(task.kind, "") if inbound else "",
    )
