"""Streets and parts of town that take longer, or less, than their length says: learned from completed routes.

On the development runs, legs of other vehicles within 150 m explain half of what the run's own pace leaves open
(correlation 0.7), and knowing the usual pace within a kilometre or two takes a tenth off the error of vehicles kept
back. Of a place where nobody has driven yet nothing is said.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from tracking.geo import LatLon, distance_m

# Cells are about 170 m and 1.1 km from south to north; a leg is looked up with the eight cells around its own (our
# choice: 0.8 to 2.2 km were about as good, 4 km was worse than none).
STREET_DEG, AREA_DEG = 0.0015, 0.01
# What "as usual" weighs: against the legs on a street, and against the runs through each of the nine cells of an area.
# One of them tells no more than this, as a logarithm (our choice).
PRIOR_LEGS, PRIOR_AREA_RUNS = 1.0, 4.0
MOST = 1.0
# Legs shorter than this, or driven in less time, say nothing.
LEAST_M, LEAST_S = 100.0, 5.0
# A long leg goes through so many areas at most, one every kilometre.
AREA_EVERY_M, MOST_AREAS = 1000.0, 20

# What was driven within so much of a depot says how a truck gets on there; further away is another town (our choice).
NEAR_DEG = 1.0

Cell = tuple[int, int]
Cells = Mapping[Cell, tuple[float, int]]


class DrivenLeg(NamedTuple):
    """A leg as it was driven: from one stop to the next, metres of straight line and seconds."""

    start: LatLon
    end: LatLon
    meters: float
    seconds: float


@dataclass(frozen=True, slots=True)
class SlowPlaces:
    """By cell, the sum of logarithms of how many times its usual time a leg took, and of how many.

    ``areas`` are against the company's usual pace, one value a run; ``streets`` against the pace of the run itself
    in those areas, one a leg.
    """

    areas: Cells = field(default_factory=dict)
    streets: Cells = field(default_factory=dict)

    @classmethod
    def of_runs(cls, runs: Iterable[Sequence[DrivenLeg]], *, usual_s_per_m: float) -> "SlowPlaces":
        """Return what the legs of ``runs`` teach; ``usual_s_per_m`` is the pace where nothing is known."""
        known = [[leg for leg in legs if leg.meters >= LEAST_M and leg.seconds >= LEAST_S] for legs in runs]
        areas: dict[Cell, tuple[float, int]] = {}
        for legs in known:
            for cell, (seconds, meters) in _by_area(legs).items():
                _count(areas, cell, seconds / meters / usual_s_per_m)
        places = cls(areas)
        streets: dict[Cell, tuple[float, int]] = {}
        for legs in known:
            expected = [leg.meters * places.factor(leg.start, leg.end) for leg in legs]
            usual = sum(leg.seconds for leg in legs) / sum(expected) if legs else 0.0
            for leg, meters in zip(legs, expected, strict=True):
                _count(streets, _cell(_along(leg.start, leg.end, 0.5), STREET_DEG), leg.seconds / meters / usual)
        return cls(areas, streets)

    def factor(self, start: LatLon, end: LatLon) -> float:
        """Return how many times its usual time the leg takes: 1 where nobody knows."""
        if not self.areas:
            return 1.0
        places = _areas_of(start, end)
        area = sum(_around(self.areas, cell, PRIOR_AREA_RUNS) for cell in places) / len(places)
        return area * _around(self.streets, _cell(_along(start, end, 0.5), STREET_DEG), PRIOR_LEGS)

    def is_elsewhere(self, place: LatLon) -> bool:
        """Tell whether something is known, but nothing within about 100 km of ``place``."""
        cells = [(lat * AREA_DEG - place.lat, lon * AREA_DEG - place.lon) for lat, lon in self.areas]
        return bool(cells) and not any(max(abs(north), abs(east)) <= NEAR_DEG for north, east in cells)

    def to_json(self) -> dict[str, list[list[float]]]:
        """Return plain JSON values."""
        return {"areas": _dump(self.areas), "streets": _dump(self.streets)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "SlowPlaces":
        """Return what ``to_json`` wrote."""
        return cls(_load(row["areas"]), _load(row["streets"]))


def _by_area(legs: Sequence[DrivenLeg]) -> Mapping[Cell, tuple[float, float]]:
    """Return the seconds and metres that one run's legs took in each area."""
    found: dict[Cell, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for leg in legs:
        cells = _areas_of(leg.start, leg.end)
        for cell in cells:
            seconds, meters = found[cell]
            found[cell] = (seconds + leg.seconds / len(cells), meters + leg.meters / len(cells))
    return found


def _areas_of(start: LatLon, end: LatLon) -> list[Cell]:
    """Return the areas a leg goes through: that of its middle, or of a place every kilometre."""
    number = min(MOST_AREAS, 1 + int(distance_m(start, end) / AREA_EVERY_M))
    return [_cell(_along(start, end, (part + 0.5) / number), AREA_DEG) for part in range(number)]


def _along(start: LatLon, end: LatLon, share: float) -> LatLon:
    return LatLon(start.lat + share * (end.lat - start.lat), start.lon + share * (end.lon - start.lon))


def _cell(place: LatLon, size_deg: float) -> Cell:
    """Return the cell of ``place``; near the poles cells are narrow, which only costs history."""
    return math.floor(place.lat / size_deg), math.floor(place.lon / size_deg)


def _count(cells: dict[Cell, tuple[float, int]], cell: Cell, ratio: float) -> None:
    total, number = cells.get(cell, (0.0, 0))
    cells[cell] = (total + min(max(math.log(ratio), -MOST), MOST), number + 1)


def _around(cells: Cells, cell: Cell, prior: float) -> float:
    """Return the ratio that ``cell`` and the eight around it teach, shrunk to 1."""
    total, number = 0.0, 0
    for north, east in product((-1, 0, 1), repeat=2):
        found = cells.get((cell[0] + north, cell[1] + east))
        if found is not None:
            total, number = total + found[0], number + found[1]
    return math.exp(total / (number + prior))


def _dump(cells: Cells) -> list[list[float]]:
    return [[lat, lon, total, number] for (lat, lon), (total, number) in cells.items()]


def _load(rows: list[list[Any]]) -> Cells:
    return {(int(lat), int(lon)): (float(total), int(number)) for lat, lon, total, number in rows}
