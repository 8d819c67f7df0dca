"""One drive as a timetable: where the truck is, how fast and which way, at each second after it set off."""

import bisect
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sandbox.ground import Point, lerp
from sandbox.routing import Leg, Streets

LIGHT_RED_SHARE, LIGHT_WAIT_S = 0.45, (6.0, 38.0)
STOP_SIGN_S = (2.0, 6.0)
TURN_S = 3.0
PULL_IN_S = 6.0  # slowing down, finding a place at the kerb
PACE = (1.0, 1.3)  # other cars: an edge takes so many times its free time


@dataclass(frozen=True)
class Fix:
    """Where the truck is. ``heading_deg`` is clockwise from north."""

    point: Point
    speed_mps: float
    heading_deg: float


@dataclass(frozen=True)
class Jam:
    """A traffic jam on main roads around ``middle``: there everything takes ``factor`` times as long."""

    middle: Point
    radius_m: float
    factor: float

    def slows(self, leg: Leg) -> float:
        if leg.is_main and math.dist(leg.line[len(leg.line) // 2], self.middle) < self.radius_m:
            return self.factor
        return 1.0


class Drive:
    """A timetable of points. ``duration_s`` is how long it takes."""

    def __init__(self, times_s: list[float], points: list[Point]) -> None:
        self._times_s, self._points = times_s, points
        self.duration_s = times_s[-1]

    def at(self, elapsed_s: float) -> Fix:
        """Return the fix ``elapsed_s`` seconds after setting off; standing at the ends before and after."""
        index = min(max(bisect.bisect_right(self._times_s, elapsed_s), 1), len(self._times_s) - 1)
        before_s, after_s = self._times_s[index - 1], self._times_s[index]
        start, end = self._points[index - 1], self._points[index]
        share = min(max((elapsed_s - before_s) / max(after_s - before_s, 1e-6), 0.0), 1.0)
        is_under_way = 0.0 < elapsed_s < self.duration_s
        speed_mps = math.dist(start, end) / max(after_s - before_s, 1e-6) if is_under_way else 0.0
        return Fix(lerp(start, end, share), speed_mps, self._heading(index))

    def _heading(self, index: int) -> float:
        """Return the direction of the last movement at or before ``index``."""
        for position in range(index, 0, -1):
            start, end = self._points[position - 1], self._points[position]
            if start != end:
                return math.degrees(math.atan2(end[0] - start[0], end[1] - start[1])) % 360
        return 0.0


def standing(point: Point) -> Drive:
    """Return a timetable that stays where it is."""
    return Drive([0.0, 0.0], [point, point])


def plan_drive(streets: Streets, way: list[Leg], rng: random.Random, jams: Iterable[Jam] = ()) -> Drive:
    """Return the timetable of driving ``way`` with lights, stop signs, turns, other cars and ``jams``."""
    times_s, points = [0.0], [way[0].line[0]]
    for leg, following in zip(way, [*way[1:], None], strict=True):
        pace = rng.uniform(*PACE) * max((jam.slows(leg) for jam in jams), default=1.0)
        for start, end in pairwise(leg.line):
            times_s.append(times_s[-1] + math.dist(start, end) / leg.speed_mps * pace)
            points.append(end)
        wait_s = PULL_IN_S if following is None else _corner_s(streets, leg, following, rng)
        if wait_s:
            times_s.append(times_s[-1] + wait_s)
            points.append(points[-1])
    return Drive(times_s, points)


def _corner_s(streets: Streets, leg: Leg, following: Leg, rng: random.Random) -> float:
    """Return how long the corner between two legs takes."""
    if leg.corner is not None and streets.is_signalled(leg.corner):
        return rng.uniform(*LIGHT_WAIT_S) if rng.random() < LIGHT_RED_SHARE else 0.0
    turning_s = TURN_S if _turn_deg(leg, following) > 35 else 0.0
    return turning_s + (rng.uniform(*STOP_SIGN_S) if following.is_main and not leg.is_main else 0.0)


def _turn_deg(leg: Leg, following: Leg) -> float:
    (ax, ay), (bx, by) = leg.line[-2:]
    (cx, cy), (dx, dy) = following.line[:2]
    turn = math.degrees(math.atan2(dy - cy, dx - cx) - math.atan2(by - ay, bx - ax))
    return abs((turn + 180) % 360 - 180)
