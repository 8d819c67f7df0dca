"""Completed routes as runs to learn from: where the truck was, and when it came to each stop and left."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.fixes import Fix, FixStatus
from tracking.positions import Position
from tracking.route_rows import TAP, delivery_rows, stop_rows
from tracking.routes import Route, RouteStatus
from tracking.runs import Run, TrueVisit
from tracking.under_way import planned_stops

# The newest routes are enough, and a night is short; positions are kept for 30 days anyway (our choice).
MOST_ROUTES = 150
DAYS = 30
# Fixes this far apart teach as much as all, and cost less.
EVERY = timedelta(seconds=15)
LEAST_STOPS = 2


def completed_runs(session: Session, now: datetime) -> list[Run]:
    """Return the newest finished routes with positions and at least two stops visited, newest first."""
    since = now - timedelta(days=DAYS)
    finished = select(Route.id, Route.driver_id, Route.started_at, Route.finished_at).where(
        Route.status == RouteStatus.FINISHED, Route.finished_at.between(since, now)
    )
    newest = session.execute(finished.order_by(Route.finished_at.desc(), Route.id).limit(MOST_ROUTES)).all()
    return [
        run for route_id, driver_id, start, end in newest for run in _runs(session, route_id, driver_id, start, end)
    ]


def are_tapped(session: Session, runs: list[Run]) -> bool:
    """Tell whether most arrivals of ``runs`` are drivers' taps rather than seen in positions."""
    sources = [stop.arrived_source for run in runs for stop in stop_rows(session, run.run_id) if stop.arrived_at]
    return 2 * sources.count(TAP) > len(sources)


def _runs(
    session: Session, route_id: str, driver_id: str, started_at: datetime | None, finished_at: datetime | None
) -> Iterator[Run]:
    stops = stop_rows(session, route_id)
    visited = [stop for stop in stops if stop.arrived_at is not None]
    if started_at is None or finished_at is None:
        return
    fixes = tuple(_thinned(session, route_id, started_at, finished_at))
    if len(visited) < LEAST_STOPS or not fixes:
        return
    deliveries = [row for row in delivery_rows(session, route_id, stops) if row.stop.arrived_at is not None]
    planned = planned_stops(visited, deliveries, is_past=True)
    truth = tuple(TrueVisit(stop.arrived_at, stop.departed_at) for stop in visited)
    yield Run(route_id, driver_id, tuple(planned), fixes, truth)


def _thinned(session: Session, route_id: str, start: datetime, end: datetime) -> Iterator[Fix]:
    """Yield the route's good fixes between the two in order, none sooner than ``EVERY`` after the one before."""
    columns = select(
        Position.lat,
        Position.lon,
        Position.at,
        Position.accuracy_m,
        Position.speed_mps,
        Position.heading_deg,
    )
    of_route = columns.where(Position.route_id == route_id, Position.at.between(start, end))
    used = of_route.where(Position.status != FixStatus.REFUSED.value).order_by(Position.at)
    last_at: datetime | None = None
    for lat, lon, at, accuracy_m, speed_mps, heading_deg in session.execute(used):
        if last_at is None or at - last_at >= EVERY:
            last_at = at
            yield Fix(lat, lon, at, at, accuracy_m, speed_mps, heading_deg)
