"""The quickest way through the town's streets."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sandbox.ground import Point, lerp
from sandbox.town import Edge, Town, length_m


@dataclass(frozen=True)
class Place:
    """A spot on a street: ``along_m`` metres from the start of edge number ``edge``."""

    edge: int
    along_m: float


@dataclass(frozen=True)
class Leg:
    """A piece of a way, in driving direction. ``corner`` is where it ends, None at the destination."""

    line: tuple[Point, ...]
    speed_mps: float
    is_main: bool
    corner: int | None

    @property
    def length_m(self) -> float:
        return length_m(self.line)

    @property
    def free_s(self) -> float:
        """Seconds on an empty street."""
        return self.length_m / self.speed_mps


class Streets:
    """Answers ways through one town."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._edges_at = town.edges_at()

    def way(self, start: Place, end: Place) -> list[Leg]:
        """Return the quickest way as legs; empty when ``start`` is ``end``."""
        first, last = self._town.edges[start.edge], self._town.edges[end.edge]
        if first.number == last.number:
            line = cut(first.line, start.along_m, end.along_m)
            return [] if len(line) < 2 else [Leg(line, first.speed_mps, first.is_main, None)]
        before, best = self._search(start, first, last, end)
        corners = [best]
        while corners[-1] in before:
            corners.append(before[corners[-1]][0])
        corners.reverse()
        return list(self._legs(start, end, corners, before))

    def point(self, place: Place) -> Point:
        """Return the point of a place, in metres."""
        return cut(self._town.edges[place.edge].line, 0.0, place.along_m)[-1]

    def is_signalled(self, corner: int) -> bool:
        """Return whether lights stand there: where two main roads meet."""
        return len({edge.street for edge in self._edges_at[corner] if edge.is_main}) > 1

    def _search(self, start: Place, first: Edge, last: Edge, end: Place) -> tuple[dict[int, tuple[int, Edge]], int]:
        """Return how each corner is reached best, and the corner from which the destination is (Dijkstra's method)."""
        cost = {
            first.start: start.along_m / first.speed_mps,
            first.end: (first.length_m - start.along_m) / first.speed_mps,
        }
        rest = {
            last.start: end.along_m / last.speed_mps,
            last.end: (last.length_m - end.along_m) / last.speed_mps,
        }
        before: dict[int, tuple[int, Edge]] = {}
        queue = [(seconds, corner) for corner, seconds in cost.items()]
        heapq.heapify(queue)
        best, best_s = first.start, math.inf
        while queue and queue[0][0] < best_s:
            seconds, corner = heapq.heappop(queue)
            if seconds > cost[corner]:
                continue
            if corner in rest and seconds + rest[corner] < best_s:
                best, best_s = corner, seconds + rest[corner]
            for edge in self._edges_at[corner]:
                following = edge.end if edge.start == corner else edge.start
                reached_s = seconds + edge.length_m / edge.speed_mps
                if reached_s < cost.get(following, math.inf):
                    cost[following] = reached_s
                    before[following] = (corner, edge)
                    heapq.heappush(queue, (reached_s, following))
        return before, best

    def _legs(self, start: Place, end: Place, corners: list[int], before: dict[int, tuple[int, Edge]]) -> Iterator[Leg]:
        first, last = self._town.edges[start.edge], self._town.edges[end.edge]
        opening = cut(first.line, start.along_m, first.length_m if corners[0] == first.end else 0.0)
        if len(opening) > 1:
            yield Leg(opening, first.speed_mps, first.is_main, corners[0])
        for _, corner in pairwise(corners):
            edge = before[corner][1]
            line = edge.line if edge.end == corner else tuple(reversed(edge.line))
            yield Leg(line, edge.speed_mps, edge.is_main, corner)
        closing = cut(last.line, last.length_m if corners[-1] == last.end else 0.0, end.along_m)
        if len(closing) > 1:
            yield Leg(closing, last.speed_mps, last.is_main, None)


def cut(line: tuple[Point, ...], from_m: float, to_m: float) -> tuple[Point, ...]:
    """Return the part of ``line`` between two distances from its start, in that direction; one point if they agree."""
    if from_m > to_m:
        return tuple(reversed(cut(line, to_m, from_m)))
    points, passed_m = list[Point](), 0.0
    for start, end in pairwise(line):
        piece_m = math.dist(start, end)
        low, high = max(from_m - passed_m, 0.0), min(to_m - passed_m, piece_m)
        if high > low:
            points.extend((lerp(start, end, low / piece_m), lerp(start, end, high / piece_m)))
        passed_m += piece_m
    kept = [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]
    return tuple(kept)
