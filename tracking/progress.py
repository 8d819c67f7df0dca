"""The engine of one route: fix by fix, from positions to arrivals and estimates.

It holds no clock and no storage. A caller hands it fixes and taps in the order they come in, keeps ``dump()`` beside
the route, and a restarted process goes on with ``load()``.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tracking import forecast
from tracking.arrival import Candidate, Stand, StandingRule, arrived_stop, left_at, stand_at
from tracking.eta import Cause, Estimate, EtaHistory
from tracking.fixes import Fix, FixStatus
from tracking.geo import LatLon, distance_m, segment_distance_m
from tracking.itinerary import PlannedStop
from tracking.route_state import KEPT_FIXES, Current, Here, RouteState, load_state, new_state
from tracking.travel import TravelTimes

__all__ = ["Outcome", "PlannedStop", "RouteProgress", "StopEvent", "TapKind"]

TapKind = Literal["arrived", "departed"]

# A gap this long between fixes says nothing about the pace: stops may hide in it (our choice).
PACE_GAP_S = 300.0
# A truck this far from the depot has started, whether or not the driver said so (our choice).
LEFT_DEPOT_M = 300.0
# Off route: so many fixes in a row away from the next stop and nearer to a later one (reference/tracking.md 6).
OFF_ROUTE_FIXES = 3
OFF_ROUTE_LOOK_AHEAD = 5
# A truck that came so near to the next stop and is out of its exit radius again has gone past it (our choice).
PASSED_M = 120.0
# A service too short to be noticed took no longer than this (our choice).
PASSED_SERVICE_S = 30.0


@dataclass(frozen=True, slots=True)
class StopEvent:
    """The truck arrived at or departed from a stop; ``at`` is back-dated, the place is where it stood."""

    kind: TapKind
    stop_id: str
    at: datetime
    lat: float
    lon: float
    source: Literal["position"] = "position"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fix. ``moved``: it is the truck's newest position now."""

    status: FixStatus
    reason: str | None
    moved: bool
    events: tuple[StopEvent, ...]


class RouteProgress:
    """One route under way. Estimates follow fixes; arrivals and departures come out as events, each once."""

    def __init__(self, state: RouteState, rule: StandingRule | None = None) -> None:
        self._state = state
        self._rule = rule or StandingRule()

    @classmethod
    def start(
        cls,
        *,
        depot: LatLon,
        planned_start_at: datetime | None,
        stops: Sequence[PlannedStop],
        history: EtaHistory | None = None,
        travel: TravelTimes | None = None,
        driver: str | None = None,
    ) -> "RouteProgress":
        """Return the engine of a route that has not begun: it estimates from the plan."""
        return cls(
            new_state(
                depot=depot,
                planned_start_at=planned_start_at,
                stops=stops,
                history=history,
                travel=travel,
                driver=driver,
            )
        )

    @classmethod
    def load(
        cls,
        state: Mapping[str, Any],
        *,
        depot: LatLon,
        stops: Sequence[PlannedStop],
        history: EtaHistory | None = None,
        travel: TravelTimes | None = None,
    ) -> "RouteProgress":
        """Return the engine that ``dump`` described; ``stops`` are as the record knows them now."""
        return cls(load_state(state, depot=depot, stops=stops, history=history, travel=travel))

    def dump(self) -> dict[str, Any]:
        """Return all that a restarted process needs, as plain JSON values under 20 kB."""
        return self._state.dump()

    @property
    def last_fix(self) -> Fix | None:
        """Return the newest fix that moved the truck."""
        return self._state.gate.last

    @property
    def recent_fixes(self) -> tuple[Fix, ...]:
        """Return the accepted fixes that `visibility` needs, oldest first, at most 60."""
        return tuple(self._state.recent)

    @property
    def is_started(self) -> bool:
        """Tell whether the route is under way."""
        return self._state.started_at is not None

    @property
    def skipped(self) -> tuple[str, ...]:
        """Return open stops that the truck has gone past: for the dispatcher to look at."""
        return tuple(stop.stop_id for stop in self._state.itinerary.skipped())

    @property
    def current_stop_id(self) -> str | None:
        """Return the stop the truck stands at."""
        return self._state.current.stop_id if self._state.current else None

    def begin(self, at: datetime) -> None:
        """Start the route: the driver said so. Starting twice changes nothing."""
        state = self._state
        if state.started_at is None:
            state.started_at = at.timestamp()
            if state.planned_start_at is not None:
                late_s = state.started_at - state.planned_start_at
                state.ledger.note(Cause.LATE_START, lost_s=max(0.0, late_s), at=state.started_at)

    def estimates(self, now: datetime) -> dict[str, Estimate]:
        """Return an estimate for every open stop, and for the one the truck stands at."""
        return forecast.estimates(self._state, now.timestamp())

    def accept(self, fix: Fix) -> Outcome:
        """Take one fix in the order of receipt; repeated, late and impossible ones change what they may and no more."""
        state = self._state
        verdict = state.gate.judge(fix)
        if not verdict.is_evidence:
            return Outcome(verdict.status, verdict.reason, moved=False, events=())
        fix = verdict.fix
        index = bisect.bisect_right([known.at for known in state.recent], fix.at)
        state.recent.insert(index, fix)
        if not verdict.moved:
            events = self._read_late(index)
        else:
            self._begin_if_left(fix)
            events = self._read_newest(fix)
        del state.recent[:-KEPT_FIXES]
        return Outcome(verdict.status, verdict.reason, verdict.moved, tuple(events))

    def tap(self, kind: TapKind, stop_id: str, at: datetime) -> None:
        """Take the driver's own word for an arrival or departure; it wins over what positions said.

        Raises ``KeyError`` for a stop that is not on the route.
        """
        state = self._state
        stop = state.itinerary.get(stop_id)
        at_s = at.timestamp()
        self.begin(at)
        if kind == "arrived":
            visit = state.itinerary.visits.get(stop_id)
            if visit is not None and visit.is_tapped:
                return
            anchor = stop.place
            if state.current is not None and state.current.stop_id == stop_id:
                anchor = state.current.anchor
            elif state.current is not None:
                self._depart(at_s)
            self._arrive(stop_id, at_s, anchor, is_tapped=True)
        elif state.current is not None and state.current.stop_id == stop_id:
            self._depart(at_s)
        elif stop_id in state.itinerary.visits:
            state.itinerary.visits[stop_id].departed_at = at_s

    def undo(self, stop_id: str) -> None:
        """Take an arrival back: the stop is still ahead."""
        state = self._state
        if state.itinerary.visits.pop(stop_id, None) is not None:
            state.itinerary.pointer = min(state.itinerary.pointer, state.itinerary.index[stop_id])
        if state.current is not None and state.current.stop_id == stop_id:
            state.current = None

    def replan(self, stops: Sequence[PlannedStop], *, at: datetime | None = None) -> None:
        """Take the stops as they are planned now: reordered, added, closed or cancelled.

        ``at`` is when it was changed; without it, the newest fix's time.
        """
        state = self._state
        order = [stop.stop_id for stop in state.itinerary.remaining()]
        if state.itinerary.replace(stops):
            last_s = state.here.at if state.here else state.started_at
            state.ledger.reordered_at = at.timestamp() if at else last_s
            for stop_id in order:
                state.conformal.forget(stop_id)
        state.away = 0
        if state.current is not None and state.current.stop_id not in state.itinerary.index:
            state.current = None

    def _begin_if_left(self, fix: Fix) -> None:
        state = self._state
        is_due = state.planned_start_at is None or fix.at.timestamp() >= state.planned_start_at
        if state.started_at is None and (is_due or distance_m(state.depot, fix.place) > LEFT_DEPOT_M):
            self.begin(fix.at)

    def _read_newest(self, fix: Fix) -> list[StopEvent]:
        """Move the truck to ``fix`` and see what that means."""
        state = self._state
        if state.started_at is None:
            state.here = Here(fix.place, fix.at.timestamp())
            return []
        events: list[StopEvent] = []
        if state.current is not None:
            events = self._see_departure()
        else:
            self._count_pace(fix)
            self._see_off_route(fix)
        state.here = Here(fix.place, fix.at.timestamp())
        if state.current is None:
            stand = stand_at(state.recent, len(state.recent) - 1, self._rule)
            events += self._see_arrival(stand)
        if state.current is None:
            forecast.remember(state, fix.at.timestamp())
        return events

    def _count_pace(self, fix: Fix) -> None:
        state = self._state
        ahead = state.itinerary.ahead()
        if state.here is None or not ahead:
            return
        driven_s = fix.at.timestamp() - state.here.at
        if not 0.0 < driven_s <= PACE_GAP_S:
            return
        target = ahead[0].place
        engine_s = state.leg_s(state.here.place, target) - state.leg_s(fix.place, target)
        self._note_drive(fix.at.timestamp(), driven_s, engine_s)

    def _note_drive(self, until: float, driven_s: float, engine_s: float) -> None:
        state = self._state
        state.pace.add(until=until, driven_s=driven_s, engine_s=engine_s)
        lost_s = driven_s - engine_s * state.pace_factor_prior
        state.ledger.note(Cause.TRAFFIC, lost_s=lost_s, at=until)

    def _see_off_route(self, fix: Fix) -> None:
        """Go on from a later stop when the next one was gone past, or is being left behind for the later one."""
        state = self._state
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
        if state.passing == stop.stop_id and now_m > self._rule.exit_m:
            state.service.add(observed_s=PASSED_SERVICE_S, expected_s=state.usual_service_s(stop))
            self._skip_to(state.itinerary.index[stop.stop_id] + 1)
            return
        later = ahead[1 : 1 + OFF_ROUTE_LOOK_AHEAD]
        nearest = min(later, key=lambda other: distance_m(fix.place, other.place), default=None)
        is_away = nearest is not None and distance_m(fix.place, nearest.place) < now_m
        state.away = state.away + 1 if is_away else 0
        if nearest is not None and state.away >= OFF_ROUTE_FIXES:
            self._skip_to(state.itinerary.index[nearest.stop_id])

    def _skip_to(self, pointer: int) -> None:
        state = self._state
        state.itinerary.pointer = max(state.itinerary.pointer, pointer)
        state.away = 0
        for stop in state.itinerary.skipped():
            state.conformal.forget(stop.stop_id)

    def _see_arrival(self, stand: Stand) -> list[StopEvent]:
        state = self._state
        stop_id = arrived_stop(stand, self._candidates(), self._rule)
        if stop_id is None:
            return []
        is_new = stop_id not in state.itinerary.visits
        self._arrive(stop_id, stand.since.timestamp(), stand.place, is_tapped=False)
        place = stand.place
        return [StopEvent("arrived", stop_id, stand.since, place.lat, place.lon)] if is_new else []

    def _candidates(self) -> list[Candidate]:
        itinerary = self._state.itinerary
        ahead = itinerary.ahead()
        near = {stop.stop_id for stop in ahead[: self._rule.near_stops]}
        near.add(self._state.passing or "")
        last = ahead[0].stop_id if len(ahead) == 1 else None
        return [
            Candidate(stop.stop_id, stop.place, stop.stop_id in near, stop.stop_id == last)
            for stop in itinerary.stops
            if not stop.closed
        ]

    def _arrive(self, stop_id: str, at_s: float, anchor: LatLon, *, is_tapped: bool) -> None:
        state = self._state
        visit = state.itinerary.visits.get(stop_id)
        is_revisit = visit is not None and not is_tapped
        if visit is not None and is_revisit:
            visit.departed_at = None
        else:
            self._close_leg(stop_id, at_s)
            state.itinerary.arrive(stop_id, at_s, is_tapped=is_tapped)
            state.conformal.settle(stop_id, at_s)
        state.current = Current(stop_id, at_s, anchor, is_tapped, is_revisit)
        state.away = 0

    def _close_leg(self, stop_id: str, at_s: float) -> None:
        """Count the last piece of the drive; what was counted after a back-dated arrival is taken back."""
        state = self._state
        state.pace.take_back(at_s)
        stop = state.itinerary.get(stop_id)
        here = state.here
        if here is not None and here.at < at_s <= here.at + PACE_GAP_S:
            self._note_drive(at_s, at_s - here.at, state.leg_s(here.place, stop.place))
        if here is None or at_s >= here.at:
            state.here = Here(stop.place, at_s)

    def _see_departure(self) -> list[StopEvent]:
        state = self._state
        current = state.current
        if current is None:
            return []
        stop = state.itinerary.get(current.stop_id)
        rule = self._rule
        if current.is_tapped:
            rule = StandingRule(spread_m=rule.exit_m)
        since = datetime.fromtimestamp(current.since, UTC)
        left = left_at(state.recent, arrived_at=since, stop=stop.place, anchor=current.anchor, rule=rule)
        if left is None:
            return []
        self._depart(left.timestamp())
        newest = state.recent[-1]
        state.here = Here(current.anchor, left.timestamp())
        self._count_pace(newest)
        if current.is_revisit:
            return []
        return [StopEvent("departed", stop.stop_id, left, current.anchor.lat, current.anchor.lon)]

    def _depart(self, at_s: float) -> None:
        """End the service under way and learn from how long it took."""
        state = self._state
        current = state.current
        if current is None:
            return
        stop = state.itinerary.get(current.stop_id)
        visit = state.itinerary.visits[current.stop_id]
        visit.departed_at = at_s
        began_at = current.since
        if stop.window_start_at is not None:
            began_at = min(at_s, max(began_at, stop.window_start_at.timestamp()))
        usual_s = 0.0 if current.is_revisit else state.usual_service_s(stop)
        observed_s = max(0.0, at_s - began_at)
        state.service.add(observed_s=observed_s, expected_s=usual_s)
        state.ledger.note(Cause.LONG_STOP, lost_s=observed_s - state.service_s(stop), at=at_s)
        state.here = Here(current.anchor, at_s)
        state.current = None

    def _read_late(self, index: int) -> list[StopEvent]:
        """See whether a late fix proves a stand at a stop that nobody noticed."""
        state = self._state
        if state.started_at is None or state.current is not None:
            return []
        stand = stand_at(state.recent, index, self._rule)
        newest = state.recent[-1]
        if stand.until >= newest.at:
            return self._see_arrival(stand)
        left_at_s = [visit.departed_at or visit.arrived_at for visit in state.itinerary.visits.values()]
        if left_at_s and stand.since.timestamp() <= max(left_at_s):
            return []
        unseen = [c for c in self._candidates() if c.stop_id not in state.itinerary.visits]
        stop_id = arrived_stop(stand, unseen, self._rule)
        if stop_id is None:
            return []
        here = state.here
        self._arrive(stop_id, stand.since.timestamp(), stand.place, is_tapped=False)
        self._depart(stand.until.timestamp())
        state.here = here
        place = stand.place
        return [
            StopEvent("arrived", stop_id, stand.since, place.lat, place.lon),
            StopEvent("departed", stop_id, stand.until, place.lat, place.lon),
        ]
