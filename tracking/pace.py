"""How fast this truck gets on today: pace and service time, each shrunk towards what history expects.

The un-shrunk current speed makes an ETA jump; shrinkage is the largest single gain (reference/tracking.md 3).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The half-life of what was driven: 1800 s was as right as the 900 s of tracking.md on the development runs, and calmer.
HALF_LIFE_S = 1800.0
# An arrival is back-dated by less than this; until then a piece of driving can still be taken back.
SETTLE_S = 600.0
# Observations that the expected service time is worth; tracking.md 6 says 4, replay on the development runs 6.
PRIOR_SERVICES = 6.0


def _kept(age_s: float) -> float:
    return math.pow(0.5, max(0.0, age_s) / HALF_LIFE_S)


@dataclass(slots=True)
class Pace:
    """The ratio of driven time to the travel engine's time. Standing at a stop does not count.

    ``pieces`` are recent (end, driven seconds, engine seconds); older ones are settled into the sums.
    """

    driven_s: float = 0.0
    engine_s: float = 0.0
    settled_at: float = 0.0
    pieces: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, *, until: float, driven_s: float, engine_s: float) -> None:
        """Count ``driven_s`` of driving that ended at ``until`` (epoch seconds) and got ``engine_s`` further.

        ``engine_s`` is negative where the truck had to go round.
        """
        self.pieces.append((until, driven_s, engine_s))
        while self.pieces and self.pieces[0][0] < until - SETTLE_S:
            self._settle(*self.pieces.pop(0))

    def _settle(self, until: float, driven_s: float, engine_s: float) -> None:
        kept = _kept(until - self.settled_at) if self.settled_at else 0.0
        self.driven_s = self.driven_s * kept + driven_s
        self.engine_s = self.engine_s * kept + engine_s
        self.settled_at = until

    def take_back(self, since: float) -> None:
        """Forget the driving after ``since``: the truck was standing at a stop."""
        self.pieces = [piece for piece in self.pieces if piece[0] <= since]

    def factor(self, prior: float, *, trust_s: float, now: float) -> float:
        """Return real seconds for each engine second, between a third and three times ``prior``.

        It is shrunk to ``prior``, which weighs as much as ``trust_s`` seconds of driving.
        """
        kept = _kept(now - self.settled_at)
        driven_s, engine_s = self.driven_s * kept, self.engine_s * kept
        for until, piece_s, piece_engine_s in self.pieces:
            kept = _kept(now - until)
            driven_s += piece_s * kept
            engine_s += piece_engine_s * kept
        shrunk = (trust_s + driven_s) / max(trust_s / prior + engine_s, 1.0)
        return min(max(shrunk, prior / 3), prior * 3)

    def dump(self) -> list[Any]:
        """Return plain JSON values."""
        pieces = [[round(x, 1) for x in piece] for piece in self.pieces]
        return [round(self.driven_s, 2), round(self.engine_s, 2), round(self.settled_at, 1), pieces]

    @classmethod
    def load(cls, state: list[Any]) -> "Pace":
        """Return what ``dump`` wrote."""
        driven_s, engine_s, settled_at, pieces = state
        return cls(driven_s, engine_s, settled_at, [(a, b, c) for a, b, c in pieces])


@dataclass(slots=True)
class ServicePace:
    """The ratio of today's service times to the expected ones."""

    observed_s: float = 0.0
    expected_s: float = 0.0
    count: int = 0

    def add(self, *, observed_s: float, expected_s: float) -> None:
        """Count one finished service."""
        self.observed_s += observed_s
        self.expected_s += expected_s
        self.count += 1

    def ratio(self, usual_s: float) -> float:
        """Return observed over expected, shrunk to 1 by ``PRIOR_SERVICES`` services of ``usual_s`` seconds."""
        weight_s = PRIOR_SERVICES * usual_s
        if weight_s + self.expected_s <= 0.0:
            return 1.0
        return (weight_s + self.observed_s) / (weight_s + self.expected_s)

    def dump(self) -> Mapping[str, float]:
        """Return plain JSON values."""
        return {"observed": round(self.observed_s, 1), "expected": round(self.expected_s, 1), "n": self.count}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "ServicePace":
        """Return what ``dump`` wrote."""
        return cls(state["observed"], state["expected"], int(state["n"]))
