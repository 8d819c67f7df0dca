"""Every kind of message in its group, with its rules in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from messaging.hours import Quiet
from messaging.kinds import RULES, Kind, Reach
from messaging.message_rules import USUAL_AT, KindRules, rules_from, usual_quiet
from messaging.message_versions import MessageVersion, newest, rules_part
from messaging.plan_ahead import DAYS_BEFORE
from messaging.schedule import PLANNED_KINDS
from portal.staff import words
from portal.staff.words import Badge

GROUPS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    ("Before the day", (Kind.SCHEDULED, Kind.DAY_BEFORE, Kind.MORNING_OF)),
    ("On the way", (Kind.OUT_FOR_DELIVERY, Kind.NEXT_STOP, Kind.DELAYED, Kind.ARRIVED)),
    ("What came of it", (Kind.DELIVERED, Kind.RATING_REQUEST, Kind.ATTEMPT_FAILED)),
    ("When something changes", (Kind.RESCHEDULED, Kind.CANCELLED, Kind.CORRECTION)),
    ("Answers and links", (Kind.CASE_FOLLOW_UP, Kind.CHAT, Kind.REPLY, Kind.DRIVER_LINK)),
)
_WHEN: dict[Kind, str] = {
    Kind.SCHEDULED: "When a delivery is imported",
    Kind.OUT_FOR_DELIVERY: "When the route starts",
    Kind.NEXT_STOP: "When no stop comes before, or it takes 15 minutes at most",
    Kind.DELAYED: "When it will come later than was promised; twice a day at most",
    Kind.ARRIVED: "When the truck is at the door",
    Kind.DELIVERED: "A minute after the driver's tap",
    Kind.RATING_REQUEST: "In the next good hour, when “Delivered” could not carry the question",
    Kind.ATTEMPT_FAILED: "At once",
    Kind.RESCHEDULED: "At once",
    Kind.CANCELLED: "At once",
    Kind.CORRECTION: "When a text that went out is wrong by now",
    Kind.CASE_FOLLOW_UP: "When staff write about a complaint",
    Kind.CHAT: "When somebody writes who is not on the page",
    Kind.REPLY: "In answer to a text",
    Kind.DRIVER_LINK: "When the driver's day is near",
}
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


def state_of(kind: Kind, rules: KindRules) -> Badge:
    if kind not in PLANNED_KINDS:
        return Badge("Always on", "plain")
    return Badge("On", "ok") if rules.is_on else Badge("Off", "plain")


def when(kind: Kind, rules: KindRules) -> str:
    """Return in words when a kind goes out."""
    at = rules.at or USUAL_AT.get(kind)
    if kind is Kind.DAY_BEFORE and at is not None:
        days = rules.days_before or DAYS_BEFORE
        return f"At {at:%H:%M}, " + ("the day before" if days == 1 else f"{days} days before")
    if kind is Kind.MORNING_OF and at is not None:
        return f"At {at:%H:%M} on the day, unless the window opens within the hour"
    return _WHEN[kind]


def hours_words(quiet: Quiet | None) -> str:
    return "none" if quiet is None else f"{quiet.since:%H:%M} to {quiet.until:%H:%M}"


def rules_words(kind: Kind, content: Mapping[str, Any]) -> str:
    rules = rules_from(kind, content)
    told = ["on" if rules.is_on else "off"]
    if kind in USUAL_AT:
        told.append(when(kind, rules).lower())
    told.append(f"quiet hours {hours_words(rules.quiet or usual_quiet(kind))}")
    return ", ".join(told).capitalize()
