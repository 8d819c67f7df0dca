"""Stands of the truck of one route: which one it is in, how likely it is a stay, and what traffic it meets."""

from tracking.arrival import Stand, StandingRule, stand_at
from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m
from tracking.route_state import RouteState
from tracking.stay import StayRule, middle_service_s, stay_log_odds, took_s

# More than 100 m from south to north: a pin farther off needs no better look.
NEAR_DEG = 0.001


def newest_stand(state: RouteState, rule: StandingRule) -> Stand:
    """Return the stand around the newest fix; fixes of the service before it do not count."""
    visits = state.itinerary.visits.values()
    left_s = max((visit.departed_at for visit in visits if visit.departed_at is not None), default=0.0)
    fixes = [fix for fix in state.recent if fix.at.timestamp() > left_s] or state.recent
    return stand_at(fixes, len(fixes) - 1, rule)


def begin_earlier(state: RouteState, stand: Stand, rule: StandingRule) -> None:
    """Let a stand that is not told yet begin when a late fix of it says; ``stand`` is the one around that fix."""
    current = state.current
    since = stand.since.timestamp()
    if current is None or current.is_sure or since >= current.since:
        return
    if distance_m(stand.place, current.anchor) <= rule.spread_m:
        current.since = state.itinerary.visits[current.stop_id].arrived_at = since


def stay_odds(state: RouteState, stop_id: str, stand: Stand, rule: StayRule) -> float:
    """Return how likely the stand, over or not, is a stay at the stop: log-odds, see ``stay.stay_log_odds``."""
    stop = state.itinerary.get(stop_id)
    visits = state.itinerary.visits.values()
    services_s = [visit.departed_at - visit.arrived_at for visit in visits if visit.departed_at is not None]
    return stay_log_odds(
        took_s(state.recent, stand, rule),
        distance_m(stand.place, stop.place),
        service_s=middle_service_s(state.usual_service_s(stop), services_s, rule),
        lights_per_km=state.traffic.per_km(rule),
        rule=rule,
    )


def see_traffic(state: RouteState, fix: Fix, stand: Stand, *, rule: StayRule, standing: StandingRule) -> None:
    """Count the driving and the stands away from any pin; ``stand`` is the one around ``fix``."""
    if state.here is None or _is_near_pin(state, fix.place, standing.enter_m):
        return
    moved_m = distance_m(state.here.place, fix.place)
    if moved_m > standing.spread_m:
        state.traffic.drive(moved_m)
    if stand.dwell_s >= rule.light_from_s:
        state.traffic.stand(stand.since.timestamp(), stand.until.timestamp())


def _is_near_pin(state: RouteState, place: LatLon, radius_m: float) -> bool:
    near = [stop.place for stop in state.itinerary.stops if abs(stop.lat - place.lat) < NEAR_DEG]
    return any(distance_m(place, pin) <= radius_m for pin in near)
