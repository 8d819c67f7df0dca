"""Changes of a route under dispatch's hand: another driver, another order, another stop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tracking import custody, links
from tracking.actors import Actor
from tracking.custody import CustodyKind
from tracking.deliveries import OPEN, Delivery, DeliveryStatus, mark_plan_dirty
from tracking.drivers import Driver
from tracking.errors import NotFound, TrackingError, WrongMove
from tracking.facts import Fact, delivery_changed, revoked, route_changed
from tracking.geo import is_place
from tracking.links import Audience, Link
from tracking.planning import plan_arrivals
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop, stops_of

CHANGEABLE = frozenset({RouteStatus.PLANNED, RouteStatus.STARTED})


class BadChange(TrackingError):
    """What was asked for makes no sense, whatever the state. The text says why."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change touched, so that the caller can tell the live pages after commit."""

    delivery_ids: tuple[str, ...] = ()
    route_ids: tuple[str, ...] = ()
    revoked_link_ids: tuple[str, ...] = ()

    def facts(self) -> list[Fact]:
        """Return what to publish after commit."""
        return [
            *(revoked(link_id) for link_id in self.revoked_link_ids),
            *(delivery_changed(delivery_id) for delivery_id in self.delivery_ids),
            *(route_changed(route_id) for route_id in self.route_ids),
        ]


def reassign(
    session: Session, route_id: str, *, driver_id: str, now: datetime, actor: Actor, ids: Callable[[], str]
) -> Changed:
    """Give the route to another driver; the links of the one before end at once, and so does the old truck's place.

    The same driver again changes nothing. Raises ``WrongMove`` for a finished or cancelled route.
    """
    route = changeable_route(session, route_id)
    if session.get(Driver, driver_id) is None:
        raise NotFound("driver", driver_id)
    if route.driver_id == driver_id:
        return Changed()
    held = select(Link.id).where(Link.route_id == route_id, Link.audience == Audience.DRIVER, Link.revoked_at.is_(None))
    link_ids = tuple(session.scalars(held))
    links.revoke(session, link_ids, now)
    detail = {"from_driver": route.driver_id, "to_driver": driver_id}
    route.driver_id = driver_id
    route.plan_version += 1
    session.execute(delete(RouteState).where(RouteState.route_id == route_id))
    opened = open_deliveries(session, route_id)
    for delivery_id in opened:
        custody.record(
            session,
            event_id=ids(),
            delivery_id=delivery_id,
            kind=CustodyKind.REASSIGNED,
            at=now,
            now=now,
            actor=actor,
            source=actor.kind.value,
            detail=detail,
        )
    _forget_next(session, (stop.id for stop in stops_of(session, route_id)))
    mark_plan_dirty(session, opened, now)
    session.flush()
    return Changed(tuple(opened), (route_id,), link_ids)


def reorder(session: Session, route_id: str, stop_ids: Sequence[str], *, now: datetime) -> Changed:
    """Put the route's stops into the order of ``stop_ids``, which names each of them once.

    Stops already visited keep their places: raises ``WrongMove`` when one of them would move. Raises ``BadChange``
    when a stop is missing, twice there, or of another route.
    """
    route = changeable_route(session, route_id)
    stops = {stop.id: stop for stop in stops_of(session, route_id)}
    if len(stop_ids) != len(stops) or set(stop_ids) != set(stops):
        raise BadChange("The new order must name each stop of the route once. The route may have changed; look again.")
    if list(stop_ids) == list(stops):
        return Changed()
    for old_id, new_id in zip(stops, stop_ids, strict=True):
        if old_id != new_id and (stops[old_id].arrived_at or stops[new_id].arrived_at):
            raise WrongMove(
                state=route.status,
                target="reorder",
                sentence="A stop that the truck has been at cannot change its place in the order.",
            )
    before = _ahead(list(stops.values()))
    resequence(session, [(stop_id, number) for number, stop_id in enumerate(stop_ids, 1)])
    _forget_overtaken(session, route_id, before)
    return _replanned(session, route, now)


def add_stop(
    session: Session,
    route_id: str,
    *,
    address: str,
    lat: float,
    lon: float,
    now: datetime,
    ids: Callable[[], str],
    before_stop_id: str | None = None,
    service_s: float | None = None,
) -> tuple[str, Changed]:
    """Add an empty stop, at the end or before another one, and return its id; deliveries can be moved to it.

    Raises ``BadChange`` for a place that cannot be one, ``WrongMove`` before a stop that was visited already.
    """
    route = changeable_route(session, route_id)
    if not is_place(lat, lon) or not address.strip():
        raise BadChange("A stop needs an address and a place on the map.")
    stops = stops_of(session, route_id)
    order = [stop.id for stop in stops]
    position = len(order)
    if before_stop_id is not None:
        if before_stop_id not in order:
            raise NotFound("stop", before_stop_id)
        position = order.index(before_stop_id)
        if stops[position].arrived_at is not None:
            raise WrongMove(
                state=route.status, target="add", sentence="The truck has been at that stop; add behind it."
            )
    stop_id = ids()
    last = max((stop.sequence for stop in stops), default=0)
    stop = Stop(
        id=stop_id, route_id=route_id, sequence=last + 1, address=address.strip(), lat=lat, lon=lon, service_s=service_s
    )
    session.add(stop)
    session.flush()
    order.insert(position, stop_id)
    if position < len(stops):
        before = _ahead(stops)
        resequence(session, [(each, number) for number, each in enumerate(order, 1)])
        _forget_overtaken(session, route_id, before)
    return stop_id, _replanned(session, route, now)


def changeable_route(session: Session, route_id: str) -> Route:
    """Return the route, locked; raises ``NotFound``, or ``WrongMove`` when it is finished or cancelled."""
    route = session.scalar(select(Route).where(Route.id == route_id).with_for_update())
    if route is None:
        raise NotFound("route", route_id)
    if route.status not in CHANGEABLE:
        raise WrongMove(state=route.status, target="change", sentence=f"This route is {route.status}.")
    return route


def open_deliveries(session: Session, route_id: str) -> list[str]:
    """Return the ids of the route's deliveries that can still be handed over."""
    statement = select(Delivery.id).join(Stop, Delivery.stop_id == Stop.id)
    return list(session.scalars(statement.where(Stop.route_id == route_id, Delivery.status.in_(OPEN))))


def last_sequence(session: Session, route_id: str) -> int:
    """Return the highest sequence of the route's stops; 0 without one."""
    return session.scalar(select(func.max(Stop.sequence)).where(Stop.route_id == route_id)) or 0


def resequence(session: Session, numbered: Sequence[tuple[str, int]]) -> None:
    """Give stops these sequences. Through negative numbers, because no two may be equal even for a moment."""
    changing = []
    for stop_id, number in numbered:
        stop = session.get_one(Stop, stop_id)
        if stop.sequence != number:
            changing.append((stop, number))
    for position, (stop, _) in enumerate(changing, 1):
        stop.sequence = -position
    session.flush()
    for stop, number in changing:
        stop.sequence = number
    session.flush()


def _ahead(stops: Sequence[Stop]) -> dict[str, int]:
    """Return how many stops the truck has not been at come before each, in the order given."""
    counted: dict[str, int] = {}
    for stop in stops:
        counted[stop.id] = sum(other.arrived_at is None for other in stops[: len(counted)])
    return counted


def _forget_overtaken(session: Session, route_id: str, before: dict[str, int]) -> None:
    """Take back who is next, or nearly, from those that others were put before."""
    after = _ahead(stops_of(session, route_id))
    _forget_next(session, (stop_id for stop_id, count in before.items() if after[stop_id] > count))


def _forget_next(session: Session, stop_ids: Iterable[str]) -> None:
    """Take back who is next: the truck's next fix says it anew, and what was told of it is corrected."""
    on_its_way = update(Delivery).where(
        Delivery.stop_id.in_(list(stop_ids)),
        Delivery.status == DeliveryStatus.OUT_FOR_DELIVERY,
        Delivery.next_stop_at.is_not(None),
    )
    session.execute(on_its_way.values(next_stop_at=None).execution_options(synchronize_session="fetch"))


def _replanned(session: Session, route: Route, now: datetime) -> Changed:
    route.plan_version += 1
    session.flush()
    plan_arrivals(session, route.id)
    opened = open_deliveries(session, route.id)
    mark_plan_dirty(session, opened, now)
    return Changed(tuple(opened), (route.id,))
