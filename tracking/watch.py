"""What the fixes of one route mean: the drive, the stands, arrivals, departures, and stops gone past."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tracking import forecast
from tracking.arrival import Candidate, Stand, StandingRule, arrived_stop, left_at, stand_at
from tracking.eta import Cause
from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m, segment_distance_m
from tracking.itinerary import PlannedStop
from tracking.route_state import Current, Here, RouteState

TapKind = Literal["arrived", "departed"]

# A gap this long between fixes says nothing about the pace: stops may hide in it (our choice).
PACE_GAP_S = 300.0
# Standing so long away from any stop is a break, not traffic (our choice).
BREAK_S = 300.0
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
# So many of the stops gone past last still count as next: the truck may have looked for a place to park (our choice).
JUST_PASSED = 2
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


class Watch:
    """Reads the newest fixes of ``state``, moves the truck in it, and tells arrivals and departures once each."""

    def __init__(self, state: RouteState, rule: StandingRule) -> None:
        self._state = state
        self._rule = rule

    def tap_arrived(self, stop: PlannedStop, at_s: float) -> None:
        """Take the driver's word that the truck is at ``stop``; a second word changes nothing."""
        state = self._state
        visit = state.itinerary.visits.get(stop.stop_id)
        if visit is not None and visit.is_tapped:
            return
        if visit is not None and state.current is not None and state.current.stop_id == stop.stop_id:
            visit.arrived_at, visit.is_tapped = at_s, True
            state.current.is_tapped = True
            return
        if state.current is not None:
            self.depart(at_s)
        self.arrive(stop.stop_id, at_s, stop.place, is_tapped=True)

    def read_newest(self, fix: Fix) -> list[StopEvent]:
        """Move the truck to ``fix`` and see what that means."""
        state = self._state
        if state.started_at is None:
            state.here = Here(fix.place, fix.at.timestamp())
            return []
        stand = stand_at(state.recent, len(state.recent) - 1, self._rule)
        events: list[StopEvent] = []
        if state.current is not None:
            events = self._see_tapped(state.current, stand) + self._see_departure()
        else:
            self._count_pace(fix)
            self._see_off_route(fix)
        state.here = Here(fix.place, fix.at.timestamp())
        state.is_resting = False
        if state.current is None:
            events += self._see_arrival(stand)
        if state.current is None:
            self._see_break(stand)
            forecast.remember(state, fix.at.timestamp())
        return events

    def _see_break(self, stand: Stand) -> None:
        """Note a long stand away from any stop: it is no traffic, and says nothing about the pace."""
        if stand.dwell_s >= BREAK_S:
            self._state.is_resting = True
            self._state.pace.take_back(stand.since.timestamp())

    def _see_tapped(self, current: Current, stand: Stand) -> list[StopEvent]:
        """Tell once that positions show the arrival the driver tapped: the record keeps both."""
        state = self._state
        visit = state.itinerary.visits[current.stop_id]
        place = state.itinerary.get(current.stop_id).place
        seen = arrived_stop(stand, [Candidate(current.stop_id, place, is_near=True)], self._rule)
        if visit.is_seen or seen is None:
            return []
        visit.is_seen = True
        return [StopEvent("arrived", current.stop_id, stand.since, stand.place.lat, stand.place.lon)]

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
        if state.away == 0:
            state.away_since, state.away_from_m = state.here.at, before_m
        if state.passing == stop.stop_id and now_m > self._rule.exit_m:
            state.service.add(observed_s=PASSED_SERVICE_S, expected_s=state.usual_service_s(stop))
            self._skip_to(state.itinerary.index[stop.stop_id] + 1)
            return
        later = ahead[1 : 1 + OFF_ROUTE_LOOK_AHEAD]
        nearest = min(later, key=lambda other: distance_m(fix.place, other.place), default=None)
        nearest_m = distance_m(fix.place, nearest.place) if nearest is not None else math.inf
        state.away = state.away + 1 if nearest_m < now_m else 0
        lasts = state.away >= OFF_ROUTE_FIXES and fix.at.timestamp() - state.away_since >= OFF_ROUTE_S
        leads = now_m - state.away_from_m >= OFF_ROUTE_M and nearest_m <= OFF_ROUTE_SHARE * now_m
        if nearest is not None and lasts and leads:
            self._skip_to(state.itinerary.index[nearest.stop_id])

    def _skip_to(self, pointer: int) -> None:
        state = self._state
        state.itinerary.pointer = max(state.itinerary.pointer, pointer)
        state.away = 0
        for stop in state.itinerary.skipped():
            state.conformal.forget(stop.stop_id)

    def _see_arrival(self, stand: Stand) -> list[StopEvent]:
        state = self._state
        if stand.dwell_s < self._rule.near_dwell_s and len(state.itinerary.ahead()) != 1:
            return []
        stop_id = arrived_stop(stand, self._candidates(), self._rule)
        if stop_id is None:
            return []
        is_new = stop_id not in state.itinerary.visits
        self.arrive(stop_id, stand.since.timestamp(), stand.place, is_tapped=False)
        place = stand.place
        return [StopEvent("arrived", stop_id, stand.since, place.lat, place.lon)] if is_new else []

    def _candidates(self) -> list[Candidate]:
        itinerary = self._state.itinerary
        ahead = itinerary.ahead()
        near = {stop.stop_id for stop in ahead[: self._rule.near_stops]}
        near.update(stop.stop_id for stop in itinerary.skipped()[-JUST_PASSED:])
        last = ahead[0].stop_id if len(ahead) == 1 else None
        return [
            Candidate(stop.stop_id, stop.place, stop.stop_id in near, stop.stop_id == last)
            for stop in itinerary.stops
            if not stop.closed
        ]

    def arrive(self, stop_id: str, at_s: float, anchor: LatLon, *, is_tapped: bool) -> None:
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
        self.depart(left.timestamp())
        newest = state.recent[-1]
        state.here = Here(current.anchor, left.timestamp())
        self._count_pace(newest)
        if current.is_revisit:
            return []
        return [StopEvent("departed", stop.stop_id, left, current.anchor.lat, current.anchor.lon)]

    def depart(self, at_s: float) -> None:
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

    def read_late(self, index: int) -> list[StopEvent]:
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
        here, pointer = state.here, state.itinerary.pointer
        self.arrive(stop_id, stand.since.timestamp(), stand.place, is_tapped=False)
        self.depart(stand.until.timestamp())
        state.here, state.itinerary.pointer = here, max(pointer, state.itinerary.pointer)
        place = stand.place
        return [
            StopEvent("arrived", stop_id, stand.since, place.lat, place.lon),
            StopEvent("departed", stop_id, stand.until, place.lat, place.lon),
        ]
