"""From the state of a route to one estimate for every stop still open. Its cost is linear in the stops left."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from tracking.eta import Ahead, Cause, Estimate, Reach, reach_all, service_left_s
from tracking.geo import LatLon, distance_m
from tracking.intervals import SCORED_STOPS, horizon_bin
from tracking.itinerary import PlannedStop
from tracking.route_state import Current, Here, RouteState

# Without a fix for so long, the estimate is the plan and the known delay (reference/tracking.md 4).
NO_SIGNAL_S = 900.0
# What is handed over keeps the truck at its stop only so long beyond its last fix: older is "last seen" (DESIGN 7).
HEARD_S = 180.0
# The range grows with silence: a quarter of a second for each second (our choice).
SILENCE_GROWTH = 0.25
FENCE_M = 100.0
# Before the route begins nobody knows better than this (our choice).
PLAN_HALF_WIDTH_S = 600.0


def estimates(state: RouteState, now_s: float) -> dict[str, Estimate]:
    """Return the estimate of every open stop, and of the one the truck stands at, at ``now_s`` (epoch seconds)."""
    stops = state.itinerary.remaining()
    if state.started_at is None:
        return _plan(state, stops, now_s)
    return _live(state, stops, now_s)


def remember(state: RouteState, now_s: float) -> None:
    """Keep today's predictions for the next stops, so that their arrival can score them.

    They are kept as the ratios give them: what only the least width holds says nothing of the ratios further off.
    """
    stops = state.itinerary.ahead()[:SCORED_STOPS]
    start_at, origin = _start(state, now_s)
    for stop, reach in zip(stops, _reaches(state, stops, start_at, origin), strict=True):
        left_s = reach.at - now_s
        if left_s > 0 and not reach.is_waiting:
            low_s, high_s = state.history.quantiles.bounds(left_s, state.conformal.miss)
            state.conformal.remember(
                stop.stop_id, horizon=horizon_bin(left_s), low_at=now_s + low_s, high_at=now_s + high_s
            )


def overrun_s(state: RouteState, now_s: float) -> float:
    """Return how much longer than usual the truck stands where it is already, as far as it was seen to."""
    if state.current is None:
        return 0.0
    stop = state.itinerary.get(state.current.stop_id)
    until_s = min(now_s, state.here.at) if stop.closed and state.here else now_s
    return max(0.0, until_s - state.current.since - state.service_s(stop))


def _left_at(state: RouteState, now_s: float) -> float:
    """Return until when a truck that has nothing more to do at its stop is taken to stand there."""
    return now_s if state.here is None else min(now_s, state.here.at + HEARD_S)


def _serving(state: RouteState) -> Current | None:
    """Return the stop under way; None while driving, and once its goods are handed over."""
    current = state.current
    return current if current is not None and not state.itinerary.get(current.stop_id).closed else None


def _reaches(state: RouteState, stops: Sequence[PlannedStop], start_at: float, origin: LatLon) -> list[Reach]:
    """Return when each of ``stops`` is reached, from ``origin`` at ``start_at``."""
    if not stops:
        return []
    ahead = []
    service_ratio = state.service_ratio
    previous: PlannedStop | None = None
    for stop in stops:
        leg_s = state.leg_between_s(previous, stop) if previous else state.leg_s(origin, stop)
        opens_at = stop.window_start_at.timestamp() if stop.window_start_at else None
        ahead.append(Ahead(leg_s, state.usual_service_s(stop) * service_ratio, opens_at))
        previous = stop
    pace = state.pace.factor(state.pace_factor_prior, trust_s=state.history.trust_s, now=start_at)
    return reach_all(start_at, ahead, pace=pace)


def _start(state: RouteState, now_s: float) -> tuple[float, LatLon]:
    """Return when and from where the truck goes on: after the service under way, or from where it was seen."""
    current = state.current
    if current is not None:
        stop = state.itinerary.get(current.stop_id)
        if stop.closed:
            return _left_at(state, now_s), current.anchor
        began_at = current.since
        if stop.window_start_at is not None:
            began_at = max(began_at, stop.window_start_at.timestamp())
        if began_at > now_s:
            return began_at + state.service_s(stop), current.anchor
        return now_s + service_left_s(state.service_s(stop), now_s - began_at), current.anchor
    here = state.here
    if here is not None:
        return here.at, here.place
    return (state.started_at if state.started_at is not None else now_s), state.depot


def _live(state: RouteState, stops: Sequence[PlannedStop], now_s: float) -> dict[str, Estimate]:
    start_at, origin = _start(state, now_s)
    reaches = _reaches(state, stops, start_at, origin)
    # What should have been reached already pushes everything behind it.
    behind_s = max(0.0, now_s - reaches[0].at) if reaches else 0.0
    silence_s = max(0.0, now_s - state.here.at) if state.here else 0.0
    current = _serving(state)
    is_silent = silence_s > NO_SIGNAL_S and current is None
    cause = state.ledger.main(now_s, overrun_s=overrun_s(state, now_s))
    if is_silent or state.is_resting:
        cause = Cause.NO_SIGNAL if is_silent else Cause.BREAK
    found: dict[str, Estimate] = {}
    before = 0
    if current is not None:
        found[current.stop_id] = _standing(current, now_s)
        before = 1
    for number, (stop, reach) in enumerate(zip(stops, reaches, strict=True)):
        at = reach.at if reach.is_waiting else reach.at + behind_s
        low_s, high_s = state.history.quantiles.interval(max(at - now_s, 0.0), state.conformal.miss)
        low_at = now_s + low_s
        if reach.is_waiting and stop.window_start_at is not None:
            low_at = max(low_at, min(at, stop.window_start_at.timestamp()))
        found[stop.stop_id] = _estimate(
            stop.stop_id,
            at=at,
            low_at=low_at,
            high_at=now_s + high_s + SILENCE_GROWTH * max(0.0, silence_s - 60.0) * (current is None),
            before=before + number,
            cause=Cause.WAITING if reach.is_waiting else cause,
            basis="plan" if is_silent else "live",
            is_inside=number == 0 and before == 0 and _is_inside(state.here, stop),
        )
    return found


def _plan(state: RouteState, stops: Sequence[PlannedStop], now_s: float) -> dict[str, Estimate]:
    """Return the plan's times, later by what the start is late already."""
    start_at = state.planned_start_at if state.planned_start_at is not None else now_s
    late_s = max(0.0, now_s - start_at)
    reaches = _reaches(state, stops, start_at + late_s, state.depot)
    cause = Cause.LATE_START if late_s > 60.0 else None
    found: dict[str, Estimate] = {}
    for number, (stop, reach) in enumerate(zip(stops, reaches, strict=True)):
        at = reach.at
        if stop.planned_arrival_at is not None:
            at = stop.planned_arrival_at.timestamp() + late_s
            if stop.window_start_at is not None:
                at = max(at, stop.window_start_at.timestamp())
        low_s, high_s = state.history.quantiles.interval(max(at - start_at - late_s, 0.0), 0.2)
        from_at = start_at + late_s
        found[stop.stop_id] = _estimate(
            stop.stop_id,
            at=at,
            low_at=max(now_s, min(from_at + low_s, at - PLAN_HALF_WIDTH_S)),
            high_at=max(from_at + high_s, at + PLAN_HALF_WIDTH_S),
            before=number,
            cause=cause,
            basis="plan",
            is_inside=False,
        )
    return found


def _standing(current: Current, now_s: float) -> Estimate:
    return _estimate(
        current.stop_id,
        at=now_s,
        low_at=now_s,
        high_at=now_s,
        before=0,
        cause=None,
        basis="live",
        is_inside=True,
    )


def _is_inside(here: Here | None, stop: PlannedStop) -> bool:
    return here is not None and distance_m(here.place, stop.place) <= FENCE_M


def _estimate(
    stop_id: str,
    *,
    at: float,
    low_at: float,
    high_at: float,
    before: int,
    cause: Cause | None,
    basis: Literal["live", "plan"],
    is_inside: bool,
) -> Estimate:
    return Estimate(
        stop_id=stop_id,
        eta_at=datetime.fromtimestamp(at, UTC),
        lo_at=datetime.fromtimestamp(min(low_at, at), UTC),
        hi_at=datetime.fromtimestamp(max(high_at, at), UTC),
        stops_before=before,
        cause=cause,
        basis=basis,
        is_inside_fence=is_inside,
    )
