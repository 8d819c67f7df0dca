"""Where a delivery stands in the eyes of its recipient. Pure."""

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from tracking.deliveries import Delivery, DeliveryStatus
from tracking.promise import ARRIVING_NOW_S


class Phase(StrEnum):
    """What the page is about. Finer than the status: a scheduled delivery of next week is not one of today."""

    AHEAD = "ahead"
    TODAY = "today"
    NOT_LOADED = "not_loaded"
    ON_THE_WAY = "on_the_way"
    NEXT = "next"
    NOW = "now"
    ARRIVED = "arrived"
    DELIVERED = "delivered"
    FAILED = "failed"
    MOVING = "moving"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    OVERDUE = "overdue"


UNDER_WAY = frozenset({Phase.ON_THE_WAY, Phase.NEXT, Phase.NOW})

_BY_STATUS = {
    DeliveryStatus.ARRIVED: Phase.ARRIVED,
    DeliveryStatus.DELIVERED: Phase.DELIVERED,
    DeliveryStatus.ATTEMPT_FAILED: Phase.FAILED,
    DeliveryStatus.RESCHEDULED: Phase.MOVING,
    DeliveryStatus.RETURNED: Phase.RETURNED,
    DeliveryStatus.CANCELLED: Phase.CANCELLED,
}


def phase_of(delivery: Delivery, now: datetime) -> Phase:
    """Return the phase at ``now`` of a delivery that was loaded whole."""
    if (known := _BY_STATUS.get(delivery.status)) is not None:
        return known
    if delivery.status is DeliveryStatus.OUT_FOR_DELIVERY:
        return _on_the_way(delivery, now)
    today = now.astimezone(ZoneInfo(delivery.zone)).date()
    if delivery.service_on < today:
        return Phase.OVERDUE
    if delivery.not_loaded_reason is not None:
        return Phase.NOT_LOADED
    return Phase.TODAY if delivery.service_on == today else Phase.AHEAD


def _on_the_way(delivery: Delivery, now: datetime) -> Phase:
    stop = delivery.stop
    if stop.stops_before != 0:
        return Phase.ON_THE_WAY
    if stop.eta_at is not None and stop.eta_basis == "live":
        left_s = (stop.eta_at - now).total_seconds()
        if left_s < ARRIVING_NOW_S:
            return Phase.NOW
    return Phase.NEXT
