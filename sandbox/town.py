"""A small made-up town as a graph of streets, the same for the same seed."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from sandbox.ground import (
    RIVER_HALF_M,
    Point,
    bend,
    lerp,
    park_depth,
    river_distance_m,
    town_depth,
)

COLUMNS, ROWS = 27, 27
MAIN_COLUMNS, MAIN_ROWS = {6, 14, 21}, {5, 13, 20}
BRIDGE_ROWS = {5, 20}
MAIN_MPS, SIDE_MPS = 11.5, 8.0  # 26 and 18 mph: what a van reaches between corners
PIECES = 4  # an edge is bent in so many straight pieces

SIDE_STREETS = [
    "Acorn",
    "Alder",
    "Birch",
    "Briar",
    "Cedar",
    "Chestnut",
    "Clover",
    "Cooper",
    "Cherry",
    "Dogwood",
    "Elder",
    "Fern",
    "Foxglove",
    "Garden",
    "Hawthorn",
    "Hazel",
    "Heron",
    "Juniper",
    "Kestrel",
    "Laurel",
    "Linden",
    "Mallow",
    "Maple",
    "Meadow",
    "Millrace",
    "Orchard",
    "Otter",
    "Pear",
    "Plover",
    "Quarry",
    "Quince",
    "Rowan",
    "Rosehip",
    "Sorrel",
    "Spruce",
    "Sumac",
    "Swallow",
    "Tannery",
    "Teasel",
    "Thistle",
    "Walnut",
    "Weaver",
    "Willow",
    "Wren",
    "Yarrow",
]
MAIN_STREETS = ("Main Street", "Station Road", "Harbor Road", "Bridge Street", "Market Street", "Upper Mill Road")


@dataclass(frozen=True)
class Edge:
    """A piece of street between two corners. ``line`` runs from ``start`` to ``end``, bends included."""

    number: int
    start: int
    end: int
    street: str
    is_main: bool
    is_bridge: bool
    line: tuple[Point, ...]

    @property
    def length_m(self) -> float:
        return length_m(self.line)

    @property
    def speed_mps(self) -> float:
        return MAIN_MPS if self.is_main else SIDE_MPS


@dataclass
class Town:
    """Corners (points in metres), edges between them, and main roads out of town, which nobody drives on."""

    corners: dict[int, Point] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    country_roads: list[tuple[Point, ...]] = field(default_factory=list)
    blocks: list[tuple[Point, ...]] = field(default_factory=list)

    def edges_at(self) -> dict[int, list[Edge]]:
        """Return the edges that meet at each corner."""
        meeting: dict[int, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            meeting[edge.start].append(edge)
            meeting[edge.end].append(edge)
        return meeting

    def streets(self) -> Iterator[tuple[str, bool, list[Point]]]:
        """Yield each unbroken run of a street: its name, whether it is a main road, and its line."""
        name, is_main, run, last = "", False, list[Point](), -1
        for edge in self.edges:
            if edge.street == name and edge.start == last:
                run.extend(edge.line[1:])
            else:
                if run:
                    yield name, is_main, run
                name, is_main, run = edge.street, edge.is_main, list(edge.line)
            last = edge.end
        if run:
            yield name, is_main, run


def length_m(line: Sequence[Point]) -> float:
    """Return the length of a line of points."""
    return sum(math.dist(a, b) for a, b in pairwise(line))


def build_town(seed: int = 7) -> Town:
    """Lay out the town: a bent grid, cut by the river and the park, thinned at random, in one connected piece."""
    rng = random.Random(seed)
    xs = _positions(rng, COLUMNS, 105.0, 185.0)
    ys = _positions(rng, ROWS, 84.0, 132.0)
    names = rng.sample(SIDE_STREETS, len(SIDE_STREETS))
    town = Town()
    for column in range(COLUMNS):
        for row in range(ROWS):
            point = bend(xs[column], ys[row])
            if _is_buildable(point):
                town.corners[column * ROWS + row] = point
    edges = list(_lines(town, xs, ys, names))
    _keep(town, _connected(_thinned(edges, rng)))
    town.country_roads = list(_country_roads(xs, ys))
    town.blocks = list(_blocks(town))
    return town


def _positions(rng: random.Random, count: int, least_m: float, most_m: float) -> list[float]:
    steps = [0.0] + [rng.uniform(least_m, most_m) for _ in range(count - 1)]
    places = [sum(steps[: index + 1]) for index in range(count)]
    middle = (places[0] + places[-1]) / 2
    return [place - middle for place in places]


def _is_buildable(point: Point) -> bool:
    return town_depth(point) < 1 and abs(river_distance_m(point)) > RIVER_HALF_M + 22 and park_depth(point) > 0.99


def _bent(start: Point, end: Point, pieces: int = PIECES) -> tuple[Point, ...]:
    return tuple(bend(*lerp(start, end, step / pieces)) for step in range(pieces + 1))


def _lines(town: Town, xs: list[float], ys: list[float], names: list[str]) -> Iterator[Edge]:
    """Yield the edges of every grid line, columns (streets) first, then rows (avenues)."""
    mains = iter(MAIN_STREETS)
    for column in range(COLUMNS):
        is_main = column in MAIN_COLUMNS
        name = next(mains) if is_main else f"{names.pop()} Street"
        for row in range(ROWS - 1):
            ends = (column * ROWS + row, column * ROWS + row + 1)
            line = _bent((xs[column], ys[row]), (xs[column], ys[row + 1]))
            if ends[0] in town.corners and ends[1] in town.corners and all(map(_is_dry, line)):
                yield Edge(0, *ends, name, is_main, False, line)
    for row in range(ROWS):
        is_main = row in MAIN_ROWS
        name = next(mains) if is_main else f"{names.pop() if names else 'Alder'} {'Lane' if row % 3 == 0 else 'Avenue'}"
        present = [column for column in range(COLUMNS) if column * ROWS + row in town.corners]
        for left, right in pairwise(present):
            line = _bent((xs[left], ys[row]), (xs[right], ys[row]), PIECES * (right - left))
            wet = not all(map(_is_dry, line))
            if (right - left > 1 or wet) and not (wet and row in BRIDGE_ROWS):
                continue
            yield Edge(0, left * ROWS + row, right * ROWS + row, name, is_main, wet, line)


def _is_dry(point: Point) -> bool:
    return abs(river_distance_m(point)) > RIVER_HALF_M + 12 and park_depth(point) > 0.97


def _thinned(edges: list[Edge], rng: random.Random) -> list[Edge]:
    """Leave out one side street edge in nine."""
    return [edge for edge in edges if edge.is_main or rng.random() > 0.11]


def _connected(edges: list[Edge]) -> list[Edge]:
    """Return the edges of the largest connected piece, without dead ends of one edge."""
    meeting: dict[int, set[int]] = defaultdict(set)
    for edge in edges:
        meeting[edge.start].add(edge.end)
        meeting[edge.end].add(edge.start)
    best: set[int] = set()
    todo = set(meeting)
    while todo:
        piece, frontier = set[int](), [todo.pop()]
        while frontier:
            corner = frontier.pop()
            piece.add(corner)
            frontier.extend(meeting[corner] - piece)
        todo -= piece
        best = max(best, piece, key=len)
    kept = [edge for edge in edges if edge.start in best]
    return [e for e in kept if e.is_main or (len(meeting[e.start]) > 1 and len(meeting[e.end]) > 1)]


def _keep(town: Town, edges: list[Edge]) -> None:
    town.edges = [
        Edge(number, e.start, e.end, e.street, e.is_main, e.is_bridge, e.line) for number, e in enumerate(edges)
    ]
    used = {corner for edge in town.edges for corner in (edge.start, edge.end)}
    town.corners = {corner: point for corner, point in town.corners.items() if corner in used}


def _country_roads(xs: list[float], ys: list[float]) -> Iterator[tuple[Point, ...]]:
    """Yield the main roads far beyond the town, interrupted by the park; the map draws them underneath."""
    reach = range(-7000, 7001, 40)
    lines = [[bend(xs[column], y) for y in reach] for column in sorted(MAIN_COLUMNS)]
    lines += [[bend(x, ys[row]) for x in reach] for row in sorted(BRIDGE_ROWS)]
    for line in lines:
        for is_park, run in groupby(line, key=lambda point: park_depth(point) < 1.05):
            if not is_park:
                yield tuple(run)


def _blocks(town: Town) -> Iterator[tuple[Point, ...]]:
    """Yield the four corners of each grid cell that has all of them."""
    for column in range(COLUMNS - 1):
        for row in range(ROWS - 1):
            first = column * ROWS + row
            around = (first, first + ROWS, first + ROWS + 1, first + 1)
            if all(corner in town.corners for corner in around):
                yield tuple(town.corners[corner] for corner in around)
