"""Moving a delivery to another day or window: the same row, the same link, a new stop."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking import custody
from tracking.actors import Actor
from tracking.custody import CustodyEvent, CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, load, require_move
from tracking.depots import Depot
from tracking.errors import NotFound, WrongMove
from tracking.holding import holding_route
from tracking.links import Audience, Link
from tracking.local_time import local_instant
from tracking.planning import plan_arrivals
from tracking.route_changes import BadChange, Changed, changeable_route, last_sequence
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop

# Nobody plans deliveries farther ahead; a year typed wrong is caught (our choice).
FARTHEST = timedelta(days=366)
# What belonged to the day that is over, or never came.
_FORGOTTEN = dict.fromkeys(
    (
        "promise_lo_at",
        "promise_hi_at",
        "promise_point_at",
        "promise_cause",
        "promise_made_at",
        "promise_broken_at",
        "next_stop_at",
        "arrived_at",
        "not_loaded_reason",
        "failure_reason",
    )
)


def reschedule(
    session: Session,
    delivery_id: str,
    *,
    service_on: date,
    window_start: time | str,
    window_end: time | str,
    now: datetime,
    actor: Actor,
    ids: Callable[[], str],
    route_id: str | None = None,
) -> Changed:
    """Move the delivery to ``service_on``, into a window of local times (``HH:MM``) at its address.

    Without ``route_id`` it waits on its depot's route for what is not assigned. Raises ``WrongMove`` when it is under
    way, delivered or cancelled, ``BadChange`` for a window that makes no sense or a route of another day.
    """
    delivery = load(session, delivery_id)
    start_at, end_at = _window(delivery.zone, service_on, window_start, window_end, now=now)
    source = delivery.stop.route
    target = _target(session, source, service_on, route_id=route_id, ids=ids)
    old_window_end_at = delivery.window_end_at
    detail = {
        "from_on": delivery.service_on.isoformat(),
        "to_on": service_on.isoformat(),
        "from_route": source.id,
        "to_route": target.id,
        "from_window": [delivery.window_start_at.isoformat(), delivery.window_end_at.isoformat()],
        "to_window": [start_at.isoformat(), end_at.isoformat()],
        "from_status": delivery.status.value,
    }
    require_move(session, delivery_id, DeliveryStatus.RESCHEDULED, at=now)
    stop_id = delivery.stop_id
    if target.id != source.id:
        stop_id = _stop_on(session, target.id, delivery.stop, ids)
    require_move(
        session,
        delivery_id,
        DeliveryStatus.SCHEDULED,
        at=now,
        stop_id=stop_id,
        service_on=service_on,
        window_start_at=start_at,
        window_end_at=end_at,
        failure_note="",
        promise_is_now=False,
        **_FORGOTTEN,
    )
    custody.record(
        session,
        event_id=ids(),
        delivery_id=delivery_id,
        kind=CustodyKind.RESCHEDULED,
        at=now,
        now=now,
        actor=actor,
        source=actor.kind.value,
        detail=detail,
    )
    _lengthen_links(session, delivery_id, end_at - old_window_end_at)
    for route in {source.id: source, target.id: target}.values():
        route.plan_version += 1
    session.flush()
    session.expire(delivery, ["stop"])
    for route in {source.id: source, target.id: target}.values():
        plan_arrivals(session, route.id)
    return Changed((delivery_id,), tuple(dict.fromkeys((source.id, target.id))))


def newest_move(session: Session, delivery_id: str) -> str | None:
    """Return the id of the event of the delivery's last move, for ``undo_reschedule``; None when it never moved."""
    moves = select(CustodyEvent.id).where(
        CustodyEvent.delivery_id == delivery_id, CustodyEvent.kind == CustodyKind.RESCHEDULED
    )
    return session.scalar(moves.order_by(CustodyEvent.recorded_at.desc()).limit(1))


def undo_reschedule(
    session: Session, delivery_id: str, *, event_id: str, now: datetime, actor: Actor, ids: Callable[[], str]
) -> Changed:
    """Move the delivery back to the route and window it had before the move that ``event_id`` recorded.

    What was loaded is to be loaded again. Raises ``BadChange`` when something has happened to it since, when its
    route of before has left, when its window of before is over, or when it had come back from an attempt that failed.
    """
    delivery, event = load(session, delivery_id), session.get(CustodyEvent, event_id)
    if event is None or not _stands(event, delivery):
        raise BadChange("Something has happened to it since: it cannot be moved back.")
    before = event.detail
    if before["from_status"] == DeliveryStatus.ATTEMPT_FAILED:
        raise BadChange("An attempt had failed before: it cannot be moved back to it.")
    source = session.get(Route, before["from_route"])
    if source is None or (source.id != before["to_route"] and source.status is not RouteStatus.PLANNED):
        raise BadChange("Its route of before has left.")
    start, end = (datetime.fromisoformat(told).astimezone(ZoneInfo(delivery.zone)) for told in before["from_window"])
    return reschedule(
        session,
        delivery_id,
        service_on=date.fromisoformat(before["from_on"]),
        window_start=start.time(),
        window_end=end.time(),
        now=now,
        actor=actor,
        ids=ids,
        route_id=source.id,
    )


def _stands(event: CustodyEvent, delivery: Delivery) -> bool:
    """True when the move is the last thing that happened to the delivery. Older events do not tell the windows."""
    after = [datetime.fromisoformat(told) for told in event.detail.get("to_window", ())]
    return (
        event.delivery_id == delivery.id
        and event.kind is CustodyKind.RESCHEDULED
        and delivery.status is DeliveryStatus.SCHEDULED
        and delivery.status_at == event.at
        and delivery.stop.route_id == event.detail["to_route"]
        and after == [delivery.window_start_at, delivery.window_end_at]
    )


def _window(
    zone: str, service_on: date, window_start: time | str, window_end: time | str, *, now: datetime
) -> tuple[datetime, datetime]:
    start, end = clock_time(window_start), clock_time(window_end)
    if not now.date() - timedelta(days=2) <= service_on <= now.date() + FARTHEST:
        raise BadChange(f"{service_on} is not a day in the year ahead.")
    start_at, end_at = local_instant(service_on, start, zone), local_instant(service_on, end, zone)
    if end <= start or end_at <= start_at:
        raise BadChange("The window must end after it begins.")
    if end_at <= now:
        raise BadChange("That window is over already.")
    return start_at, end_at


def clock_time(told: time | str) -> time:
    """Return a local time of day from ``HH:MM``; raises ``BadChange``."""
    if isinstance(told, time):
        return told
    hour, _, minute = told.strip().partition(":")
    is_digits = hour.isascii() and minute.isascii() and hour.isdigit() and minute.isdigit()
    if not (is_digits and len(hour) <= 2 and len(minute) == 2 and int(hour) < 24 and int(minute) < 60):
        raise BadChange("Write a time of day as 09:30.")
    return time(int(hour), int(minute))


def _target(
    session: Session, source: Route, service_on: date, *, route_id: str | None, ids: Callable[[], str]
) -> Route:
    if route_id is not None:
        route = changeable_route(session, route_id)
        if route.service_on != service_on:
            raise BadChange(f"Route {route.name} is of {route.service_on}, not of {service_on}.")
        return route
    if source.service_on == service_on and source.status is RouteStatus.PLANNED:
        return source
    depot = session.get(Depot, source.depot_id)
    if depot is None:
        raise NotFound("depot", source.depot_id)
    route = holding_route(session, depot=depot, service_on=service_on, zone=source.zone, ids=ids)
    if route.status is not RouteStatus.PLANNED:
        raise WrongMove(state=route.status, target="reschedule", sentence=f"Route {route.name} is {route.status}.")
    return route


def _stop_on(session: Session, route_id: str, place: Stop, ids: Callable[[], str]) -> str:
    """Return a stop of the route at the same door that nobody has been at yet: one that is there, or a new last one."""
    same = select(Stop.id).where(
        Stop.route_id == route_id,
        Stop.address == place.address,
        Stop.lat == place.lat,
        Stop.lon == place.lon,
        Stop.arrived_at.is_(None),
    )
    found = session.scalar(same.limit(1))
    if found is not None:
        return found
    stop = Stop(
        id=ids(),
        route_id=route_id,
        sequence=last_sequence(session, route_id) + 1,
        address=place.address,
        lat=place.lat,
        lon=place.lon,
        service_s=place.service_s,
    )
    session.add(stop)
    session.flush()
    return stop.id


def _lengthen_links(session: Session, delivery_id: str, by: timedelta) -> None:
    """Let the recipient's links last as long after the new window as after the old one."""
    if by <= timedelta():
        return
    held = select(Link).where(Link.delivery_id == delivery_id, Link.revoked_at.is_(None))
    for link in session.scalars(held.where(Link.audience != Audience.DRIVER)):
        link.expires_at += by


def load_for_change(session: Session, delivery_id: str) -> Delivery:
    """Return the delivery, whole; raises ``BadChange`` when its person's data was erased."""
    delivery = load(session, delivery_id)
    if delivery.erased_at is not None:
        raise BadChange("The recipient's data was erased.")
    return delivery
