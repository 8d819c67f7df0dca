"""What is known of the truck, for one recipient's page. Places come only through ``tracking.live_state``."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery
from tracking.geo import LatLon
from tracking.live_state import DEFAULT_RULES, place_json, recent_fixes, seen_by
from tracking.routes import RouteState, RouteStatus
from tracking.stops import Stop
from tracking.visibility import MOVING_MPS, VisibilityRules

LONG_SILENCE = timedelta(minutes=15)  # from then on the page says that one may ask (our choice)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of the truck: ``place`` only where this recipient may see it, ``last_at`` the newest sign of life.

    ``changes_at`` is when the newest fix gets old, and then when it is so old that people ask; ``is_driving`` is true
    for a fresh, moving fix.
    """

    place: dict[str, Any] | None
    last_at: datetime | None
    is_stale: bool
    is_driving: bool
    changes_at: datetime | None
    is_silent_for_long: bool = False

    @property
    def is_at_other_stop(self) -> bool:
        """True when the truck stands at somebody else's stop and is shown where it was before."""
        return self.place is not None and bool(self.place["at_other_stop"])


# Built once: these are read for every page.
_ENGINE = select(RouteState.engine).where(RouteState.route_id == bindparam("route_id"))
_OTHERS = select(Stop.lat, Stop.lon).where(Stop.route_id == bindparam("route_id"), Stop.id != bindparam("stop_id"))

NOTHING = Sighting(None, None, is_stale=False, is_driving=False, changes_at=None)


def sight(session: Session, delivery: Delivery, now: datetime, rules: VisibilityRules = DEFAULT_RULES) -> Sighting:
    """Return what there is to see at ``now``. ``delivery`` was loaded whole."""
    stop = delivery.stop
    if stop.route.status is not RouteStatus.STARTED or not delivery.is_open:
        return NOTHING
    engine = session.execute(_ENGINE, {"route_id": stop.route_id}).scalar()
    known = [fix for fix in recent_fixes(engine) if fix.at <= now] if engine else []
    if not known:
        return NOTHING
    newest = known[-1]
    others = session.execute(_OTHERS, {"route_id": stop.route_id, "stop_id": stop.id})
    places = [LatLon(lat, lon) for lat, lon in others]
    truck = seen_by(delivery, fixes=known, other_stops=places, now=now, rules=rules)
    old_at, silent_at = newest.at + timedelta(seconds=rules.stale_s), newest.at + LONG_SILENCE
    is_stale = now > old_at
    return Sighting(
        place=place_json(truck) if truck else None,
        last_at=newest.at,
        is_stale=is_stale,
        is_driving=not is_stale and newest.speed_mps is not None and newest.speed_mps >= MOVING_MPS,
        changes_at=next((at + timedelta(seconds=1) for at in (old_at, silent_at) if now <= at), None),
        is_silent_for_long=is_stale and now > silent_at,
    )
