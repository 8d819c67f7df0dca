"""When a promise is broken: not at the first estimate that says so, but when it lasts and is more than noise.

A text that says "delayed" cannot be taken back, so it must be rare and right. The shown time may move at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tracking.eta import Estimate
from tracking.promise import breaks_promise

# The median must say so for so long, in so many looks (our choice: a red light, a way round or a bad fix is less).
LASTS = timedelta(minutes=2)
LOOKS = 4
# It must be beyond the window by this, and by this share of the way from the range's low end to the median: with 10 %
# of the cases below the low end, the delivery is then late about 2 times out of 3 or more.
LEAST_BEYOND = timedelta(minutes=4)
NOISE_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class _Suspicion:
    since: datetime
    looks: int


class Breaks:
    """Remembers which deliveries seem late, since when. What is forgotten with the process costs two minutes."""

    def __init__(self) -> None:
        self._suspected: dict[str, _Suspicion] = {}

    def is_broken(
        self, delivery_id: str, window: tuple[datetime, datetime], estimate: Estimate, *, now: datetime
    ) -> bool:
        """Tell whether the promise of this delivery is broken for good; call it at each look."""
        if now >= window[1]:
            self.forget(delivery_id)
            return True
        if not is_beyond_noise(window, estimate):
            self.forget(delivery_id)
            return False
        known = self._suspected.get(delivery_id) or _Suspicion(now, 0)
        known = _Suspicion(min(known.since, now), known.looks + 1)
        self._suspected[delivery_id] = known
        if known.looks < LOOKS or now - known.since < LASTS:
            return False
        self.forget(delivery_id)
        return True

    def forget(self, delivery_id: str) -> None:
        """Take back the suspicion, if there is one."""
        self._suspected.pop(delivery_id, None)


def is_beyond_noise(window: tuple[datetime, datetime], estimate: Estimate) -> bool:
    """Tell whether the median is after the window's end by more than an estimate wavers."""
    beyond = estimate.eta_at - window[1]
    noise = NOISE_SHARE * (estimate.eta_at - estimate.lo_at)
    return breaks_promise(window, estimate) and beyond >= max(LEAST_BEYOND, noise)
