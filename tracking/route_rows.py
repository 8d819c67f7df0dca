"""What the fix consumer needs of a route's rows, as plain values: read whole, and told cheaply whether it still holds.

A consumer looks at a route for each fix. Reading a hundred rows again and again was most of its cost, so it keeps what
it read. ``Mark`` is what must be the same for that to hold: every change of deliveries counts ``version`` up, every
change of order or stops ``plan_version``, every look of a consumer ``revision``; taps show in the arrivals.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, select, true
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery, DeliveryStatus
from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.geo import LatLon
from tracking.holding import NOBODY_PHONE
from tracking.promise import Promise, promise_from
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop

TAP = "tap"


class Mark(NamedTuple):
    """What a route's rows looked like, in a few numbers; ``revision`` is None before the first look.

    ``is_driven`` is False where deliveries wait that no truck takes yet.
    """

    status: RouteStatus
    driver_id: str
    planned_start_at: datetime
    started_at: datetime | None
    plan_version: int
    depot_lat: float
    depot_lon: float
    revision: int | None
    is_driven: bool
    deliveries: int
    versions: int
    stops: int
    arrived: int
    tapped: int
    arrived_last_at: datetime | None


@dataclass(slots=True)
class StopRow:
    """One stop: its plan, its visit, and the estimate that pages read now."""

    id: str
    place: LatLon
    service_s: float | None
    planned_arrival_at: datetime | None
    arrived_at: datetime | None
    arrived_source: str | None
    departed_at: datetime | None
    eta_at: datetime | None
    stops_before: int | None
    eta_basis: str | None


@dataclass(slots=True)
class DeliveryRow:
    """One delivery: its state, its window, and what was promised."""

    id: str
    stop: StopRow
    status: DeliveryStatus
    window: tuple[datetime, datetime]
    promise: Promise | None
    promise_broken_at: datetime | None
    next_stop_at: datetime | None


# Built once: this runs for every fix.
_ROUTE = (
    select(
        Route.status,
        Route.driver_id,
        Route.planned_start_at,
        Route.started_at,
        Route.plan_version,
        Depot.lat,
        Depot.lon,
        RouteState.revision,
        Driver.phone != NOBODY_PHONE,
    )
    .join(Depot, Depot.id == Route.depot_id)
    .join(Driver, Driver.id == Route.driver_id)
    .outerjoin(RouteState, RouteState.route_id == Route.id)
    .where(Route.id == bindparam("route_id"))
    .with_for_update(of=Route)
)
_held = (
    select(func.count(Delivery.id).label("n"), func.coalesce(func.sum(Delivery.version), 0).label("versions"))
    .join(Stop, Stop.id == Delivery.stop_id)
    .where(Stop.route_id == bindparam("route_id"))
    .subquery()
)
_visited = (
    select(
        func.count(Stop.id).label("n"),
        func.count(Stop.arrived_at).label("arrived"),
        func.coalesce(func.sum(case((Stop.arrived_source == TAP, 1), else_=0)), 0).label("tapped"),
        func.max(Stop.arrived_at).label("last_at"),
    )
    .where(Stop.route_id == bindparam("route_id"))
    .subquery()
)
_COUNTS = select(
    _held.c.n, _held.c.versions, _visited.c.n, _visited.c.arrived, _visited.c.tapped, _visited.c.last_at
).select_from(_held.join(_visited, true()))
_STOPS = (
    select(
        Stop.id,
        Stop.lat,
        Stop.lon,
        Stop.service_s,
        Stop.planned_arrival_at,
        Stop.arrived_at,
        Stop.arrived_source,
        Stop.departed_at,
        Stop.eta_at,
        Stop.stops_before,
        Stop.eta_basis,
    )
    .where(Stop.route_id == bindparam("route_id"))
    .order_by(Stop.sequence)
)
_DELIVERIES = (
    select(
        Delivery.id,
        Delivery.stop_id,
        Delivery.status,
        Delivery.window_start_at,
        Delivery.window_end_at,
        Delivery.promise_lo_at,
        Delivery.promise_hi_at,
        Delivery.promise_point_at,
        Delivery.promise_cause,
        Delivery.promise_made_at,
        Delivery.promise_is_now,
        Delivery.promise_broken_at,
        Delivery.next_stop_at,
    )
    .join(Stop, Delivery.stop_id == Stop.id)
    .where(Stop.route_id == bindparam("route_id"))
    .order_by(Stop.sequence, Delivery.reference)
)


def mark_of(session: Session, route_id: str) -> Mark | None:
    """Return the route's mark, the route locked until the transaction ends; None when there is no such route."""
    given = {"route_id": route_id}
    connection = session.connection()
    route: Any = connection.execute(_ROUTE, given).one_or_none()
    if route is None:
        return None
    held, versions, stops, arrived, tapped, last_at = connection.execute(_COUNTS, given).one()
    return Mark._make((*route, held, int(versions), stops, arrived, int(tapped), last_at))


def stop_rows(session: Session, route_id: str) -> list[StopRow]:
    """Return the stops of a route in their order."""
    rows = session.connection().execute(_STOPS, {"route_id": route_id})
    return [StopRow(stop_id, LatLon(lat, lon), *rest) for stop_id, lat, lon, *rest in rows]


def delivery_rows(session: Session, route_id: str, stops: list[StopRow]) -> list[DeliveryRow]:
    """Return the route's deliveries in the order of their stops."""
    by_id = {stop.id: stop for stop in stops}
    found = []
    for row in session.connection().execute(_DELIVERIES, {"route_id": route_id}):
        promise = promise_from(
            lo_at=row.promise_lo_at,
            hi_at=row.promise_hi_at,
            point_at=row.promise_point_at,
            cause=row.promise_cause,
            made_at=row.promise_made_at,
            is_now=row.promise_is_now,
        )
        window = (row.window_start_at, row.window_end_at)
        stop = by_id[row.stop_id]
        found.append(DeliveryRow(row.id, stop, row.status, window, promise, row.promise_broken_at, row.next_stop_at))
    return found
