"""Driving: whether the truck of a route moves now, as far as its last fix tells. Nothing of where it is."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.live_state import DEFAULT_RULES, recent_fixes
from tracking.routes import Route, RouteState, RouteStatus
from tracking.visibility import MOVING_MPS


def is_driving(session: Session, route_id: str, now: datetime) -> bool:
    """Return whether the route is under way and its newest fix is fresh (3 min) and faster than walking."""
    statement = (
        select(RouteState.engine)
        .join(Route, Route.id == RouteState.route_id)
        .where(RouteState.route_id == route_id, Route.status == RouteStatus.STARTED)
    )
    engine = session.scalar(statement)
    known = [fix for fix in recent_fixes(engine) if fix.at <= now] if engine else []
    if not known or now - known[-1].at > timedelta(seconds=DEFAULT_RULES.stale_s):
        return False
    speed_mps = known[-1].speed_mps
    return speed_mps is not None and speed_mps >= MOVING_MPS
