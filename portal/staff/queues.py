"""What waits for a person: the counts in the navigation, and the list on the first page."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, joinedload

from messaging.cases import Case, CaseStatus, Task
from messaging.conversations import Conversation
from portal.staff import words
from portal.staff.day import deliveries_of_day
from portal.staff.lateness import needs_eyes
from tracking.deliveries import OPEN, Delivery, DeliveryStatus
from tracking.forecast import NO_SIGNAL_S
from tracking.holding import is_holding
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop

SILENT = timedelta(seconds=NO_SIGNAL_S)
_TO_DRIVE = frozenset({RouteStatus.PLANNED, RouteStatus.STARTED})


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of each waits."""

    unanswered: int
    cases: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that needs a person, with the page where it is settled."""

    kind: str
    tone: str
    title: str
    who: str
    detail: str
    age: str
    href: str
    is_overdue: bool = False


def counts(session: Session) -> Counts:
    """Return the counts beside the navigation."""
    waiting = select(func.count()).select_from(Conversation).where(Conversation.waiting_since.is_not(None))
    return Counts(
        unanswered=session.scalar(waiting.where(Conversation.closed_at.is_(None))) or 0,
        cases=session.scalar(select(func.count()).where(Case.status == CaseStatus.OPEN)) or 0,
        tasks=session.scalar(select(func.count()).where(Task.resolved_at.is_(None))) or 0,
    )


def needing_a_person(session: Session, on: date, now: datetime, limit: int = 60) -> list[Item]:
    """Return what cannot wait, the most pressing first: cases past their deadline, silent trucks, then late, then the
    rest by age.
    """
    found = [*_silent(session, on, now), *_late(session, on, now)]
    found += [*_cases(session, now), *_tasks(session, now), *_not_loaded(session, on, now)]
    return sorted(found, key=lambda item: not item.is_overdue)[:limit]


def _silent(session: Session, on: date, now: datetime) -> list[Item]:
    """Return the trucks on the road, with stops left, of which neither a position nor a tap came for 15 minutes."""
    left = func.sum(case((Delivery.status.in_(OPEN), 1), else_=0))
    taps = (
        select(Stop.route_id, func.max(Delivery.status_at).label("at"))
        .join(Delivery, Delivery.stop_id == Stop.id)
        .where(Delivery.service_on == on)
        .group_by(Stop.route_id)
        .having(left > 0)
        .subquery()
    )
    statement = (
        select(Route, RouteState.last_fix_at, taps.c.at)
        .join(taps, taps.c.route_id == Route.id)
        .outerjoin(RouteState, RouteState.route_id == Route.id)
        .options(joinedload(Route.driver))
        .where(Route.status == RouteStatus.STARTED)
    )
    found = [
        (max(at for at in (route.started_at, fix_at, tapped_at) if at is not None), fix_at, route)
        for route, fix_at, tapped_at in session.execute(statement)
    ]
    return [
        Item(
            kind="Silent",
            tone="bad",
            title=f"Not heard of for {words.span(now - heard_at)}",
            who=route.driver.name,
            detail=f"Route {route.name}. "
            + (f"Last seen {words.moment(fix_at, route.zone, now)}." if fix_at else "It has never sent a position."),
            age="",
            href=f"/staff/routes/{route.id}",
        )
        for heard_at, fix_at, route in sorted(found, key=lambda each: each[0])
        if now - heard_at > SILENT
    ]


def _late(session: Session, on: date, now: datetime) -> list[Item]:
    late = [(needs_eyes(delivery, now), delivery) for delivery in deliveries_of_day(session, on, statuses=OPEN)]
    pressing = sorted(((how, d) for how, d in late if how), key=lambda pair: -pair[0].minutes)
    return [
        Item(
            kind="Late",
            tone="bad",
            title=how.word,
            who=delivery.recipient_name,
            detail=f"Promised {words.window(delivery.window_start_at, delivery.window_end_at, delivery.zone)}"
            + (f"; {how.why}" if how.why else "")
            + f". {_route_words(delivery.stop.route)}.",
            age="",
            href=f"/staff/deliveries/{delivery.id}",
        )
        for how, delivery in pressing
    ]


def _route_words(route: Route) -> str:
    return "It waits for a truck" if is_holding(route.driver) else f"Route {route.name}, {route.driver.name}"


def _cases(session: Session, now: datetime) -> list[Item]:
    statement = select(Case, Delivery.recipient_name).join(Delivery, Delivery.id == Case.delivery_id)
    statement = statement.where(Case.status == CaseStatus.OPEN).order_by(Case.deadline_at)
    return [
        Item(
            kind="Case",
            tone="warn",
            title=f"Rated {case.score} of 5" + ("" if case.owner_id else ", nobody has it yet"),
            who=name,
            detail=case.comment or "No comment.",
            age=f"answer due {words.span(case.deadline_at - now)}"
            if case.deadline_at > now
            else f"overdue by {words.span(now - case.deadline_at)}",
            href=f"/staff/cases/{case.id}",
            is_overdue=case.deadline_at <= now,
        )
        for case, name in session.execute(statement)
    ]


def _tasks(session: Session, now: datetime) -> list[Item]:
    statement = select(Task, Delivery.recipient_name).join(Delivery, Delivery.id == Task.delivery_id, isouter=True)
    statement = statement.where(Task.resolved_at.is_(None)).order_by(Task.opened_at)
    return [
        Item(
            kind="Task",
            tone=words.TASK[task.kind].tone,
            title=words.TASK[task.kind].word,
            who=name or "",
            detail=task.reason,
            age=words.ago(task.opened_at, now),
            href=f"/staff/tasks#task-{task.id}",
        )
        for task, name in session.execute(statement)
    ]


def _not_loaded(session: Session, on: date, now: datetime) -> list[Item]:
    """Return parcels that were not loaded on routes still to be driven, and that no open task speaks of already."""
    listed = set(session.scalars(select(Task.delivery_id).where(Task.resolved_at.is_(None))))
    missing = [
        delivery
        for delivery in deliveries_of_day(session, on, statuses=frozenset({DeliveryStatus.SCHEDULED}))
        if delivery.not_loaded_reason and delivery.id not in listed and delivery.stop.route.status in _TO_DRIVE
    ]
    return [
        Item(
            kind="Not loaded",
            tone="bad",
            title="Not on the truck",
            who=delivery.recipient_name,
            detail=f"{delivery.not_loaded_reason}. Route {delivery.stop.route.name}.",
            age=words.ago(delivery.status_at, now),
            href=f"/staff/deliveries/{delivery.id}",
        )
        for delivery in missing
    ]
