"""One route under way: its rows, and its engine brought up to what people did since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from tracking.deliveries import Delivery
from tracking.eta import EtaHistory
from tracking.geo import LatLon
from tracking.itinerary import PlannedStop
from tracking.planning import planned_stops
from tracking.progress import RouteProgress
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop, stops_of

TAP = "tap"
POSITION = "position"


@dataclass(slots=True)
class UnderWay:
    """All that one look at a route needs. ``is_new_plan``: the order or the stops changed since the last look."""

    route: Route
    stops: list[Stop]
    deliveries: list[Delivery]
    state: RouteState | None
    progress: RouteProgress
    is_new_plan: bool

    def at_stop(self, stop_id: str) -> list[Delivery]:
        """Return the deliveries of one stop."""
        return [delivery for delivery in self.deliveries if delivery.stop_id == stop_id]


def look(session: Session, route_id: str, *, now: datetime, history: EtaHistory) -> UnderWay | None:
    """Return the route, locked until the transaction ends; None when there is no such route."""
    if session.scalar(select(Route.id).where(Route.id == route_id).with_for_update()) is None:
        return None
    route = session.scalars(select(Route).where(Route.id == route_id).options(joinedload(Route.depot))).one()
    stops = stops_of(session, route_id)
    deliveries = _deliveries(session, route, stops)
    state = session.get(RouteState, route_id)
    planned = planned_stops(stops, deliveries)
    is_new_plan = state is not None and state.plan_version != route.plan_version
    if state is None:
        progress = RouteProgress.start(
            depot=LatLon(route.depot.lat, route.depot.lon),
            planned_start_at=route.planned_start_at,
            stops=planned,
            history=history,
            driver=route.driver_id,
        )
    else:
        progress = _resume(route, state, planned, history=history, now=now, is_new_plan=is_new_plan)
    if route.status is RouteStatus.STARTED:
        progress.begin(route.started_at or now)
    _take_taps(progress, stops, state.engine if state is not None else None)
    return UnderWay(route, stops, deliveries, state, progress, is_new_plan)


def _deliveries(session: Session, route: Route, stops: Sequence[Stop]) -> list[Delivery]:
    """Return the route's deliveries in the order of their stops, each with its stop: one narrow query, for each fix."""
    by_id = {stop.id: stop for stop in stops}
    for stop in stops:
        set_committed_value(stop, "route", route)
    held = select(Delivery).join(Stop, Delivery.stop_id == Stop.id).where(Stop.route_id == route.id)
    found = list(session.scalars(held.order_by(Stop.sequence, Delivery.reference)))
    for delivery in found:
        set_committed_value(delivery, "stop", by_id[delivery.stop_id])
    return found


def keep(session: Session, seen: UnderWay) -> None:
    """Write the engine's state, so that whoever looks next goes on from here."""
    state = seen.state
    if state is None:
        state = RouteState(route_id=seen.route.id)
        session.add(state)
        seen.state = state
    state.engine = {**seen.progress.dump(), "order": [stop.id for stop in seen.stops]}
    state.plan_version = seen.route.plan_version
    last = seen.progress.last_fix
    if last is not None:
        state.last_lat, state.last_lon = last.lat, last.lon
        state.last_heading_deg = last.heading_deg
        state.last_fix_at, state.last_received_at = last.at, last.received_at


def _resume(
    route: Route,
    state: RouteState,
    planned: Sequence[PlannedStop],
    *,
    history: EtaHistory,
    now: datetime,
    is_new_plan: bool,
) -> RouteProgress:
    """Return the engine as it was left; where the plan changed it is shown the old order first, then the new one."""
    stops = list(planned)
    if is_new_plan:
        place_of = {stop_id: number for number, stop_id in enumerate(state.engine.get("order", []))}
        known = [stop for stop in planned if stop.stop_id in place_of]
        stops = sorted(known, key=lambda stop: place_of[stop.stop_id])
    depot = LatLon(route.depot.lat, route.depot.lon)
    progress = RouteProgress.load(state.engine, depot=depot, stops=stops, history=history)
    if is_new_plan:
        progress.replan(planned, at=now)
    return progress


def _take_taps(progress: RouteProgress, stops: Sequence[Stop], engine: dict[str, Any] | None) -> None:
    """Tell the engine what the driver tapped, or took back, since it was left."""
    visits = engine["itinerary"]["visits"] if engine is not None else {}
    tapped = []
    for stop in stops:
        visit = visits.get(stop.id)
        if stop.arrived_at is None and visit is not None:
            progress.undo(stop.id)
        elif stop.arrived_at is not None and stop.arrived_source == TAP and not (visit and visit[2]):
            tapped.append((stop.arrived_at, stop.id))
    for at, stop_id in sorted(tapped):
        progress.tap("arrived", stop_id, at)
