"""Going on from a later stop: the next one was gone past, or is being left behind."""

import math

from tracking.fixes import Fix
from tracking.geo import distance_m, segment_distance_m
from tracking.route_state import RouteState

# Off route: so many fixes in a row away from the next stop and nearer to a later one (reference/tracking.md 6). There a
# fix is 30 s; a phone that sends every 10 s must not make a way round a block or to a bridge look like a new order, so
# it must also last, lead far enough, and end clearly nearer to the later stop (our choice, on made-up town days).
OFF_ROUTE_FIXES = 3
OFF_ROUTE_S = 85.0
OFF_ROUTE_M = 250.0
OFF_ROUTE_SHARE = 0.6
OFF_ROUTE_LOOK_AHEAD = 5
# A truck that came so near to the next stop and is out of its exit radius again has gone past it (our choice).
PASSED_M = 120.0
# A service too short to be noticed took no longer than this (our choice).
PASSED_SERVICE_S = 30.0


def see_off_route(state: RouteState, fix: Fix, *, exit_m: float) -> None:
    """Go on from a later stop when the next one was gone past, or is being left behind for the later one."""
    ahead = state.itinerary.ahead()
    if state.here is None or not ahead:
        return
    stop = ahead[0]
    before_m = distance_m(state.here.place, stop.place)
    now_m = distance_m(fix.place, stop.place)
    if min(now_m, segment_distance_m(stop.place, state.here.place, fix.place)) <= PASSED_M:
        state.passing = stop.stop_id
    if now_m <= before_m:
        state.away = 0 if now_m < before_m - 1.0 else state.away
        return
    if state.away == 0:
        state.away_since, state.away_from_m = state.here.at, before_m
    if state.passing == stop.stop_id and now_m > exit_m:
        state.service.add(observed_s=PASSED_SERVICE_S, expected_s=state.usual_service_s(stop))
        skip_to(state, state.itinerary.index[stop.stop_id] + 1)
        return
    later = ahead[1 : 1 + OFF_ROUTE_LOOK_AHEAD]
    nearest = min(later, key=lambda other: distance_m(fix.place, other.place), default=None)
    nearest_m = distance_m(fix.place, nearest.place) if nearest is not None else math.inf
    state.away = state.away + 1 if nearest_m < now_m else 0
    lasts = state.away >= OFF_ROUTE_FIXES and fix.at.timestamp() - state.away_since >= OFF_ROUTE_S
    leads = now_m - state.away_from_m >= OFF_ROUTE_M and nearest_m <= OFF_ROUTE_SHARE * now_m
    if nearest is not None and lasts and leads:
        skip_to(state, state.itinerary.index[nearest.stop_id])


def skip_to(state: RouteState, pointer: int) -> None:
    """Go on from the stop at ``pointer``; open ones before it were skipped."""
    state.itinerary.pointer = max(state.itinerary.pointer, pointer)
    state.away = 0
    for stop in state.itinerary.skipped():
        state.conformal.forget(stop.stop_id)
