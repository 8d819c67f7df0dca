"""What the fixes of one route mean: the drive, the stands, arrivals, departures, and stops gone past."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from tracking import forecast
from tracking.arrival import Candidate, Stand, StandingRule, arrived_stop, left_at, stand_at
from tracking.eta import Cause
from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m
from tracking.itinerary import PlannedStop
from tracking.off_route import see_off_route, skip_to
from tracking.route_state import Current, Here, RouteState
from tracking.stands import begin_earlier, newest_stand, see_traffic, stay_odds
from tracking.stay import StayRule

TapKind = Literal["arrived", "departed"]

# A gap this long between fixes says nothing about the pace: stops may hide in it (our choice).
PACE_GAP_S = 300.0
# Standing so long away from any stop is a break, not traffic (our choice).
BREAK_S = 300.0
# So many of the stops gone past last still count as next: the truck may have looked for a place to park (our choice).
JUST_PASSED = 2


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
        self._stay = StayRule()

    def tap_arrived(self, stop: PlannedStop, at_s: float) -> None:
        """Take the driver's word that the truck is at ``stop``; a second word changes nothing."""
        state = self._state
        visit = state.itinerary.visits.get(stop.stop_id)
        if visit is not None and visit.is_tapped:
            return
        if visit is not None and state.current is not None and state.current.stop_id == stop.stop_id:
            visit.arrived_at, visit.is_tapped, visit.is_seen = at_s, True, state.current.is_sure
            state.current.is_tapped = state.current.is_sure = True
            state.conformal.settle(stop.stop_id, at_s)
            return
        if state.current is not None:
            self.depart(at_s)
        self.arrive(stop.stop_id, at_s, stop.place, is_tapped=True)

    def read_newest(self, fix: Fix, *, is_leap: bool = False) -> list[StopEvent]:
        """Move the truck to ``fix`` and see what that means; a leap is no drive that tells of the pace."""
        state = self._state
        if state.started_at is None:
            state.here = Here(fix.place, fix.at.timestamp())
            return []
        stand = newest_stand(state, self._rule)
        events: list[StopEvent] = []
        if state.current is not None:
            events = (
                self._see_tapped(state.current, stand) + self._see_certain(state.current, fix) + self._see_departure()
            )
        else:
            see_traffic(state, fix, stand, rule=self._stay, standing=self._rule)
            if not is_leap:
                self._count_pace(fix)
            see_off_route(state, fix, exit_m=self._rule.exit_m)
        state.here = Here(fix.place, fix.at.timestamp())
        state.is_resting = False
        if state.current is None:
            stand = newest_stand(state, self._rule)
            events += self._see_arrival(stand)
        if state.current is None:
            self._see_break(stand)
            forecast.remember(state, fix.at.timestamp())
        return events

    def _see_break(self, stand: Stand) -> None:
        """Note a long stand away from any stop: no traffic, so it says nothing about the pace."""
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

    def _see_certain(self, current: Current, fix: Fix) -> list[StopEvent]:
        """Tell the arrival once the truck has stood for so long that it is certain."""
        if current.is_sure or distance_m(fix.place, current.anchor) > self._rule.spread_m:
            return []
        since = datetime.fromtimestamp(current.since, UTC)
        if not self._is_certain(current.stop_id, Stand(current.anchor, since, fix.at)):
            return []
        return self._make_certain(current)

    def _is_certain(self, stop_id: str, stand: Stand) -> bool:
        """Tell whether a stand, over or not, is so likely a stay at the stop that it may be told."""
        return stay_odds(self._state, stop_id, stand, self._stay) >= self._stay.least_log_odds

    def _make_certain(self, current: Current) -> list[StopEvent]:
        current.is_sure = True
        self._state.conformal.settle(current.stop_id, current.since)
        since = datetime.fromtimestamp(current.since, UTC)
        return [StopEvent("arrived", current.stop_id, since, current.anchor.lat, current.anchor.lon)]

    def _count_pace(self, fix: Fix) -> None:
        state = self._state
        ahead = state.itinerary.ahead()
        if state.here is None or not ahead:
            return
        driven_s = fix.at.timestamp() - state.here.at
        if not 0.0 < driven_s <= PACE_GAP_S:
            return
        engine_s = state.leg_s(state.here.place, ahead[0]) - state.leg_s(fix.place, ahead[0])
        self._note_drive(fix.at.timestamp(), driven_s, engine_s)

    def _note_drive(self, until: float, driven_s: float, engine_s: float) -> None:
        state = self._state
        state.pace.add(until=until, driven_s=driven_s, engine_s=engine_s)
        lost_s = driven_s - engine_s * state.pace_factor_prior
        state.ledger.note(Cause.TRAFFIC, lost_s=lost_s, at=until)

    def _see_arrival(self, stand: Stand) -> list[StopEvent]:
        state = self._state
        if stand.dwell_s < self._rule.near_dwell_s and self._last_ahead(stand.place) is None:
            return []
        stop_id = arrived_stop(stand, self._candidates(stand.place), self._rule)
        if stop_id is None:
            return []
        is_new = stop_id not in state.itinerary.visits
        is_last = stop_id == self._last_ahead(stand.place)
        is_sure = self._is_certain(stop_id, stand) or not is_new or is_last
        self.arrive(stop_id, stand.since.timestamp(), stand.place, is_tapped=False, is_sure=is_sure)
        return [StopEvent("arrived", stop_id, stand.since, *stand.place)] if is_new and is_sure else []

    def _last_ahead(self, place: LatLon) -> str | None:
        """Return the last stop of the day when nothing else is ahead of ``place``: all others are done or gone past."""
        state = self._state
        ahead = state.itinerary.ahead()
        if len(ahead) == 2 and state.passing == ahead[0].stop_id:
            is_past = distance_m(place, ahead[0].place) > self._rule.enter_m
            return ahead[1].stop_id if is_past else None
        return ahead[0].stop_id if len(ahead) == 1 else None

    def _candidates(self, place: LatLon) -> list[Candidate]:
        itinerary = self._state.itinerary
        ahead = itinerary.ahead()
        near = {stop.stop_id for stop in ahead[: self._rule.near_stops]}
        near.update(stop.stop_id for stop in itinerary.skipped()[-JUST_PASSED:])
        last = self._last_ahead(place)
        return [
            Candidate(stop.stop_id, stop.place, stop.stop_id in near, stop.stop_id == last)
            for stop in itinerary.stops
            if not stop.closed
        ]

    def arrive(self, stop_id: str, at_s: float, anchor: LatLon, *, is_tapped: bool, is_sure: bool = True) -> None:
        """Let the truck stand at a stop; while that is not sure, only estimates count on it."""
        state = self._state
        visit = state.itinerary.visits.get(stop_id)
        is_revisit = visit is not None and not is_tapped
        if visit is not None and is_revisit:
            visit.departed_at = None
        else:
            self._close_leg(stop_id, at_s)
            state.itinerary.arrive(stop_id, at_s, is_tapped=is_tapped)
            if is_sure:
                state.conformal.settle(stop_id, at_s)
        state.current = Current(stop_id, at_s, anchor, is_tapped, is_revisit, is_sure)
        state.away = 0

    def _close_leg(self, stop_id: str, at_s: float) -> None:
        """Count the last piece of the drive; what was counted after a back-dated arrival is taken back."""
        state = self._state
        state.pace.take_back(at_s)
        stop = state.itinerary.get(stop_id)
        here = state.here
        if here is not None and here.at < at_s <= here.at + PACE_GAP_S:
            self._note_drive(at_s, at_s - here.at, state.leg_s(here.place, stop))
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
        if self._is_at_last(current, state.recent[-1].place):
            rule = replace(rule, exit_m=0.0)
        left = left_at(state.recent, arrived_at=since, stop=stop.place, anchor=current.anchor, rule=rule)
        if left is None:
            return []
        newest = state.recent[-1]
        events: list[StopEvent] = []
        if not current.is_sure:
            odds = stay_odds(state, current.stop_id, Stand(current.anchor, since, left), self._stay)
            if odds < self._stay.least_log_odds:
                self._drop_stand(current, left.timestamp(), newest, is_likely=odds >= self._stay.even_log_odds)
                return []
            events = self._make_certain(current)
        self.depart(left.timestamp())
        state.here = Here(current.anchor, left.timestamp())
        self._count_pace(newest)
        if current.is_revisit:
            return []
        return [*events, StopEvent("departed", stop.stop_id, left, current.anchor.lat, current.anchor.lon)]

    def _is_at_last(self, current: Current, place: LatLon) -> bool:
        """Tell whether the truck has moved on to the last stop, which may be next door."""
        ahead = self._state.itinerary.ahead()
        if len(ahead) != 1 or current.is_tapped:
            return False
        last_m = distance_m(place, ahead[0].place)
        return last_m <= self._rule.last_m and last_m < distance_m(current.anchor, ahead[0].place)

    def _drop_stand(self, current: Current, left_s: float, newest: Fix, *, is_likely: bool) -> None:
        """Tell nothing of a stand that may have been traffic; the stop is gone past.

        Estimates count its time as what it more likely was: a service, or a loss on the road.
        """
        state = self._state
        if is_likely:
            self.depart(left_s)
        else:
            state.here = Here(current.anchor, current.since)
        del state.itinerary.visits[current.stop_id]
        state.current = None
        self._count_pace(newest)
        skip_to(state, state.itinerary.index[current.stop_id] + 1)

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
        """See whether a late fix proves a stand that nobody noticed, or dates back one that is not told yet."""
        state = self._state
        if state.started_at is None:
            return []
        stand = stand_at(state.recent, index, self._rule)
        if state.current is not None:
            begin_earlier(state, stand, self._rule)
            return []
        newest = state.recent[-1]
        if stand.until >= newest.at:
            return self._see_arrival(stand)
        left_at_s = [visit.departed_at or visit.arrived_at for visit in state.itinerary.visits.values()]
        if left_at_s and stand.since.timestamp() <= max(left_at_s):
            return []
        unseen = [c for c in self._candidates(stand.place) if c.stop_id not in state.itinerary.visits]
        stop_id = arrived_stop(stand, unseen, self._rule)
        if stop_id is None or not self._is_certain(stop_id, stand):
            return []
        here, pointer = state.here, state.itinerary.pointer
        self.arrive(stop_id, stand.since.timestamp(), stand.place, is_tapped=False)
        self.depart(stand.until.timestamp())
        state.here, state.itinerary.pointer = here, max(pointer, state.itinerary.pointer)
        return [
            StopEvent("arrived", stop_id, stand.since, *stand.place),
            StopEvent("departed", stop_id, stand.until, *stand.place),
        ]
