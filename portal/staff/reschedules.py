"""Moving a delivery to another time or route: what it does is shown before, and it can be taken back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from flask import request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.consent import pepper_of
from messaging.kinds import Kind
from messaging.notifications import NotificationStatus
from messaging.reconciler import of_delivery, reconcile
from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.delivery_changes import again, change_delivery, try_change
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, me, offer_undo, refused, requires
from tracking import changes
from tracking.changes import BadChange, Changed
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.holding import is_holding
from tracking.ids import new_id

_TELLING = frozenset({Kind.RESCHEDULED, Kind.CORRECTION})
_WAITING = frozenset({DeliveryStatus.SCHEDULED, DeliveryStatus.LOADED})


@dataclass(frozen=True, slots=True)
class Plan:
    """On which route and when a delivery comes."""

    route_id: str
    on: date
    start_at: datetime
    end_at: datetime

    def has_time_of(self, other: "Plan") -> bool:
        """True when both are at the same time."""
        return (self.on, self.start_at, self.end_at) == (other.on, other.start_at, other.end_at)


@blueprint.post("/deliveries/<delivery_id>/reschedule")
@requires(Role.DISPATCHER)
def delivery_reschedule(delivery_id: str) -> ResponseReturnValue:
    """Move the delivery to another time or route, after showing what that does; it can be taken back."""
    try:
        on = date.fromisoformat(request.form.get("service_on", ""))
    except ValueError:
        return again(delivery_id, "reschedule", "Choose a day.")

    def act(session: Session, now: datetime) -> Changed:
        return _move(session, delivery_id, on, now)

    if not is_confirmed():
        problem, effects = _rehearsed(delivery_id, act)
        if problem:
            return again(delivery_id, "reschedule", problem)
        back = url_for("staff.delivery", delivery_id=delivery_id)
        return ask_first(question="Move this delivery?", effects=effects, yes="Move it", back=back)
    problem = change_delivery(delivery_id, "reschedule", act)
    if problem:
        return again(delivery_id, "reschedule", problem)
    return _moved(delivery_id)


@blueprint.post("/deliveries/<delivery_id>/reschedule/undo")
@requires(Role.DISPATCHER)
def delivery_reschedule_undo(delivery_id: str) -> ResponseReturnValue:
    """Move the delivery back to where it was, while nothing has happened to it since."""
    act = _undoing(delivery_id, request.form.get("event", ""))
    problem, effects = _rehearsed(delivery_id, act)
    problem = problem or change_delivery(delivery_id, "undo_reschedule", act)
    if problem:
        return refused("staff.delivery", problem, delivery_id=delivery_id)
    return done("staff.delivery", " ".join(["Moved back.", *effects]), delivery_id=delivery_id)


def _move(session: Session, delivery_id: str, on: date, now: datetime) -> Changed:
    found = load(session, delivery_id)
    stays = found.stop.route_id if found.service_on == on else None
    before, was_waiting = _plan(found), found.status in _WAITING
    changed = changes.reschedule(
        session,
        delivery_id,
        service_on=on,
        window_start=request.form.get("window_start", ""),
        window_end=request.form.get("window_end", ""),
        now=now,
        actor=me().actor,
        ids=new_id,
        route_id=request.form.get("route_id") or stays,
    )
    if was_waiting and _plan(load(session, delivery_id)) == before:
        raise BadChange("It is planned so already.")
    return changed


def _undoing(delivery_id: str, event_id: str) -> Callable[[Session, datetime], Changed]:
    return lambda session, now: changes.undo_reschedule(
        session, delivery_id, event_id=event_id, now=now, actor=me().actor, ids=new_id
    )


def _moved(delivery_id: str) -> ResponseReturnValue:
    """Say where the delivery is now, with a way back if there is one."""
    mine = services()
    with mine.database.reading() as session:
        found = load(session, delivery_id)
        route = found.stop.route
        place = "waiting for a truck" if is_holding(route.driver) else f"route {route.name}"
        said = f"Moved to {_time(found, mine.clock.now())}, {place}."
        event_id = changes.newest_move(session, delivery_id) or ""
    if try_change(_undoing(delivery_id, event_id)):
        return done("staff.delivery", said, delivery_id=delivery_id)
    action = url_for("staff.delivery_reschedule_undo", delivery_id=delivery_id)
    offer_undo(said, action=action, fields={"event": event_id})
    return done("staff.delivery", delivery_id=delivery_id)


def _rehearsed(delivery_id: str, act: Callable[[Session, datetime], Changed]) -> tuple[str, list[str]]:
    """Return why a move would be refused, and what it would do in sentences; nothing is changed."""
    effects: list[str] = []

    def rehearse(session: Session, now: datetime) -> Changed:
        before = _plan(load(session, delivery_id))
        changed = act(session, now)
        found = load(session, delivery_id)
        effects.extend([*_place_words(found, before, now), _told_words(session, found, before, now)])
        return changed

    return try_change(rehearse), effects


def _plan(found: Delivery) -> Plan:
    return Plan(found.stop.route_id, found.service_on, found.window_start_at, found.window_end_at)


def _time(found: Delivery, now: datetime) -> str:
    window = words.window(found.window_start_at, found.window_end_at, found.zone)
    return f"{words.day(found.service_on, now)}, {window}"


def _place_words(found: Delivery, before: Plan, now: datetime) -> list[str]:
    route = found.stop.route
    told = [f"It comes on {_time(found, now)}."]
    if route.id != before.route_id and is_holding(route.driver):
        told.append("It waits for a truck: no route takes it yet.")
    elif route.id != before.route_id:
        told.append(f"It goes onto route {route.name} of {route.driver.name}.")
    return told


def _told_words(session: Session, found: Delivery, before: Plan, now: datetime) -> str:
    """Say who is told, by planning the messages as the worker will. Only for a transaction that is rolled back."""
    if _plan(found).has_time_of(before):
        return "Day and time stay as they were, so the recipient is not told."
    pepper = pepper_of(services().settings.secret_keys)
    reconcile(session, found.id, now=now, ids=new_id, pepper=pepper)
    telling = [
        row for row in of_delivery(session, found.id) if row.kind in _TELLING and row.status is NotificationStatus.DUE
    ]
    if not telling:
        return "No message goes out about it now; those still to come name the new time."
    by = " and ".join(sorted({words.CHANNEL[row.channel] for row in telling}, reverse=True))
    due_at = min(row.due_at for row in telling)
    when = "at once" if due_at <= now else f"when quiet hours end: {words.moment(due_at, found.zone, now)}"
    return f"The recipient is told by {by} {when}. The link stays the same."
