"""The fleet: every route of a day with its lateness, and the trucks on a map."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.day import asked_day, deliveries_of_day, routes_of_day
from portal.staff.day import today as day_today
from portal.staff.lateness import Lateness, lateness
from portal.staff.shell import blueprint, requires
from portal.staff.words import Badge
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.holding import is_holding
from tracking.routes import Route, RouteState, RouteStatus

STALE = timedelta(minutes=3)  # DESIGN 7: older is grey


@dataclass(frozen=True, slots=True)
class Step:
    """One stop as a mark on the line of progress: done, late, now, open or failed."""

    state: str
    name: str


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route as the list shows it."""

    id: str
    href: str
    name: str
    driver: str
    vehicle: str
    status: Badge
    steps: tuple[Step, ...]
    progress: str
    ahead: str
    late: Badge
    why: str
    fix: str
    is_stale: bool
    worst_min: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at one depot for a truck: no route, though it is kept as one."""

    href: str
    depot: str
    count: str


@dataclass(frozen=True, slots=True)
class FleetView:
    """What the page shows. ``trucks`` is for the map: number of the list, place, heading, and whether it is stale."""

    title: str
    on: date
    before: date
    after: date
    is_today: bool
    rows: tuple[RouteRow, ...]
    waiting: tuple[Waiting, ...]
    summary: str
    trucks: list[dict[str, Any]]


@blueprint.get("/fleet")
@requires(Role.AGENT)
def fleet() -> ResponseReturnValue:
    """Show the routes of a day."""
    return render_template("staff/fleet.html", view=_asked_view())


@blueprint.get("/fleet/part")
@requires(Role.AGENT, counts_as_use=False)
def fleet_part() -> ResponseReturnValue:
    """The list, and the line above it that sums it up."""
    view = _asked_view()
    return render_template("staff/_fleet_summary.html", view=view) + render_template("staff/_fleet.html", view=view)


def _asked_view() -> FleetView:
    mine = services()
    now, zone = mine.clock.now(), mine.settings.default_zone
    on, current = asked_day(request.args.get("on"), now, zone), day_today(now, zone)
    with mine.database.reading() as session:
        return view_of(session, on, now, of=current)


def view_of(session: Session, on: date, now: datetime, *, of: date) -> FleetView:
    """Return the fleet of ``on``; ``of`` is today. The latest route comes first, finished ones last."""
    by_route: dict[str, list[Delivery]] = {}
    for delivery in deliveries_of_day(session, on):
        by_route.setdefault(delivery.stop.route_id, []).append(delivery)
    every = routes_of_day(session, on)
    found = [(route, state) for route, state in every if not is_holding(route.driver)]
    held = [_waiting(route, by_route.get(route.id, [])) for route, _ in every if is_holding(route.driver)]
    rows = [row_of(route, state, by_route.get(route.id, []), now) for route, state in found]
    order = {RouteStatus.STARTED: 0, RouteStatus.PLANNED: 1, RouteStatus.FINISHED: 2, RouteStatus.CANCELLED: 3}
    status = {route.id: order[route.status] for route, _ in found}
    rows.sort(key=lambda row: (status[row.id], -row.worst_min, row.name))
    return FleetView(
        title="Fleet today" if on == of else f"Fleet, {words.day(on, now)}",
        on=on,
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
        is_today=on == of,
        rows=tuple(rows),
        waiting=tuple(each for each in held if each is not None),
        summary=_summary([route for route, _ in found], rows),
        trucks=[truck(route, state, now) for route, state in found if state and is_on_the_road(route, state)],
    )


def _waiting(route: Route, deliveries: Sequence[Delivery]) -> Waiting | None:
    """Return what still waits there; None when nothing does."""
    left = sum(delivery.is_open for delivery in deliveries)
    if not left:
        return None
    return Waiting(f"/staff/routes/{route.id}", route.depot.name, words.count(left, "delivery", "deliveries"))


def row_of(route: Route, state: RouteState | None, deliveries: Sequence[Delivery], now: datetime) -> RouteRow:
    """Return one route of the list."""
    by_stop: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        by_stop.setdefault(delivery.stop_id, []).append(delivery)
    stops = list(by_stop.values())
    left = [each for each in stops if any(delivery.is_open for delivery in each)]
    late = [found for each in left for delivery in each if delivery.is_open and (found := lateness(delivery, now))]
    worst = max(late, key=lambda found: (found.minutes, found.is_at_risk), default=None)
    fix_at = state.last_fix_at if state else None
    return RouteRow(
        id=route.id,
        href=f"/staff/routes/{route.id}",
        name=route.name,
        driver=route.driver.name,
        vehicle=route.vehicle,
        status=words.ROUTE[route.status],
        steps=tuple(step_of(each, number, now, is_next=each in left[:1]) for number, each in enumerate(stops, 1)),
        progress=f"{len(stops) - len(left)} of {words.count(len(stops), 'stop')} done",
        ahead=_ahead(route, left),
        late=_late_badge(route, late, bool(left)),
        why=worst.why if worst and (worst.minutes or worst.is_at_risk) else "",
        fix=_fix_words(route, fix_at, now),
        is_stale=route.status is RouteStatus.STARTED and (fix_at is None or now - fix_at > STALE),
        worst_min=worst.minutes if worst else 0,
    )


def step_of(deliveries: Sequence[Delivery], index: int, now: datetime, *, is_next: bool) -> Step:
    """Return the mark of one stop."""
    first = deliveries[0]
    found = [seen for delivery in deliveries if (seen := lateness(delivery, now))]
    is_late = any(seen.minutes for seen in found)
    if any(delivery.status is DeliveryStatus.ATTEMPT_FAILED for delivery in deliveries):
        state = "failed"
    elif not any(delivery.is_open for delivery in deliveries):
        state = "late-done" if is_late else "done"
    elif is_late:
        state = "late"
    else:
        state = "now" if is_next and first.stop.route.status is RouteStatus.STARTED else "open"
    return Step(state, f"Stop {index}: {words.DELIVERY[first.status].word}{', late' if is_late else ''}")


def truck(route: Route, state: RouteState, now: datetime) -> dict[str, Any]:
    """Return one truck as the map of staff shows it. Staff see the raw last fix; nobody else does."""
    return {
        "route": route.id,
        "href": f"/staff/routes/{route.id}",
        "name": f"{route.name}, {route.driver.name}",
        "label": route.name[:12],
        "lat": state.last_lat,
        "lon": state.last_lon,
        "heading": state.last_heading_deg,
        "stale": state.last_fix_at is None or now - state.last_fix_at > STALE,
    }


def is_on_the_road(route: Route, state: RouteState) -> bool:
    """True when a truck is out and a fix of it is known."""
    return route.status is RouteStatus.STARTED and state.last_lat is not None


def _ahead(route: Route, left: list[list[Delivery]]) -> str:
    if route.status is RouteStatus.PLANNED:
        return f"Starts {words.clock(route.planned_start_at, route.zone)}"
    if not left or route.status is not RouteStatus.STARTED:
        return f"Finished {words.clock(route.finished_at, route.zone)}" if route.finished_at else "All stops done"
    stop = left[0][0].stop
    here = "At the door" if left[0][0].status is DeliveryStatus.ARRIVED else ""
    return here or (f"Next stop {words.clock(stop.eta_at, route.zone)}" if stop.eta_at else "Next stop not estimated")


def _late_badge(route: Route, late: list[Lateness], has_left: bool) -> Badge:
    behind = [found.minutes for found in late if found.minutes]
    if behind:
        return Badge(f"{len(behind)} late, worst {words.span(timedelta(minutes=max(behind)))}", "bad")
    if any(found.is_at_risk for found in late):
        return Badge(f"{sum(found.is_at_risk for found in late)} could be late", "warn")
    if not has_left or route.status is not RouteStatus.STARTED:
        return Badge("")
    return Badge("On time", "ok") if late else Badge("")


def _fix_words(route: Route, fix_at: datetime | None, now: datetime) -> str:
    if route.status is not RouteStatus.STARTED:
        return ""
    if fix_at is None:
        return "No position yet"
    return f"Seen {words.ago(fix_at, now)}" if now - fix_at <= STALE else f"Last seen {words.clock(fix_at, route.zone)}"


def _summary(routes: Sequence[Route], rows: Sequence[RouteRow]) -> str:
    driving = sum(route.status is RouteStatus.STARTED for route in routes)
    late = sum(bool(row.worst_min) for row in rows)
    parts = [words.count(len(routes), "route"), f"{driving} driving"]
    parts += [f"{late} late"] if late else []
    return ", ".join(parts)
