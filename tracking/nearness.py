"""Nearness: when the truck is near enough for a recipient to be told so."""

from dataclasses import dataclass
from datetime import datetime

from tracking.eta import Estimate

USUAL_MINUTES = 15  # DESIGN 4: "no stop before, or median ETA <= 15 min"


@dataclass(frozen=True, slots=True)
class Nearness:
    """What counts as near: so many ``minutes`` away by the median or, with ``or_next``, no stop before theirs."""

    minutes: int = USUAL_MINUTES
    or_next: bool = True

    def holds(self, estimate: Estimate, now: datetime) -> bool:
        """Tell whether the truck is near the stop that ``estimate`` is about."""
        if self.or_next and estimate.stops_before == 0:
            return True
        return (estimate.eta_at - now).total_seconds() <= self.minutes * 60


USUAL_NEARNESS = Nearness()
