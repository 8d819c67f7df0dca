"""The range around an ETA: quantiles of (actual / predicted) by horizon, widened or narrowed by today's misses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# Upper ends of the horizon bins, minutes; the last bin is open (reference/tracking.md 6).
BIN_ENDS_MIN = (3.0, 6.0, 10.0, 15.0, 25.0, 40.0)
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
TARGET_MISS = 0.2
STEP = 0.15
# Nothing nearer is promised than two fixes are apart, and a little more (our choice; reference/tracking.md 6 says two
# minutes, which held 96 of 100 of the nearest arrivals where 80 are meant).
MIN_HALF_WIDTH_S = 60.0
_LOOSEST, _TIGHTEST = 0.04, 0.6
# Predictions are remembered for so many of the next stops, to score them on arrival (our choice).
SCORED_STOPS = 10


def horizon_bin(remaining_s: float) -> int:
    """Return the number of the horizon bin, 0 for the nearest."""
    minutes = remaining_s / 60.0
    for index, end in enumerate(BIN_ENDS_MIN):
        if minutes < end:
            return index
    return len(BIN_ENDS_MIN)


@dataclass(frozen=True, slots=True)
class RatioQuantiles:
    """Quantiles of actual over predicted remaining time at ``LEVELS``, one row a horizon bin."""

    rows: tuple[tuple[float, ...], ...]

    def at(self, level: float, remaining_s: float) -> float:
        """Return the ratio at ``level`` (0 to 1), linear between the known levels and flat outside them."""
        return _ratio(self.rows[horizon_bin(remaining_s)], level)

    def interval(self, remaining_s: float, miss: float) -> tuple[float, float]:
        """Return the low and high remaining seconds that leave out ``miss`` of the cases; at least +-1 min wide."""
        low_s, high_s = self.bounds(remaining_s, miss)
        low_s = min(low_s, remaining_s - MIN_HALF_WIDTH_S)
        high_s = max(high_s, remaining_s + MIN_HALF_WIDTH_S)
        return max(low_s, 0.0), high_s

    def bounds(self, remaining_s: float, miss: float) -> tuple[float, float]:
        """Return what the ratios alone say: the range before it is held to its least width."""
        low, high = _bounds(self.rows[horizon_bin(remaining_s)], miss)
        return remaining_s * low, remaining_s * high


def _ratio(row: tuple[float, ...], level: float) -> float:
    if level <= LEVELS[0]:
        return row[0]
    for index in range(1, len(LEVELS)):
        if level <= LEVELS[index]:
            share = (level - LEVELS[index - 1]) / (LEVELS[index] - LEVELS[index - 1])
            return row[index - 1] + share * (row[index] - row[index - 1])
    return row[-1]


@lru_cache(maxsize=512)
def _bounds(row: tuple[float, ...], miss: float) -> tuple[float, float]:
    """Return the low and high ratio that leave out ``miss``; a route asks for the same ones once a stop."""
    return _ratio(row, miss / 2), _ratio(row, 1 - miss / 2)


def quantile(ordered: Sequence[float], level: float) -> float:
    """Return the quantile of a sorted, non-empty sequence, linear between neighbours."""
    position = level * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def weighted_quantile(ordered: Sequence[tuple[float, float]], level: float) -> float:
    """Return the quantile of sorted, non-empty (value, weight) pairs: the first value that reaches ``level``."""
    left = level * sum(weight for _, weight in ordered)
    for value, weight in ordered:
        left -= weight
        if left <= 0.0:
            return value
    return ordered[-1][0]


@dataclass(slots=True)
class Conformal:
    """Holds today's coverage near 80 %: each arrival tells how many of its predictions missed.

    ``pending`` maps a stop to its predictions by horizon bin, as (low, high) epoch seconds.
    """

    miss: float = TARGET_MISS
    pending: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)

    def remember(self, stop_id: str, *, horizon: int, low_at: float, high_at: float) -> None:
        """Keep the first prediction made for ``stop_id`` in this horizon bin."""
        self.pending.setdefault(stop_id, {}).setdefault(str(horizon), (low_at, high_at))

    def settle(self, stop_id: str, arrived_at: float) -> None:
        """Score what was predicted for ``stop_id`` and adapt the share that may be missed."""
        predictions = self.pending.pop(stop_id, {})
        if not predictions:
            return
        missed = sum(not low <= arrived_at <= high for low, high in predictions.values())
        self.miss += STEP * (TARGET_MISS - missed / len(predictions))
        self.miss = min(max(self.miss, _LOOSEST), _TIGHTEST)

    def forget(self, stop_id: str) -> None:
        """Drop the predictions of a stop that will not be visited, or not in the order they assumed."""
        self.pending.pop(stop_id, None)

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values."""
        pending = {
            stop_id: {horizon: [round(low), round(high)] for horizon, (low, high) in rows.items()}
            for stop_id, rows in self.pending.items()
        }
        return {"miss": round(self.miss, 4), "pending": pending}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Conformal":
        """Return what ``dump`` wrote."""
        pending = {
            stop_id: {horizon: (float(low), float(high)) for horizon, (low, high) in rows.items()}
            for stop_id, rows in state["pending"].items()
        }
        return cls(state["miss"], pending)
