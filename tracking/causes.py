"""Which of the day's troubles explains an estimate that moved: a short ledger of seconds won and lost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracking.eta import Cause

# Old losses fade; a reorder explains what changes soon after it (our choice).
HALF_LIFE_S = 1200.0
REORDER_S = 600.0
# Fewer seconds than this explain nothing.
NOTABLE_S = 60.0


@dataclass(slots=True)
class CauseLedger:
    """Seconds lost (or, negative, won) by cause, fading, and when the order was last changed (epoch seconds)."""

    lost: dict[Cause, float] = field(default_factory=dict)
    noted_at: float = 0.0
    reordered_at: float | None = None

    def note(self, cause: Cause, *, lost_s: float, at: float) -> None:
        """Add ``lost_s`` to what ``cause`` explains."""
        self._fade(at)
        self.lost[cause] = self.lost.get(cause, 0.0) + lost_s

    def _fade(self, at: float) -> None:
        self.lost = self._faded(at)
        self.noted_at = max(self.noted_at, at)

    def _faded(self, at: float) -> dict[Cause, float]:
        kept = math.pow(0.5, max(0.0, at - self.noted_at) / HALF_LIFE_S)
        return {cause: lost_s * kept for cause, lost_s in self.lost.items()}

    def main(self, now: float, *, overrun_s: float = 0.0) -> Cause | None:
        """Return the cause that explains most; ``overrun_s`` is what the stop under way takes too long already.

        ``EARLY`` when more was won than lost, None when nothing notable happened.
        """
        if self.reordered_at is not None and now - self.reordered_at <= REORDER_S:
            return Cause.REORDER
        lost = self._faded(now)
        lost[Cause.LONG_STOP] = lost.get(Cause.LONG_STOP, 0.0) + overrun_s
        cause, most_s = max(lost.items(), key=lambda item: item[1])
        if most_s >= NOTABLE_S:
            return cause
        return Cause.EARLY if sum(lost.values()) <= -NOTABLE_S else None

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lost = {cause.value: round(lost_s, 1) for cause, lost_s in self.lost.items()}
        return {"lost": lost, "at": self.noted_at, "reordered": self.reordered_at}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "CauseLedger":
        """Return what ``dump`` wrote."""
        lost = {Cause(word): float(lost_s) for word, lost_s in state["lost"].items()}
        return cls(lost, state["at"], state["reordered"])
