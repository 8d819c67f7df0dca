"""What the page of one route shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.staff import fleet, words
from portal.staff.day import the_route
from portal.staff.lateness import Lateness, lateness
from portal.staff.links import driver_links
from portal.staff.words import Badge
from tracking.deliveries import Delivery, deliveries_of_route
from tracking.drivers import Driver
from tracking.holding import NOBODY_PHONE, is_holding
from tracking.links import Link
from tracking.route_changes import CHANGEABLE
from tracking.routes import Route, RouteState
from tracking.stops import Stop, stops_of


@dataclass(frozen=True, slots=True)
class Drop:
    """One delivery at a stop."""

    href: str
    talk_href: str
    name: str
    reference: str
    status: Badge
    late: Lateness | None
    window: str
    trouble: str


@dataclass(frozen=True, slots=True)
class StopView:
    """One stop in its place."""

    id: str
    number: int
    address: str
    when: str
    is_past: bool
    state: str
    drops: tuple[Drop, ...]
    can_move: bool
    moves: tuple[tuple[str, str], ...]
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class RouteView:
    """What the page shows. ``is_waiting`` when nobody drives it: what waits at a depot for a truck."""

    row: fleet.RouteRow
    is_waiting: bool
    day: str
    start: str
    depot: str
    driver_href: str
    stops: tuple[StopView, ...]
    other_drivers: tuple[tuple[str, str], ...]
    link: Badge
    link_sentence: str
    link_is_live: bool
    link_is_bound: bool
    is_changeable: bool
    places: dict[str, Any]


def view_of(session: Session, route_id: str, now: datetime, *, can_change: bool) -> RouteView:
    """Return a route as its page shows it; raises ``NotFound``."""
    found, state = the_route(session, route_id), session.get(RouteState, route_id)
    deliveries, stops = deliveries_of_route(session, route_id), stops_of(session, route_id)
    others = list(session.scalars(_others(found.driver_id)))
    link = next(iter(driver_links(session, route_id)), None)
    is_waiting = is_holding(found.driver)
    is_changeable = can_change and found.status in CHANGEABLE and not is_waiting
    by_stop: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        by_stop.setdefault(delivery.stop_id, []).append(delivery)
    row = fleet.row_of(found, state, deliveries, now)
    kept = [stop for stop in stops if stop.id in by_stop] if is_waiting else stops
    shown = _stops(found, kept, by_stop, now, is_changeable=is_changeable)
    badge, sentence, is_live = _link_words(link, found.zone, now)
    return RouteView(
        row=row,
        is_waiting=is_waiting,
        day=words.day(found.service_on, now),
        start=words.clock(found.started_at or found.planned_start_at, found.zone),
        depot=found.depot.name,
        driver_href=f"/staff/drivers/{found.driver_id}",
        stops=shown,
        other_drivers=tuple((driver.id, driver.name) for driver in others),
        link=badge,
        link_sentence=sentence,
        link_is_live=is_live,
        link_is_bound=is_live and link is not None and link.bound_to is not None,
        is_changeable=is_changeable,
        places=_places(found, state, shown, now),
    )


def _others(driver_id: str) -> Select[Driver]:
    """Return the statement of who else could drive; nobody is no driver."""
    return select(Driver).where(Driver.id != driver_id, Driver.phone != NOBODY_PHONE).order_by(Driver.name)


def _stops(
    found: Route, stops: Sequence[Stop], by_stop: dict[str, list[Delivery]], now: datetime, *, is_changeable: bool
) -> tuple[StopView, ...]:
    movable = [stop.id for stop in stops if is_changeable and stop.arrived_at is None]
    left = [stop.id for stop in stops if any(delivery.is_open for delivery in by_stop.get(stop.id, []))]
    shown = []
    for number, stop in enumerate(stops, 1):
        here = by_stop.get(stop.id, [])
        state = fleet.step_of(here, number, now, is_next=stop.id in left[:1]).state if here else "empty"
        shown.append(
            StopView(
                id=stop.id,
                number=number,
                address=stop.address,
                when=_when(stop, found.zone),
                is_past=stop.arrived_at is not None,
                state=state,
                drops=tuple(_drop(delivery, now) for delivery in here),
                can_move=stop.id in movable,
                moves=_moves(stop.id, movable),
                lat=stop.lat,
                lon=stop.lon,
            )
        )
    return tuple(shown)


def _moves(stop_id: str, movable: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the directions a stop can move in: (direction, word)."""
    if stop_id not in movable:
        return ()
    ways = (("up", "earlier", movable[0]), ("down", "later", movable[-1]))
    return tuple((way, word) for way, word, end in ways if stop_id != end)


def _when(stop: Stop, zone: str) -> str:
    planned = f", planned {words.clock(stop.planned_arrival_at, zone)}" if stop.planned_arrival_at else ""
    if stop.arrived_at is not None:
        left = f", left {words.clock(stop.departed_at, zone)}" if stop.departed_at else ""
        return f"Arrived {words.clock(stop.arrived_at, zone)}{left}{planned}"
    if stop.eta_at is not None:
        return f"ETA {words.clock(stop.eta_at, zone)} ({words.window(stop.eta_lo_at, stop.eta_hi_at, zone)}){planned}"
    return planned.removeprefix(", ").capitalize() or "Not estimated"


def _drop(delivery: Delivery, now: datetime) -> Drop:
    trouble = delivery.not_loaded_reason and f"Not loaded: {delivery.not_loaded_reason}"
    failed = (delivery.failure_reason or "").replace("_", " ")
    return Drop(
        href=f"/staff/deliveries/{delivery.id}",
        talk_href=f"/staff/conversations/{delivery.id}",
        name=delivery.recipient_name,
        reference=delivery.reference,
        status=words.DELIVERY[delivery.status],
        late=lateness(delivery, now),
        window=words.window(delivery.window_start_at, delivery.window_end_at, delivery.zone),
        trouble=trouble or failed,
    )


def _link_words(link: Link | None, zone: str, now: datetime) -> tuple[Badge, str, bool]:
    if link is None:
        return Badge("Not sent"), "It goes out by itself an hour before the start.", False
    if link.revoked_at is not None:
        return Badge("Ended", "bad"), f"Ended {words.moment(link.revoked_at, zone, now)}.", False
    if link.expires_at <= now:
        return Badge("Expired", "warn"), f"Ran out {words.moment(link.expires_at, zone, now)}.", False
    if link.bound_at is None:
        return Badge("Not opened", "warn"), f"Made {words.moment(link.created_at, zone, now)}, not opened yet.", True
    return (
        Badge("Open on a phone", "ok"),
        f"Opened {words.moment(link.bound_at, zone, now)}, bound to that phone.",
        True,
    )


def _places(found: Route, state: RouteState | None, stops: Sequence[StopView], now: datetime) -> dict[str, Any]:
    trucks = [fleet.truck(found, state, now)] if state and fleet.is_on_the_road(found, state) else []
    return {
        "trucks": trucks,
        "depot": [found.depot.lat, found.depot.lon],
        "stops": [
            {"lat": stop.lat, "lon": stop.lon, "n": stop.number, "state": stop.state, "name": stop.address}
            for stop in stops
        ],
    }
