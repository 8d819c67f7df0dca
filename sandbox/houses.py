"""The houses of the town: where they stand, their addresses, and where a van stops in front of them."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sandbox.ground import RIVER_HALF_M, Point, is_works, lerp, park_depth, river_distance_m
from sandbox.scenery import greens
from sandbox.town import Edge, Town

SPACING_M, SETBACK_M, CORNER_M = 19.0, 15.0, 24.0
CELL_M = 60.0


@dataclass(frozen=True)
class House:
    """One house. ``along_m`` is where it lies on its edge, from the edge's start; ``outline`` are its four corners."""

    number: int
    street: str
    middle: Point
    outline: tuple[Point, ...]
    edge: int
    along_m: float

    @property
    def address(self) -> str:
        return f"{self.number} {self.street}"


def build_houses(town: Town, seed: int = 7) -> list[House]:
    """Put houses along every street but the bridges, none of them on another street, in water or on a green."""
    rng = random.Random(seed + 100)
    roads = _road_points(town)
    taken: dict[tuple[int, int], list[Point]] = defaultdict(list)
    houses = []
    counts: dict[str, int] = defaultdict(int)
    squares = list(greens(town))
    for edge in town.edges:
        if edge.is_bridge:
            continue
        for house in _beside(edge, rng, counts):
            if _is_free(house, roads, taken) and not any(_is_inside(house.middle, shape) for shape in squares):
                taken[_cell(house.middle)].append(house.middle)
                houses.append(house)
    return houses


def _beside(edge: Edge, rng: random.Random, counts: dict[str, int]) -> Iterator[House]:
    """Yield candidates on both sides of ``edge``: even numbers on its left, odd on its right."""
    works = is_works(edge.line[0]) and is_works(edge.line[-1])
    spacing_m = 52.0 if works else SPACING_M
    along_m = CORNER_M + (10.0 if works else 0.0)
    while along_m < edge.length_m - CORNER_M:
        counts[edge.street] += 1
        point, direction = point_along(edge.line, along_m)
        for side in (1, -1):
            if rng.random() < 0.08:
                continue
            size = (rng.uniform(26, 42), rng.uniform(20, 30)) if works else (rng.uniform(9, 14), rng.uniform(8, 12))
            away_m = (SETBACK_M + 14.0 if works else SETBACK_M) + rng.uniform(0, 4)
            middle = _offset(point, direction, side * away_m)
            number = 2 * counts[edge.street] + (0 if side > 0 else 1)
            yield House(number, edge.street, middle, _outline(middle, direction, size), edge.number, along_m)
        along_m += spacing_m + rng.uniform(-2, 3)


def point_along(line: tuple[Point, ...], along_m: float) -> tuple[Point, Point]:
    """Return the point ``along_m`` metres along ``line``, and the direction there as a unit vector."""
    left_m = along_m
    for start, end in pairwise(line):
        piece_m = math.dist(start, end)
        if left_m <= piece_m or end == line[-1]:
            direction = ((end[0] - start[0]) / piece_m, (end[1] - start[1]) / piece_m)
            return lerp(start, end, min(left_m / piece_m, 1.0)), direction
        left_m -= piece_m
    raise ValueError("a line needs two points")


def _offset(point: Point, direction: Point, left_m: float) -> Point:
    return point[0] - direction[1] * left_m, point[1] + direction[0] * left_m


def _outline(middle: Point, direction: Point, size: tuple[float, float]) -> tuple[Point, ...]:
    dx, dy = direction
    half_w, half_d = size[0] / 2, size[1] / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple(
        (middle[0] + a * half_w * dx - b * half_d * dy, middle[1] + a * half_w * dy + b * half_d * dx) for a, b in signs
    )


def _is_inside(point: Point, shape: tuple[Point, ...]) -> bool:
    """Return whether ``point`` lies within a convex shape: on the same side of every edge."""
    sides = {
        (b[0] - a[0]) * (point[1] - a[1]) > (b[1] - a[1]) * (point[0] - a[0])
        for a, b in zip(shape, (*shape[1:], shape[0]), strict=True)
    }
    return len(sides) == 1


def _cell(point: Point) -> tuple[int, int]:
    return int(point[0] // CELL_M), int(point[1] // CELL_M)


def _near(cells: dict[tuple[int, int], list[Point]], point: Point) -> Iterator[Point]:
    column, row = _cell(point)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            yield from cells.get((column + dx, row + dy), ())


def _road_points(town: Town) -> dict[tuple[int, int], list[Point]]:
    """Return a point every 8 m of all roads, by cell."""
    cells: dict[tuple[int, int], list[Point]] = defaultdict(list)
    for edge in town.edges:
        for step in range(int(edge.length_m // 8) + 1):
            point, _ = point_along(edge.line, step * 8.0)
            cells[_cell(point)].append(point)
    return cells


def _is_free(
    house: House, roads: dict[tuple[int, int], list[Point]], taken: dict[tuple[int, int], list[Point]]
) -> bool:
    size_m = math.dist(house.outline[0], house.outline[2]) / 2
    return (
        abs(river_distance_m(house.middle)) > RIVER_HALF_M + size_m + 4
        and park_depth(house.middle) > 1.05
        and all(math.dist(point, house.middle) > size_m + 5 for point in _near(roads, house.middle))
        and all(math.dist(point, house.middle) > size_m * 2 + 2 for point in _near(taken, house.middle))
    )
