"""The form of a message's rules: what it shows, and what was typed into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time

from messaging.errors import MessagingError
from messaging.hours import Quiet
from messaging.kinds import Kind
from messaging.message_rules import (
    LEAST_MINUTES,
    MOST_DAYS_BEFORE,
    MOST_MINUTES,
    MOST_WAIT_S,
    USUAL_AT,
    USUAL_WAIT_S,
    BadRule,
    KindRules,
    checked,
    usual_quiet,
)
from messaging.plan_ahead import DAYS_BEFORE
from portal.staff.rule_words import hours_words, meaning
from tracking.nearness import USUAL_NEARNESS, Nearness


@dataclass(frozen=True, slots=True)
class TypedRules:
    """What a form of rules held, the rules it means, and else why it means none."""

    fields: Mapping[str, str]
    rules: KindRules | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RuleForm:
    """The form with what is chosen, within which bounds, and what that means. None is a field the kind has not."""

    is_on: bool
    at: str | None
    days_before: str | None
    minutes_away: str | None
    or_next: bool
    wait_s: str | None
    quiet_since: str
    quiet_until: str
    usual_quiet: str
    meaning: str
    problem: str
    why: str
    seen: int
    most_days: int = MOST_DAYS_BEFORE
    least_minutes: int = LEAST_MINUTES
    most_minutes: int = MOST_MINUTES
    most_wait_s: int = MOST_WAIT_S


def rule_form(kind: Kind, rules: KindRules, seen: int, typed: TypedRules | None = None) -> RuleForm:
    """Return the form of the rules in force, or of what was ``typed``. ``seen`` is the newest version's number."""
    own = _fields(kind, rules)
    fields = own if typed is None else {name: typed.fields.get(name, "") for name in own}
    shown = rules if typed is None else typed.rules
    return RuleForm(
        is_on=fields["is_on"] == "yes",
        at=fields.get("at"),
        days_before=fields.get("days_before"),
        minutes_away=fields.get("minutes_away"),
        or_next=fields.get("or_next") == "yes",
        wait_s=fields.get("wait_s"),
        quiet_since=fields["quiet_since"],
        quiet_until=fields["quiet_until"],
        usual_quiet=hours_words(usual_quiet(kind)),
        meaning="" if shown is None else meaning(kind, shown),
        problem="" if typed is None else typed.problem,
        why="" if typed is None else typed.fields.get("why", ""),
        seen=seen,
    )


def typed_rules(kind: Kind, fields: Mapping[str, str]) -> TypedRules:
    """Return what a form means for a kind."""
    try:
        return TypedRules(fields, checked(kind, _read(kind, fields)))
    except MessagingError as error:
        return TypedRules(fields, None, str(error))


def _fields(kind: Kind, rules: KindRules) -> dict[str, str]:
    """Return the fields of a kind's form, filled with its rules."""
    at, quiet = rules.at or USUAL_AT.get(kind), rules.quiet or usual_quiet(kind)
    fields = {
        "is_on": "yes" if rules.is_on else "",
        "quiet_since": "" if quiet is None else f"{quiet.since:%H:%M}",
        "quiet_until": "" if quiet is None else f"{quiet.until:%H:%M}",
    }
    if at is not None:
        fields["at"] = f"{at:%H:%M}"
    if kind is Kind.DAY_BEFORE:
        fields["days_before"] = str(rules.days_before or DAYS_BEFORE)
    if kind is Kind.NEXT_STOP:
        near = rules.nearness or USUAL_NEARNESS
        fields |= {"minutes_away": str(near.minutes), "or_next": "yes" if near.or_next else ""}
    if kind is Kind.DELIVERED:
        fields["wait_s"] = str(USUAL_WAIT_S if rules.wait_s is None else rules.wait_s)
    return fields


def _read(kind: Kind, fields: Mapping[str, str]) -> KindRules:
    """Return the rules as they were typed; raises ``BadRule``."""
    since, until = _time(fields, "quiet_since"), _time(fields, "quiet_until")
    if (since is None) != (until is None):
        raise BadRule("Quiet hours need a beginning and an end.")
    minutes = _number(fields, "minutes_away", "minutes")
    return KindRules(
        is_on=fields.get("is_on") == "yes",
        at=_time(fields, "at"),
        days_before=_number(fields, "days_before", "days"),
        quiet=None if since is None or until is None else Quiet(since, until),
        nearness=None if minutes is None else Nearness(minutes, fields.get("or_next") == "yes"),
        wait_s=_number(fields, "wait_s", "seconds"),
    )


def _time(fields: Mapping[str, str], name: str) -> time | None:
    told = fields.get(name, "").strip()
    if not told:
        return None
    try:
        return time.fromisoformat(told).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        raise BadRule("Write an hour as 18:00.") from None


def _number(fields: Mapping[str, str], name: str, unit: str) -> int | None:
    """Return a whole number; None where the field is left out or empty, which means the usual."""
    told = fields.get(name, "").strip()
    if not told:
        return None
    if not (told.isascii() and told.isdecimal() and len(told) < 7):
        raise BadRule(f"Write a whole number of {unit}.")
    return int(told)
