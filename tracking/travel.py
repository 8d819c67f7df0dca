"""Travel times between places: the seam for a road engine, and the straight line that needs none."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from tracking.geo import LatLon, distance_m

# Seconds a kilometre of straight line: the start value of reference/tracking.md 6.
STRAIGHT_PACE_S_PER_KM = 150.0


class Leg(NamedTuple):
    """Travel from one place to the next. ``seconds`` are the engine's own; the learned factor comes on top."""

    seconds: float
    meters: float


class TravelTimes(Protocol):
    """What answers how long a leg takes. It may say ``None`` (no answer), and then the straight line is used."""

    name: str

    def legs(self, points: Sequence[LatLon]) -> list[Leg] | None:
        """Return the legs between consecutive ``points`` (one fewer than points), or None without an answer."""

    def to_many(self, origin: LatLon, targets: Sequence[LatLon]) -> list[Leg | None]:
        """Return one leg from ``origin`` to each of ``targets``; None where there is no answer."""


class StraightLine:
    """Straight lines at one pace. Never fails, costs microseconds."""

    name = "straight"

    def __init__(self, pace_s_per_km: float = STRAIGHT_PACE_S_PER_KM) -> None:
        self._s_per_m = pace_s_per_km / 1000.0

    def _leg(self, a: LatLon, b: LatLon) -> Leg:
        meters = distance_m(a, b)
        return Leg(seconds=meters * self._s_per_m, meters=meters)

    def legs(self, points: Sequence[LatLon]) -> list[Leg]:
        """Return the straight legs between consecutive points."""
        return [self._leg(a, b) for a, b in pairwise(points)]

    def to_many(self, origin: LatLon, targets: Sequence[LatLon]) -> list[Leg | None]:
        """Return the straight leg from ``origin`` to each target."""
        return [self._leg(origin, target) for target in targets]
