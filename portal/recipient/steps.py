"""The four steps of a delivery, as the page draws them."""

from dataclasses import dataclass

from portal.i18n import Tongue
from portal.recipient.phases import Phase
from tracking.deliveries import Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``state`` is done, now, bad or ahead."""

    label: str
    state: str


_REACHED = {
    DeliveryStatus.SCHEDULED: 0,
    DeliveryStatus.LOADED: 1,
    DeliveryStatus.OUT_FOR_DELIVERY: 2,
    DeliveryStatus.ARRIVED: 2,
    DeliveryStatus.ATTEMPT_FAILED: 3,
    DeliveryStatus.DELIVERED: 3,
}


def steps_of(delivery: Delivery, phase: Phase, speak: Tongue) -> tuple[Step, ...]:
    """Return the steps; none where there is no progress to show (cancelled, returned, being moved)."""
    reached = _REACHED.get(delivery.status)
    if reached is None:
        return ()
    say = speak.say
    is_failed = phase is Phase.FAILED
    labels = (
        say("Planned"),
        say("Loaded"),
        say("At your door") if phase is Phase.ARRIVED else say("On the way"),
        say("Not delivered") if is_failed else say("Delivered"),
    )
    return tuple(Step(label, _state(index, reached, phase)) for index, label in enumerate(labels))


def _state(index: int, reached: int, phase: Phase) -> str:
    if index < reached or phase is Phase.DELIVERED:
        return "done"
    if index > reached:
        return "ahead"
    return "bad" if phase in {Phase.FAILED, Phase.NOT_LOADED} else "now"
