"""One transaction of the fix consumer: history in bulk, each route's engine, what pages show; then what to tell."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tracking.arrivals import mark_stops, write_arrivals
from tracking.deliveries import DeliveryStatus
from tracking.drivers import HEARD_EVERY, Driver, note_heard
from tracking.eta import EtaHistory
from tracking.facts import Fact, delivery_changed, place_moved, route_changed
from tracking.fix_entries import Batch, DriverFix
from tracking.fixes import FixStatus
from tracking.live_state import DEFAULT_RULES, place_json, places_near, seen_at
from tracking.local_time import local_day
from tracking.nearness import USUAL_NEARNESS, Nearness
from tracking.positions import Position
from tracking.progress import StopEvent
from tracking.publishing import Publisher
from tracking.routes import Route, RouteStatus
from tracking.under_way import UnderWay, keep, look
from tracking.visibility import VisibilityRules

# A planned route that should have started is looked at without fixes for so long: the plan slips with it (our choice).
LATE_START = timedelta(hours=4)
_EXPECTED = frozenset({RouteStatus.PLANNED, RouteStatus.STARTED})
# A route started longer ago was never finished by mistake: nobody waits for its truck any more (our choice).
LONGEST_DAY = timedelta(hours=24)
# So many hidden deliveries are remembered; forgetting them tells a few pages once more what they know.
MOST_HIDDEN = 100_000
# So many routes are kept as they were read; more are read anew (our choice: some hundred kB each).
MOST_SEEN = 500


@dataclass(slots=True)
class Told:
    """What to tell after commit: facts for pages, lines for the fleet map, and whether messages must be planned."""

    facts: list[Fact] = field(default_factory=list)
    fleet: list[str] = field(default_factory=list)
    is_dirty: bool = False


class Batches:
    """Takes batches of fixes into the record. Remembers who is shown a truck, to tell them once when it is hidden."""

    def __init__(
        self,
        ids: Callable[[], str],
        *,
        history: EtaHistory | None = None,
        rules: VisibilityRules = DEFAULT_RULES,
    ) -> None:
        self._ids = ids
        self._nearness = USUAL_NEARNESS
        self._history = history or EtaHistory.default()
        self._rules = rules
        self._publisher = Publisher(self._nearness)
        self._hidden: set[str] = set()
        self._seen: dict[str, UnderWay] = {}
        self._heard_at: dict[str, datetime] = {}

    def forget(self) -> None:
        """Forget what was told: a transaction that failed, or another consumer, may have made it untrue."""
        self._hidden.clear()
        self._seen.clear()
        self._heard_at.clear()
        self._publisher = Publisher(self._nearness)

    def use(self, history: EtaHistory) -> None:
        """Estimate with what ``history`` teaches from the next look on."""
        self._history = history
        self._seen.clear()

    def tell_near(self, nearness: Nearness) -> None:
        """Tell recipients that the truck is near by this from the next look on."""
        self._nearness = nearness
        self._publisher.use(nearness)

    def take(self, session: Session, batch: Batch, *, now: datetime) -> Told:
        """Take the fixes into the record. The same batch again changes nothing: it was cut off before it was done."""
        known = set(session.connection().execute(_KNOWN, {"drivers": list(batch.fixes)}).scalars())
        routes = active_routes(session, known, now)
        told = Told()
        rows: list[dict[str, Any]] = []
        by_route: dict[str, list[DriverFix]] = {route_id: [] for route_id in batch.route_ids}
        for driver_id in sorted(known):
            route = routes.get(driver_id)
            if route is None:
                rows += [_row(fix, None, FixStatus.STORED) for fix in batch.fixes[driver_id]]
            else:
                by_route.setdefault(route.id, []).extend(batch.fixes[driver_id])
        for route_id in sorted(by_route):
            rows += self._route(session, route_id, by_route[route_id], told, now=now)
        insert_positions(session, rows)
        self._note_heard(session, batch.heard_at)
        return told

    def _note_heard(self, session: Session, heard_at: Mapping[str, datetime]) -> None:
        """Note which devices were heard of; what was written within a minute is left out unasked."""
        due = {
            token_id: at
            for token_id, at in heard_at.items()
            if token_id not in self._heard_at or not timedelta() <= at - self._heard_at[token_id] < HEARD_EVERY
        }
        if due:
            note_heard(session, due)
            self._heard_at.update(due)
        if len(self._heard_at) > MOST_HIDDEN:
            self._heard_at.clear()

    def look_again(self, session: Session, route_id: str, *, now: datetime) -> Told:
        """Bring one route up to ``now`` without a fix: a silent truck's promise moves on too."""
        told = Told()
        self._route(session, route_id, [], told, now=now)
        return told

    def _route(
        self, session: Session, route_id: str, fixes: Sequence[DriverFix], told: Told, *, now: datetime
    ) -> list[dict[str, Any]]:
        """Take one route's fixes, add to ``told``, and return the rows for its history."""
        seen = look(session, route_id, now=now, history=self._history, known=self._seen.pop(route_id, None))
        if seen is None:
            return []
        if seen.progress.heed_clock(now):
            seen.here, seen.is_changed = None, True
        if not seen.mark.is_driven or seen.status not in _EXPECTED:  # it waits for a truck, or is over
            self._tell_places(seen, told, now=now)
            return [_row(fix, None, FixStatus.STORED) for fix in fixes]
        if seen.status is RouteStatus.PLANNED:
            rows = [_row(fix, route_id, FixStatus.STORED) for fix in fixes]
            seen.here = max(
                [*([seen.here] if seen.here else []), *(each.fix for each in fixes)],
                key=lambda fix: fix.at,
                default=None,
            )
            events: list[StopEvent] = []
        else:
            rows, events = _accept(seen, fixes)
        seen.is_changed |= bool(fixes)
        moved = write_arrivals(session, seen, events, now=now, ids=self._ids)
        shown = self._publisher.write(session, seen, now=now)
        mark_stops(session, seen, events)
        keep(session, seen)
        session.flush()
        changed = dict.fromkeys([*moved, *shown.delivery_ids])
        told.facts += [delivery_changed(delivery_id) for delivery_id in changed]
        if changed or events or seen.is_new_plan:
            told.facts.append(route_changed(route_id))
        told.is_dirty |= shown.is_dirty or bool(moved)
        self._tell_places(seen, told, now=now)
        if fixes:
            told.fleet.append(fleet_line(seen))
        self._remember(seen)
        return rows

    def _remember(self, seen: UnderWay) -> None:
        """Keep what was read for the next look; a transaction that fails after all leaves another revision behind."""
        if seen.is_spent:
            return
        self._seen[seen.route_id] = seen
        while len(self._seen) > MOST_SEEN:
            self._seen.pop(next(iter(self._seen)))

    def _tell_places(self, seen: UnderWay, told: Told, *, now: datetime) -> None:
        """Tell each recipient what they may see of the truck; nothing, once, when it becomes hidden."""
        if len(self._hidden) > MOST_HIDDEN:
            self._hidden.clear()
        fixes = seen.progress.recent_fixes
        places = places_near(fixes, {stop.id: stop.place for stop in seen.stops}, self._rules)
        is_started = seen.status is RouteStatus.STARTED
        for delivery in seen.deliveries:
            truck = None
            stop = delivery.stop
            if is_started and delivery.status is DeliveryStatus.OUT_FOR_DELIVERY:
                truck = seen_at(
                    delivery.status,
                    stop,
                    home=stop.place,
                    fixes=fixes,
                    other_stops=[place for stop_id, place in places.items() if stop_id != stop.id],
                    now=now,
                    rules=self._rules,
                )
            if truck is not None:
                self._hidden.discard(delivery.id)
                told.facts.append(place_moved(delivery.id, place_json(truck)))
            elif delivery.id not in self._hidden:
                self._hidden.add(delivery.id)
                told.facts.append(place_moved(delivery.id, None))


def _accept(seen: UnderWay, fixes: Sequence[DriverFix]) -> tuple[list[dict[str, Any]], list[StopEvent]]:
    rows = []
    events: list[StopEvent] = []
    for each in fixes:
        outcome = seen.progress.accept(each.fix)
        events += outcome.events
        rows.append(_row(each, seen.route_id, outcome.status))
    return rows, events


class ActiveRoute(NamedTuple):
    """A route that a driver's fixes may belong to."""

    id: str
    driver_id: str
    status: RouteStatus
    started_at: datetime | None
    planned_start_at: datetime
    service_on: date
    zone: str


# Built once: these run for every batch.
_KNOWN = select(Driver.id).where(Driver.id.in_(bindparam("drivers", expanding=True)))
_ACTIVE = (
    select(
        Route.id,
        Route.driver_id,
        Route.status,
        Route.started_at,
        Route.planned_start_at,
        Route.service_on,
        Route.zone,
    )
    .where(
        Route.driver_id.in_(bindparam("drivers", expanding=True)),
        ((Route.status == RouteStatus.STARTED) & (Route.started_at.is_(None) | (Route.started_at > bindparam("since"))))
        | ((Route.status == RouteStatus.PLANNED) & Route.service_on.between(bindparam("from_on"), bindparam("to_on"))),
    )
    .order_by(Route.planned_start_at.desc(), Route.id)
)
_ADD_POSITIONS = {
    name: dialect.insert(Position).on_conflict_do_nothing(index_elements=["driver_id", "at"])
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


def active_routes(session: Session, driver_ids: set[str], now: datetime) -> dict[str, ActiveRoute]:
    """Return each driver's route: the one started last, else today's next planned one."""
    day = timedelta(days=1)
    given = {
        "drivers": sorted(driver_ids),
        "since": now - LONGEST_DAY,
        "from_on": now.date() - day,
        "to_on": now.date() + day,
    }
    found: dict[str, ActiveRoute] = {}
    for row in session.connection().execute(_ACTIVE, given):
        route = ActiveRoute._make(row)
        if route.status is RouteStatus.PLANNED and route.service_on != local_day(now, route.zone):
            continue
        held = found.get(route.driver_id)
        if held is None or _ranks_before(route, held):
            found[route.driver_id] = route
    return found


def _ranks_before(route: ActiveRoute, other: ActiveRoute) -> bool:
    if route.status is not other.status:
        return route.status is RouteStatus.STARTED
    if route.started_at is not None and other.started_at is not None:
        return route.started_at > other.started_at
    return route.planned_start_at < other.planned_start_at


def routes_to_look_at(session: Session, now: datetime) -> list[str]:
    """Return the routes under way, and planned ones that should have started and have not."""
    late = (Route.status == RouteStatus.PLANNED) & Route.planned_start_at.between(now - LATE_START, now)
    return list(session.scalars(select(Route.id).where(_is_under_way(now) | late)))


def _is_under_way(now: datetime) -> ColumnElement[bool]:
    is_fresh = Route.started_at.is_(None) | (Route.started_at > now - LONGEST_DAY)
    return (Route.status == RouteStatus.STARTED) & is_fresh


def insert_positions(session: Session, rows: list[dict[str, Any]]) -> None:
    """Add fixes to history; one that is there already stays as it is. Core, because it is the bulk of all writes."""
    if not rows:
        return
    connection = session.connection()
    connection.execute(_ADD_POSITIONS[connection.dialect.name], rows)


def _row(each: DriverFix, route_id: str | None, status: FixStatus) -> dict[str, Any]:
    fix = each.fix
    return {
        "driver_id": each.driver_id,
        "route_id": route_id,
        "at": fix.at,
        "received_at": fix.received_at,
        "lat": fix.lat,
        "lon": fix.lon,
        "accuracy_m": fix.accuracy_m,
        "speed_mps": fix.speed_mps,
        "heading_deg": fix.heading_deg,
        "status": status.value,
        "source": each.source,
    }


def fleet_line(seen: UnderWay) -> str:
    """Return a truck's last fix as staff see it: JSON with ids, place, ``at`` (ISO 8601) and stops left."""
    here = seen.here
    place = {
        "route_id": seen.route_id,
        "driver_id": seen.mark.driver_id,
        "lat": here.lat if here else None,
        "lon": here.lon if here else None,
        "heading": here.heading_deg if here else None,
        "at": here.at.isoformat() if here else None,
        "stops_left": sum(stop.stops_before is not None and stop.arrived_at is None for stop in seen.stops),
    }
    return json.dumps(place, separators=(",", ":"))
