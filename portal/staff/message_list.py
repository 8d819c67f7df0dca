"""Every kind of message in its group, with its rules in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from messaging.kinds import RULES, Kind, Reach
from messaging.message_rules import KindRules, rules_from
from messaging.message_versions import MessageVersion, newest, rules_part
from messaging.schedule import PLANNED_KINDS
from portal.staff import words
from portal.staff.rule_words import when
from portal.staff.words import Badge
from tracking.nearness import USUAL_MINUTES

GROUPS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    ("Before the day", (Kind.SCHEDULED, Kind.DAY_BEFORE, Kind.MORNING_OF)),
    ("On the way", (Kind.OUT_FOR_DELIVERY, Kind.NEXT_STOP, Kind.DELAYED, Kind.ARRIVED)),
    ("What came of it", (Kind.DELIVERED, Kind.RATING_REQUEST, Kind.ATTEMPT_FAILED)),
    ("When something changes", (Kind.RESCHEDULED, Kind.CANCELLED, Kind.CORRECTION)),
    ("Answers and links", (Kind.CASE_FOLLOW_UP, Kind.CHAT, Kind.REPLY, Kind.DRIVER_LINK)),
)
REACH: dict[Reach, str] = {
    Reach.ALL: "text and email",
    Reach.SMS_ELSE_EMAIL: "text, else email",
    Reach.WHERE_THE_PERSON_IS: "where the person is",
}


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind in the list."""

    href: str
    name: str
    when: str
    reach: str
    state: Badge
    edited: str


def groups_of(session: Session) -> list[tuple[str, list[KindRow]]]:
    """Return every kind in its group."""
    kept = newest(session)
    return [(name, [_row(kind, kept) for kind in kinds]) for name, kinds in GROUPS]


def _row(kind: Kind, kept: Mapping[str, MessageVersion]) -> KindRow:
    edited = [part for part, version in kept.items() if part.startswith(f"{kind}/") and version.content]
    texts = [part for part in edited if not part.endswith("/rules")]
    rules = rules_now(kind, kept)
    return KindRow(
        href=f"/staff/messages/{kind}",
        name=words.KIND[kind],
        when=when(kind, rules),
        reach=REACH[RULES[kind].reach],
        state=state_of(kind, rules),
        edited=words.count(len(texts), "text edited", "texts edited") if texts else "",
    )


def rules_now(kind: Kind, kept: Mapping[str, MessageVersion]) -> KindRules:
    version = kept.get(rules_part(kind))
    return rules_from(kind, {} if version is None else version.content)


def away_min(kind: Kind, kept: Mapping[str, MessageVersion]) -> int:
    """Return how many minutes away the truck is when a kind goes out as its rules are now."""
    near = rules_now(kind, kept).nearness
    return USUAL_MINUTES if near is None else near.minutes


def state_of(kind: Kind, rules: KindRules) -> Badge:
    if kind not in PLANNED_KINDS:
        return Badge("Always on", "plain")
    return Badge("On", "ok") if rules.is_on else Badge("Off", "plain")
