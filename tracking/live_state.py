"""The truck as one recipient may see it now, read from the record. Every page and stream gets places only from here."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery, DeliveryStatus
from tracking.fixes import Fix, load_fix
from tracking.geo import LatLon
from tracking.routes import RouteState, RouteStatus
from tracking.stops import Stop
from tracking.visibility import VisibilityRules, VisibleTruck, visible_truck

DEFAULT_RULES = VisibilityRules()
METERS_A_DEGREE = 111_000.0  # of latitude, on the low side


def truck_place(
    session: Session, delivery: Delivery, now: datetime, rules: VisibilityRules = DEFAULT_RULES
) -> VisibleTruck | None:
    """Return what may be shown of the truck to this delivery's recipient at ``now``, or None.

    ``delivery`` comes from ``deliveries.load`` or ``deliveries_of_route``.
    """
    if delivery.status is not DeliveryStatus.OUT_FOR_DELIVERY or delivery.stop.route.status is not RouteStatus.STARTED:
        return None
    engine = session.scalar(select(RouteState.engine).where(RouteState.route_id == delivery.stop.route_id))
    if engine is None:
        return None
    rows = session.execute(select(Stop.id, Stop.lat, Stop.lon).where(Stop.route_id == delivery.stop.route_id))
    others = [LatLon(lat, lon) for stop_id, lat, lon in rows if stop_id != delivery.stop_id]
    return seen_by(delivery, fixes=recent_fixes(engine), other_stops=others, now=now, rules=rules)


def places_near(
    fixes: Sequence[Fix], places: Mapping[str, LatLon], rules: VisibilityRules = DEFAULT_RULES
) -> dict[str, LatLon]:
    """Return the places that any of ``fixes`` can be near to: none that matters to ``seen_by`` is left out.

    A box around the fixes, wider by the rule's distance and by what rounding to three decimals moves (under 160 m).
    """
    if not fixes:
        return {}
    south, north = min(fix.lat for fix in fixes), max(fix.lat for fix in fixes)
    west, east = min(fix.lon for fix in fixes), max(fix.lon for fix in fixes)
    margin_deg = (rules.other_stop_m + 160.0) / METERS_A_DEGREE
    wide_deg = margin_deg / max(0.01, math.cos(math.radians(max(abs(south), abs(north)))))
    return {
        stop_id: place
        for stop_id, place in places.items()
        if south - margin_deg <= place.lat <= north + margin_deg and west - wide_deg <= place.lon <= east + wide_deg
    }


def recent_fixes(engine: dict[str, Any]) -> list[Fix]:
    """Return the accepted fixes that a route's state remembers, oldest first."""
    return [load_fix(row) for row in engine["recent"]]


class StopAhead(Protocol):
    """What is to be known of a recipient's stop: a row of the record or what the consumer remembers of it."""

    eta_at: datetime | None
    stops_before: int | None


def seen_by(
    delivery: Delivery,
    *,
    fixes: Sequence[Fix],
    other_stops: Sequence[LatLon],
    now: datetime,
    rules: VisibilityRules = DEFAULT_RULES,
) -> VisibleTruck | None:
    """Apply ``visibility`` to this delivery."""
    home = LatLon(delivery.stop.lat, delivery.stop.lon)
    return seen_at(
        delivery.status, delivery.stop, home=home, fixes=fixes, other_stops=other_stops, now=now, rules=rules
    )


def seen_at(
    status: DeliveryStatus,
    stop: StopAhead,
    *,
    home: LatLon,
    fixes: Sequence[Fix],
    other_stops: Sequence[LatLon],
    now: datetime,
    rules: VisibilityRules = DEFAULT_RULES,
) -> VisibleTruck | None:
    """Apply ``visibility`` to a delivery at ``stop``; the consumer and the pages must come to the same answer."""
    return visible_truck(
        delivery_status=status.value,
        is_next=stop.stops_before == 0,
        stops_before=stop.stops_before,
        eta_in_s=(stop.eta_at - now).total_seconds() if stop.eta_at is not None else None,
        fixes=fixes,
        home=home,
        other_stops=other_stops,
        now=now,
        rules=rules,
    )


def place_json(truck: VisibleTruck) -> dict[str, Any]:
    """Return the truck as facts and streams carry it: all that a recipient's map may know. ``at`` is ISO 8601, UTC."""
    return {
        "lat": truck.lat,
        "lon": truck.lon,
        "heading": round(truck.heading_deg) if truck.heading_deg is not None else None,
        "at": truck.at.isoformat(timespec="seconds"),
        "stale": truck.is_stale,
        "at_other_stop": truck.at_other_stop,
        "line": truck.line_to_home,
    }
