"""One route under way: its rows, and its engine brought up to what people did since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from tracking.deliveries import OPEN
from tracking.eta import EtaHistory
from tracking.fixes import Fix
from tracking.geo import LatLon
from tracking.itinerary import PlannedStop
from tracking.progress import RouteProgress
from tracking.route_rows import TAP, DeliveryRow, Mark, StopRow, delivery_rows, mark_of, stop_rows
from tracking.routes import RouteState, RouteStatus

POSITION = "position"
# Built once: this is written for every fix.
_STATE_COLUMNS = (
    *("engine", "plan_version", "revision"),
    *("last_lat", "last_lon", "last_heading_deg", "last_fix_at", "last_received_at"),
)
_ADD_STATE = insert(RouteState)
_STATE = (
    update(RouteState)
    .where(RouteState.route_id == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in _STATE_COLUMNS})
)


@dataclass(slots=True)
class UnderWay:
    """All that one look at a route needs; it can be kept for the next look, and is read anew when ``mark`` changed.

    ``here`` is the newest fix. ``is_new_plan``: the order or the stops changed since the last look. ``is_changed``:
    the engine has something to keep. ``is_spent``: rows were changed in ways that ``mark`` does not follow.
    """

    route_id: str
    mark: Mark
    stops: list[StopRow]
    deliveries: list[DeliveryRow]
    progress: RouteProgress
    here: Fix | None
    is_new_plan: bool
    is_changed: bool = True
    is_spent: bool = False

    @property
    def status(self) -> RouteStatus:
        """Return what the route is doing."""
        return self.mark.status

    def at_stop(self, stop_id: str) -> list[DeliveryRow]:
        """Return the deliveries of one stop."""
        return [delivery for delivery in self.deliveries if delivery.stop.id == stop_id]


def look(
    session: Session, route_id: str, *, now: datetime, history: EtaHistory, known: UnderWay | None = None
) -> UnderWay | None:
    """Return the route, locked until the transaction ends; None when there is no such route.

    ``known`` is what the last look returned: itself when it still holds.
    """
    mark = mark_of(session, route_id)
    if mark is None:
        return None
    if known is not None and known.mark == mark and not known.is_spent:
        known.is_new_plan = known.is_changed = False
        return known
    stops = stop_rows(session, route_id)
    deliveries = delivery_rows(session, route_id, stops)
    planned = planned_stops(stops, deliveries)
    state = session.execute(select(RouteState.__table__).where(RouteState.route_id == route_id)).one_or_none()
    engine: dict[str, Any] | None = state.engine if state is not None and state.engine else None
    is_new_plan = engine is not None and state is not None and state.plan_version != mark.plan_version
    depot = LatLon(mark.depot_lat, mark.depot_lon)
    if engine is None:
        progress = RouteProgress.start(
            depot=depot,
            planned_start_at=mark.planned_start_at,
            stops=planned,
            history=history,
            driver=mark.driver_id,
        )
    else:
        progress = _resume(engine, planned, depot=depot, history=history, now=now, is_new_plan=is_new_plan)
    progress.plan_start(mark.planned_start_at)
    if mark.status is RouteStatus.STARTED:
        progress.begin(mark.started_at or now)
    _take_taps(progress, stops, engine)
    return UnderWay(route_id, mark, stops, deliveries, progress, _here(state), is_new_plan)


def keep(session: Session, seen: UnderWay) -> None:
    """Write the engine's state, if it has changed, so that whoever looks next goes on from here."""
    newest = seen.progress.last_fix
    if newest is not None and (seen.here is None or seen.here.at < newest.at):
        seen.here = newest
    if not seen.is_changed:
        return
    here = seen.here
    revision = (seen.mark.revision or 0) + 1
    values = {
        "engine": {**seen.progress.dump(), "order": [stop.id for stop in seen.stops]},
        "plan_version": seen.mark.plan_version,
        "revision": revision,
        "last_lat": here.lat if here else None,
        "last_lon": here.lon if here else None,
        "last_heading_deg": here.heading_deg if here else None,
        "last_fix_at": here.at if here else None,
        "last_received_at": here.received_at if here else None,
    }
    if seen.mark.revision is None:
        session.connection().execute(_ADD_STATE, {"route_id": seen.route_id, **values})
    else:
        new = {f"new_{name}": values[name] for name in _STATE_COLUMNS}
        session.connection().execute(_STATE, {"of": seen.route_id, **new})
    seen.mark = seen.mark._replace(revision=revision)


def _here(state: Any) -> Fix | None:
    if state is None or state.last_fix_at is None or state.last_lat is None or state.last_lon is None:
        return None
    received_at = state.last_received_at or state.last_fix_at
    return Fix(state.last_lat, state.last_lon, state.last_fix_at, received_at, heading_deg=state.last_heading_deg)


def _resume(
    engine: dict[str, Any],
    planned: Sequence[PlannedStop],
    *,
    depot: LatLon,
    history: EtaHistory,
    now: datetime,
    is_new_plan: bool,
) -> RouteProgress:
    """Return the engine as it was left; where the plan changed it is shown the old order first, then the new one."""
    stops = list(planned)
    if is_new_plan:
        place_of = {stop_id: number for number, stop_id in enumerate(engine.get("order", []))}
        known = [stop for stop in planned if stop.stop_id in place_of]
        stops = sorted(known, key=lambda stop: place_of[stop.stop_id])
    progress = RouteProgress.load(engine, depot=depot, stops=stops, history=history)
    if is_new_plan:
        progress.replan(planned, at=now)
    return progress


def _take_taps(progress: RouteProgress, stops: Sequence[StopRow], engine: dict[str, Any] | None) -> None:
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


def planned_stops(
    stops: Sequence[StopRow], deliveries: Sequence[DeliveryRow], *, is_past: bool = False
) -> list[PlannedStop]:
    """Return the stops as the ETA engine knows them; a stop is closed when none of its deliveries is open.

    ``is_past``: as it knew them when nothing was visited and everything was open.
    """
    windows: dict[str, list[tuple[datetime, datetime]]] = {}
    for delivery in deliveries:
        if is_past or delivery.status in OPEN:
            windows.setdefault(delivery.stop.id, []).append(delivery.window)
    return [
        PlannedStop(
            stop_id=stop.id,
            lat=stop.place.lat,
            lon=stop.place.lon,
            planned_arrival_at=stop.planned_arrival_at,
            window_start_at=min((start for start, _ in windows.get(stop.id, [])), default=None),
            window_end_at=max((end for _, end in windows.get(stop.id, [])), default=None),
            service_s=stop.service_s,
            arrived_at=None if is_past else stop.arrived_at,
            departed_at=None if is_past else stop.departed_at,
            closed=not is_past and stop.id not in windows,
        )
        for stop in stops
    ]
