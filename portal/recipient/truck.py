"""The truck as one recipient may see it, read from the record: the page's half of ``tracking.visibility``."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery
from tracking.fixes import Fix, load_fix
from tracking.geo import LatLon
from tracking.routes import RouteState, RouteStatus
from tracking.stops import Stop
from tracking.visibility import MOVING_MPS, VisibilityRules, VisibleTruck, visible_truck

RULES = VisibilityRules()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of the truck: ``truck`` only where this recipient may see it, ``last_at`` the newest sign of life.

    ``changes_at`` is when the newest fix gets old, while it is not; ``is_driving`` is true for a fresh, moving fix.
    """

    truck: VisibleTruck | None
    last_at: datetime | None
    is_stale: bool
    is_driving: bool
    changes_at: datetime | None


NOTHING = Sighting(None, None, is_stale=False, is_driving=False, changes_at=None)


def sight(session: Session, delivery: Delivery, now: datetime) -> Sighting:
    """Return what there is to see at ``now``. ``delivery`` was loaded whole."""
    stop = delivery.stop
    if stop.route.status is not RouteStatus.STARTED or not delivery.is_open:
        return NOTHING
    state = session.get(RouteState, stop.route_id)
    fixes = _recent(state)
    known = [fix for fix in fixes if fix.at <= now]
    if not known:
        return NOTHING
    newest = known[-1]
    old_at = newest.at + timedelta(seconds=RULES.stale_s)
    others = select(Stop.lat, Stop.lon).where(Stop.route_id == stop.route_id, Stop.id != stop.id)
    truck = visible_truck(
        delivery_status=delivery.status.value,
        is_next=stop.stops_before == 0,
        stops_before=stop.stops_before,
        eta_in_s=(stop.eta_at - now).total_seconds() if stop.eta_at else None,
        fixes=known,
        home=LatLon(stop.lat, stop.lon),
        other_stops=[LatLon(lat, lon) for lat, lon in session.execute(others).tuples()],
        now=now,
        rules=RULES,
    )
    is_stale = now > old_at
    return Sighting(
        truck=truck,
        last_at=newest.at,
        is_stale=is_stale,
        is_driving=not is_stale and newest.speed_mps is not None and newest.speed_mps >= MOVING_MPS,
        changes_at=None if is_stale else old_at + timedelta(seconds=1),
    )


def _recent(state: RouteState | None) -> list[Fix]:
    rows: list[list[Any]] = state.engine.get("recent", []) if state is not None else []
    return [load_fix(row) for row in rows]


def as_place(truck: VisibleTruck | None) -> dict[str, Any] | None:
    """Return what the map is told: the same shape as the ``place`` of a fact."""
    if truck is None:
        return None
    return {
        "lat": truck.lat,
        "lon": truck.lon,
        "heading_deg": truck.heading_deg,
        "at": truck.at.isoformat(),
        "is_stale": truck.is_stale,
        "at_other_stop": truck.at_other_stop,
        "line_to_home": truck.line_to_home,
    }
