"""The stops of one route in their order: what was visited, what is next, what was skipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracking.geo import LatLon


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """A stop as the plan and the record know it. ``closed``: nothing is left to do there."""

    stop_id: str
    lat: float
    lon: float
    planned_arrival_at: datetime | None = None
    window_start_at: datetime | None = None
    window_end_at: datetime | None = None
    service_s: float | None = None
    stop_type: str | None = None
    arrived_at: datetime | None = None
    departed_at: datetime | None = None
    closed: bool = False

    @property
    def place(self) -> LatLon:
        """Return where it is."""
        return LatLon(self.lat, self.lon)


@dataclass(slots=True)
class Visit:
    """The truck's visit to a stop, in epoch seconds; whether the driver said so, and whether positions showed it."""

    arrived_at: float
    departed_at: float | None = None
    is_tapped: bool = False
    is_seen: bool = False

    def dump(self) -> list[float | int | None]:
        """Return plain JSON values, short, for there are as many as stops."""
        departed_at = round(self.departed_at) if self.departed_at is not None else None
        return [round(self.arrived_at), departed_at, int(self.is_tapped), int(self.is_seen)]


class Itinerary:
    """The order of the day. ``pointer`` is the first stop ahead; an open stop before it was skipped."""

    def __init__(self, stops: Sequence[PlannedStop]) -> None:
        self.pointer = 0
        self.visits: dict[str, Visit] = {}
        self._set(stops)

    def _set(self, stops: Sequence[PlannedStop]) -> None:
        self.stops = list(stops)
        self.index = {stop.stop_id: number for number, stop in enumerate(self.stops)}
        for stop in self.stops:
            if stop.arrived_at is not None and stop.stop_id not in self.visits:
                departed_at = stop.departed_at.timestamp() if stop.departed_at else None
                self.visits[stop.stop_id] = Visit(stop.arrived_at.timestamp(), departed_at, is_seen=True)
                self.pointer = max(self.pointer, self.index[stop.stop_id] + 1)

    def replace(self, stops: Sequence[PlannedStop]) -> bool:
        """Take a new plan; True when what is still to do, or its order, has changed.

        Where the dispatcher changed the order, the new one holds and nothing counts as skipped any more.
        """
        planned = [stop.stop_id for stop in self.stops if self.is_open(stop)]
        ahead = [stop.stop_id for stop in self.ahead()]
        self.pointer = 0
        self._set(stops)
        now_planned = [stop.stop_id for stop in self.stops if self.is_open(stop)]
        still = set(now_planned)
        kept = [stop_id for stop_id in planned if stop_id in still]
        if kept != [stop_id for stop_id in now_planned if stop_id in set(kept)]:
            self.pointer = 0
            return True
        first = next((stop_id for stop_id in ahead if stop_id in still), None)
        self.pointer = self.index[first] if first is not None else self.pointer
        return now_planned != kept or any(stop_id not in self.index for stop_id in planned)

    def get(self, stop_id: str) -> PlannedStop:
        """Return the stop; raises ``KeyError`` for one that is not on the route."""
        return self.stops[self.index[stop_id]]

    def is_open(self, stop: PlannedStop) -> bool:
        """Tell whether the truck still has to go there."""
        return not stop.closed and stop.stop_id not in self.visits

    def ahead(self) -> list[PlannedStop]:
        """Return the open stops from the pointer on."""
        return [stop for stop in self.stops[self.pointer :] if self.is_open(stop)]

    def remaining(self) -> list[PlannedStop]:
        """Return all open stops in the order we expect: those ahead, then those that were skipped."""
        return self.ahead() + [stop for stop in self.stops[: self.pointer] if self.is_open(stop)]

    def skipped(self) -> list[PlannedStop]:
        """Return open stops that the truck has gone past."""
        return [stop for stop in self.stops[: self.pointer] if self.is_open(stop)]

    def arrive(self, stop_id: str, at: float, *, is_tapped: bool) -> None:
        """Note an arrival; the order goes on from there.

        A stop that only seemed to be gone past shows that those between it and the pointer are still ahead, too.
        """
        after = self.index[stop_id] + 1
        was_left_out = any(stop.stop_id in self.visits for stop in self.stops[after : self.pointer])
        self.visits[stop_id] = Visit(at, None, is_tapped, is_seen=not is_tapped)
        self.pointer = max(self.pointer, after) if was_left_out else after

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values."""
        pointed = self.stops[self.pointer].stop_id if self.pointer < len(self.stops) else None
        return {"pointer": pointed, "visits": {key: visit.dump() for key, visit in self.visits.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what ``dump`` wrote, as far as those stops still exist."""
        for stop_id, (arrived_at, departed_at, is_tapped, is_seen) in state["visits"].items():
            if stop_id in self.index:
                self.visits[stop_id] = Visit(arrived_at, departed_at, bool(is_tapped), bool(is_seen))
        pointed = state["pointer"]
        self.pointer = len(self.stops) if pointed is None else self.index.get(pointed, self.pointer)
