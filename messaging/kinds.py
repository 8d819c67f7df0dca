"""The kinds of notification, what each one is for, and how it is treated (DESIGN 4 and 6)."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Channel(StrEnum):
    """How a notification travels."""

    SMS = "sms"
    EMAIL = "email"


class Kind(StrEnum):
    """What a notification says."""

    SCHEDULED = "scheduled"
    DAY_BEFORE = "day_before"
    MORNING_OF = "morning_of"
    OUT_FOR_DELIVERY = "out_for_delivery"
    NEXT_STOP = "next_stop"
    DELAYED = "delayed"
    ARRIVED = "arrived"
    DELIVERED = "delivered"
    RATING_REQUEST = "rating_request"
    ATTEMPT_FAILED = "attempt_failed"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"
    CORRECTION = "correction"
    CASE_FOLLOW_UP = "case_follow_up"
    CHAT = "chat"
    REPLY = "reply"
    DRIVER_LINK = "driver_link"


class Lane(IntEnum):
    """The order in which claims take what is due; happening-now is claimed apart."""

    NOW = 0
    CONVERSATION = 1
    MORNING = 2
    DAY_BEFORE = 3
    RATING = 4


class Promise(StrEnum):
    """Planned kinds: exactly once, late if they must be. Happening-now kinds: at most once."""

    PLANNED = "planned"
    HAPPENING_NOW = "happening_now"


class Reach(StrEnum):
    """Which of the recipient's channels carry a kind."""

    ALL = "all"
    SMS_ELSE_EMAIL = "sms_else_email"
    WHERE_THE_PERSON_IS = "where_the_person_is"


@dataclass(frozen=True, slots=True)
class KindRule:
    """How one kind is treated. ``segments`` is the SMS budget under worst-case data."""

    kind: Kind
    lane: Lane
    promise: Promise
    reach: Reach
    on_by_default: bool
    segments: int
    held_by_quiet_hours: bool = True


_N, _P = Promise.HAPPENING_NOW, Promise.PLANNED
RULES: dict[Kind, KindRule] = {
    rule.kind: rule
    for rule in (
        KindRule(Kind.SCHEDULED, Lane.DAY_BEFORE, _P, Reach.ALL, False, 2),
        KindRule(Kind.DAY_BEFORE, Lane.DAY_BEFORE, _P, Reach.ALL, True, 2),
        KindRule(Kind.MORNING_OF, Lane.MORNING, _P, Reach.ALL, True, 2),
        KindRule(Kind.OUT_FOR_DELIVERY, Lane.NOW, _N, Reach.ALL, False, 2),
        KindRule(Kind.NEXT_STOP, Lane.NOW, _N, Reach.SMS_ELSE_EMAIL, True, 2),
        KindRule(Kind.DELAYED, Lane.NOW, _N, Reach.SMS_ELSE_EMAIL, True, 2),
        KindRule(Kind.ARRIVED, Lane.NOW, _N, Reach.SMS_ELSE_EMAIL, False, 2),
        KindRule(Kind.DELIVERED, Lane.NOW, _P, Reach.ALL, True, 2),
        KindRule(Kind.RATING_REQUEST, Lane.RATING, _P, Reach.SMS_ELSE_EMAIL, True, 2),
        KindRule(Kind.ATTEMPT_FAILED, Lane.NOW, _P, Reach.ALL, True, 2),
        KindRule(Kind.RESCHEDULED, Lane.NOW, _P, Reach.ALL, True, 2),
        KindRule(Kind.CANCELLED, Lane.NOW, _P, Reach.ALL, True, 2),
        KindRule(Kind.CORRECTION, Lane.NOW, _P, Reach.ALL, True, 2),
        KindRule(Kind.CASE_FOLLOW_UP, Lane.CONVERSATION, _P, Reach.WHERE_THE_PERSON_IS, True, 2),
        KindRule(Kind.CHAT, Lane.CONVERSATION, _P, Reach.WHERE_THE_PERSON_IS, True, 8, held_by_quiet_hours=False),
        KindRule(Kind.REPLY, Lane.CONVERSATION, _P, Reach.WHERE_THE_PERSON_IS, True, 2, held_by_quiet_hours=False),
        KindRule(
            Kind.DRIVER_LINK, Lane.CONVERSATION, _P, Reach.WHERE_THE_PERSON_IS, True, 2, held_by_quiet_hours=False
        ),
    )
}
