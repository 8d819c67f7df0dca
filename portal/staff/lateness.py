"""How late a delivery or a route is, and why. Pure: plain values in, words and minutes out."""

from dataclasses import dataclass
from datetime import datetime

from portal.staff.words import CAUSE, clock
from tracking.deliveries import Delivery, DeliveryStatus

_GONE = frozenset({DeliveryStatus.CANCELLED, DeliveryStatus.RESCHEDULED, DeliveryStatus.RETURNED})


@dataclass(frozen=True, slots=True)
class Lateness:
    """``minutes`` past the end of the promised window (0 when not late); ``is_at_risk``: the slow end would be late."""

    minutes: int
    is_at_risk: bool
    word: str
    why: str

    @property
    def tone(self) -> str:
        """The badge's tone."""
        return "bad" if self.minutes else "warn" if self.is_at_risk else "ok"


def lateness(delivery: Delivery, now: datetime) -> Lateness | None:
    """Return how late a delivery was, is, or will be against its promised window; None when nothing can be said.

    What happened counts before what is estimated; without either, a window that has ended is late already.
    """
    stop = delivery.stop
    if delivery.status in _GONE:
        return None
    arrived_at = delivery.arrived_at or delivery.delivered_at or stop.arrived_at
    if arrived_at is not None:
        minutes = _minutes_after(arrived_at, delivery.window_end_at)
        word = f"{minutes} min late" if minutes else "On time"
        return Lateness(minutes, False, word, _why(delivery) if minutes else "")
    expected_at = max(stop.eta_at, now) if stop.eta_at else None
    minutes = _minutes_after(expected_at or now, delivery.window_end_at)
    if minutes:
        known = f"{minutes} min late, expected {clock(expected_at, delivery.zone)}"
        return Lateness(minutes, False, known if expected_at else "Window is over", _why(delivery))
    if expected_at is None:
        return None
    is_at_risk = stop.eta_hi_at is not None and stop.eta_hi_at > delivery.window_end_at
    return Lateness(0, is_at_risk, "Could be late" if is_at_risk else "On time", _why(delivery) if is_at_risk else "")


def needs_eyes(delivery: Delivery, now: datetime) -> Lateness | None:
    """Return the lateness of a delivery that is still open and late, or None."""
    if not delivery.is_open:
        return None
    found = lateness(delivery, now)
    return found if found and found.minutes else None


def _why(delivery: Delivery) -> str:
    cause = delivery.stop.eta_cause or delivery.promise_cause
    if cause in CAUSE:
        return CAUSE[cause]
    if delivery.stop.route.started_at is None and delivery.stop.arrived_at is None:
        return "the route has not started"
    return ""


def _minutes_after(at: datetime, end_at: datetime) -> int:
    return max(0, int((at - end_at).total_seconds() // 60))
