"""Everything the engine remembers of one route, and how it is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tracking.causes import CauseLedger
from tracking.eta import EtaHistory
from tracking.fixes import Fix, Gate, dump_fix, load_fix
from tracking.geo import LatLon
from tracking.intervals import Conformal
from tracking.itinerary import Itinerary, PlannedStop
from tracking.pace import Pace, ServicePace
from tracking.stay import Traffic
from tracking.travel import StraightLine, TravelTimes

# Of the accepted fixes so many are kept, for arrivals and for `visibility`.
KEPT_FIXES = 60


@dataclass(slots=True)
class Here:
    """Where the truck is known to be, from a fix or a tap, at ``at`` (epoch seconds)."""

    place: LatLon
    at: float


@dataclass(slots=True)
class Current:
    """The stop the truck stands at, since when, and where it really stands.

    While it is not ``is_sure`` the stand may turn out to be a red light: no arrival is told yet.
    """

    stop_id: str
    since: float
    anchor: LatLon
    is_tapped: bool
    is_revisit: bool = False
    is_sure: bool = True


@dataclass(slots=True)
class RouteState:
    """One route's day so far. Times are epoch seconds; ``away`` counts fixes that go away from the next stop
    (since ``away_since``, when it was ``away_from_m`` off), ``passing`` is the stop the truck last came near to without
    standing.
    """

    depot: LatLon
    planned_start_at: float | None
    itinerary: Itinerary
    history: EtaHistory
    travel: TravelTimes
    driver: str | None = None
    started_at: float | None = None
    here: Here | None = None
    current: Current | None = None
    away: int = 0
    away_since: float = 0.0
    away_from_m: float = 0.0
    passing: str | None = None
    is_resting: bool = False
    gate: Gate = field(default_factory=Gate)
    recent: list[Fix] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)
    service: ServicePace = field(default_factory=ServicePace)
    conformal: Conformal = field(default_factory=Conformal)
    ledger: CauseLedger = field(default_factory=CauseLedger)
    traffic: Traffic = field(default_factory=Traffic)
    _legs: dict[tuple[str, str], float] = field(default_factory=dict)
    _factors: dict[tuple[LatLon, LatLon], float] = field(default_factory=dict)

    @property
    def pace_factor_prior(self) -> float:
        """Return the pace that history expects of this driver."""
        return self.history.pace_of(self.driver)

    def leg_s(self, origin: LatLon, stop: PlannedStop) -> float:
        """Return the seconds to ``stop`` by the travel engine, or the straight line where it has no answer.

        They are scaled by what history knows of the streets from the stop before it.
        """
        legs = self.travel.to_many(origin, [stop.place])
        leg = legs[0] or StraightLine().to_many(origin, [stop.place])[0]
        return leg.seconds * self._street_factor(stop) if leg is not None else 0.0

    def _street_factor(self, stop: PlannedStop) -> float:
        number = self.itinerary.index.get(stop.stop_id, 0)
        before = self.itinerary.stops[number - 1].place if number else self.depot
        if (before, stop.place) not in self._factors:
            self._factors[before, stop.place] = self.history.slow_places.factor(before, stop.place)
        return self._factors[before, stop.place]

    def leg_between_s(self, a: PlannedStop, b: PlannedStop) -> float:
        """Return the leg between two stops; asked for once."""
        key = (a.stop_id, b.stop_id)
        if key not in self._legs:
            self._legs[key] = self.leg_s(a.place, b)
        return self._legs[key]

    def usual_service_s(self, stop: PlannedStop) -> float:
        """Return what history and plan expect of this stop."""
        return self.history.service_of(planned_s=stop.service_s, stop_type=stop.stop_type, driver=self.driver)

    def service_s(self, stop: PlannedStop) -> float:
        """Return what to expect of this stop today."""
        return self.usual_service_s(stop) * self.service_ratio

    @property
    def service_ratio(self) -> float:
        """Return how today's services go, against what is usual."""
        return self.service.ratio(self.history.service_s)

    def set_back(self, now_s: float) -> None:
        """Take back all that lies ahead of ``now_s``, for our clock was set back: nothing began later than now."""
        self.gate.forget()
        self.recent.clear()
        if self.started_at is not None:
            self.started_at = min(self.started_at, now_s)
        if self.here is not None:
            self.here = Here(self.here.place, min(self.here.at, now_s))
        if self.current is not None:
            self.current.since = min(self.current.since, now_s)

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values, under 20 kB for 150 stops."""
        current, here = self.current, self.here
        return {
            "v": 2,
            "planned_start": self.planned_start_at,
            "driver": self.driver,
            "started": self.started_at,
            "here": [*here.place, here.at] if here else None,
            "current": _dump_current(current) if current else None,
            "away": [self.away, round(self.away_since, 1), round(self.away_from_m, 1)],
            "passing": self.passing,
            "resting": self.is_resting,
            "itinerary": self.itinerary.dump(),
            "gate": self.gate.dump(),
            "recent": [dump_fix(fix) for fix in self.recent],
            "pace": self.pace.dump(),
            "service": self.service.dump(),
            "conformal": self.conformal.dump(),
            "ledger": self.ledger.dump(),
            "traffic": self.traffic.dump(),
        }


def _dump_current(current: Current) -> list[Any]:
    claims = (current.is_tapped, current.is_revisit, current.is_sure)
    return [current.stop_id, current.since, *current.anchor, *claims]


def new_state(
    *,
    depot: LatLon,
    planned_start_at: datetime | None,
    stops: Sequence[PlannedStop],
    history: EtaHistory | None,
    travel: TravelTimes | None,
    driver: str | None,
) -> RouteState:
    """Return the state of a route that has not begun."""
    return RouteState(
        depot=depot,
        planned_start_at=planned_start_at.timestamp() if planned_start_at else None,
        itinerary=Itinerary(stops),
        history=(history or EtaHistory.default()).around(depot),
        travel=travel or StraightLine(),
        driver=driver,
    )


def load_state(
    row: Mapping[str, Any],
    *,
    depot: LatLon,
    stops: Sequence[PlannedStop],
    history: EtaHistory | None,
    travel: TravelTimes | None,
) -> RouteState:
    """Return what ``RouteState.dump`` wrote, on the stops as the record knows them now."""
    state = new_state(
        depot=depot,
        planned_start_at=None,
        stops=stops,
        history=history,
        travel=travel,
        driver=row["driver"],
    )
    state.planned_start_at = row["planned_start"]
    state.started_at = row["started"]
    state.away, state.away_since, state.away_from_m = row["away"]
    state.passing = row["passing"]
    state.is_resting = row["resting"]
    if row["here"]:
        lat, lon, at = row["here"]
        state.here = Here(LatLon(lat, lon), at)
    if row["current"] and row["current"][0] in state.itinerary.index:
        stop_id, since, lat, lon, *claims = row["current"]
        state.current = Current(stop_id, since, LatLon(lat, lon), *claims)
    state.itinerary.restore(row["itinerary"])
    state.gate = Gate.load(row["gate"])
    state.recent = [load_fix(fix) for fix in row["recent"]]
    state.pace = Pace.load(row["pace"])
    state.service = ServicePace.load(row["service"])
    state.conformal = Conformal.load(row["conformal"])
    state.ledger = CauseLedger.load(row["ledger"])
    state.traffic = Traffic(*row.get("traffic", []))  # absent in what was written before it was counted
    return state
