"""The engine of one route: fix by fix, from positions to arrivals and estimates.

It holds no clock and no storage. A caller hands it fixes and taps in the order they come in, keeps ``dump()`` beside
the route, and a restarted process goes on with ``load()``.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracking import forecast
from tracking.arrival import StandingRule
from tracking.eta import Cause, Estimate, EtaHistory
from tracking.fixes import SET_BACK_S, Fix, FixStatus
from tracking.geo import LatLon, distance_m
from tracking.itinerary import PlannedStop
from tracking.route_state import KEPT_FIXES, RouteState, load_state, new_state
from tracking.travel import TravelTimes
from tracking.watch import StopEvent, TapKind, Watch

__all__ = ["Outcome", "PlannedStop", "RouteProgress", "StopEvent", "TapKind"]

# A truck this far from the depot has started, whether or not the driver said so (our choice).
LEFT_DEPOT_M = 300.0


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
        self._watch = Watch(state, rule or StandingRule())

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

    def plan_start(self, at: datetime) -> None:
        """Take a new planned start; nothing changes once the route has begun."""
        if self._state.started_at is None:
            self._state.planned_start_at = at.timestamp()

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
            events = self._watch.read_late(index)
        else:
            self._begin_if_left(fix)
            events = self._watch.read_newest(fix, is_leap=verdict.is_leap)
        del state.recent[:-KEPT_FIXES]
        return Outcome(verdict.status, verdict.reason, verdict.moved, tuple(events))

    def heed_clock(self, now: datetime) -> bool:
        """Begin anew with the next fix when our own clock was set back by minutes or more; True when it was.

        Until that time comes again every fix would be late: it would show on pages, but estimates would count from the
        fix ahead, too late by as much, and arrivals would be found late or not at all.
        """
        last = self._state.gate.last
        if last is None or (last.at - now).total_seconds() <= SET_BACK_S:
            return False
        self._state.set_back(now.timestamp())
        return True

    def tap(self, kind: TapKind, stop_id: str, at: datetime) -> None:
        """Take the driver's own word for an arrival or departure; it wins over what positions said.

        Raises ``KeyError`` for a stop that is not on the route.
        """
        state = self._state
        stop = state.itinerary.get(stop_id)
        at_s = at.timestamp()
        self.begin(at)
        if kind == "arrived":
            self._watch.tap_arrived(stop, at_s)
        elif state.current is not None and state.current.stop_id == stop_id:
            self._watch.depart(at_s)
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
