"""Chat states: who can write in a thread, with whom, and when it closes (DESIGN 8). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from messaging.chat_lines import Voice, first_name
from tracking.deliveries import UNDER_WAY, Delivery, DeliveryStatus
from tracking.routes import RouteStatus

SUPPORT_AFTER_END = timedelta(hours=24)  # DESIGN 8
# In these the driver of a started route still has something to do with the goods.
_WITH_DRIVER = UNDER_WAY | {DeliveryStatus.LOADED, DeliveryStatus.ATTEMPT_FAILED}
_ENDED = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED})

_SUPPORT_ANSWERS = (
    "Support answers now, so you need not. You can read along. What you write still reaches the recipient and support."
)

WithWhom = Literal["driver", "support", "closed"]
Code = Literal["driver", "driving", "taken_over", "before", "after", "waiting_for_start", "finished", "closed", "staff"]


@dataclass(frozen=True, slots=True)
class ChatState:
    """Whether the reader may write, who reads it, and a sentence that says so. ``code`` is for translations."""

    is_open: bool
    with_whom: WithWhom
    sentence: str
    code: Code


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What the rules read. ``ended_at`` is when the delivery was delivered, returned or cancelled."""

    status: DeliveryStatus
    route_status: RouteStatus
    ended_at: datetime | None
    driver_name: str
    is_taken_over: bool = False
    driver_is_moving: bool = False


def facts_of(delivery: Delivery, *, is_taken_over: bool, driver_is_moving: bool = False) -> ChatFacts:
    """Return the facts of a delivery that was loaded whole."""
    ended = delivery.status in _ENDED
    return ChatFacts(
        status=delivery.status,
        route_status=delivery.stop.route.status,
        ended_at=(delivery.delivered_at or delivery.status_at) if ended else None,
        driver_name=first_name(delivery.stop.route.driver.name),
        is_taken_over=is_taken_over,
        driver_is_moving=driver_is_moving,
    )


def chat_state(facts: ChatFacts, *, audience: Voice, now: datetime, contact: str = "") -> ChatState:
    """Return what ``audience`` may do at ``now``. ``contact`` is how to reach the company once the thread is closed."""
    if audience is Voice.DRIVER:
        return _for_driver(facts)
    if audience is Voice.RECIPIENT:
        return _for_recipient(facts, now, contact)
    return ChatState(True, _reader(facts, now), "You write as support.", "staff")


def driver_can_write(facts: ChatFacts) -> bool:
    """True from the start of the route until the delivery is over or the route is finished."""
    if facts.route_status is RouteStatus.STARTED:
        return facts.status in _WITH_DRIVER
    return facts.status in UNDER_WAY and facts.route_status is RouteStatus.PLANNED


def _reader(facts: ChatFacts, now: datetime) -> WithWhom:
    if facts.ended_at is not None and now - facts.ended_at >= SUPPORT_AFTER_END:
        return "closed"
    return "driver" if driver_can_write(facts) and not facts.is_taken_over else "support"


def _for_recipient(facts: ChatFacts, now: datetime, contact: str) -> ChatState:
    reader = _reader(facts, now)
    if reader == "closed":
        reach = f" You can reach us at {contact}." if contact else ""
        return ChatState(False, "closed", f"This chat is closed.{reach}", "closed")
    if reader == "driver" and facts.driver_is_moving:
        sentence = f"{facts.driver_name} is driving and will see it at the next stop."
        return ChatState(True, "driver", sentence, "driving")
    if reader == "driver":
        return ChatState(True, "driver", f"You are writing with {facts.driver_name}, your driver.", "driver")
    if facts.is_taken_over:
        return ChatState(True, "support", "Support has taken over and reads your messages.", "taken_over")
    if facts.ended_at is not None or facts.route_status is RouteStatus.FINISHED:
        return ChatState(True, "support", "The driver is done. Support reads your messages.", "after")
    return ChatState(True, "support", "The driver is not on the way yet. Support reads your messages.", "before")


def _for_driver(facts: ChatFacts) -> ChatState:
    if not driver_can_write(facts):
        if facts.ended_at is None and facts.route_status is RouteStatus.PLANNED:
            return ChatState(False, "closed", "The chat opens when you start the route.", "waiting_for_start")
        return ChatState(False, "closed", "This chat is closed for you. Support has it now.", "finished")
    if facts.is_taken_over:
        return ChatState(True, "support", _SUPPORT_ANSWERS, "taken_over")
    return ChatState(True, "driver", "You are writing with the recipient.", "driver")
