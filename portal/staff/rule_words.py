"""The rules of a message in plain words: when it goes out, what that means, and what a version of them says."""

from collections.abc import Mapping
from datetime import time
from typing import Any

from messaging.clock_words import hour_words
from messaging.hours import UNDER_WAY_QUIET, Quiet, quiet_of
from messaging.kinds import RULES, Kind, Promise
from messaging.message_rules import USUAL_AT, USUAL_WAIT_S, KindRules, rules_from, usual_quiet
from messaging.plan_ahead import DAY_BEFORE_UNTIL, DAYS_BEFORE
from portal.staff.words import FORMATS
from tracking.nearness import USUAL_NEARNESS

_WHEN: dict[Kind, str] = {
    Kind.SCHEDULED: "When a delivery is imported",
    Kind.OUT_FOR_DELIVERY: "When the route starts",
    Kind.DELAYED: "When it will come later than was promised, twice a day at most",
    Kind.ARRIVED: "When the truck is at the door",
    Kind.RATING_REQUEST: "In the next good hour, when “Delivered” could not carry the question",
    Kind.ATTEMPT_FAILED: "As soon as the driver says so",
    Kind.RESCHEDULED: "As soon as it comes on another day",
    Kind.CANCELLED: "As soon as it is cancelled",
    Kind.CORRECTION: "When a text that went out is wrong by now",
    Kind.CASE_FOLLOW_UP: "When staff write about a complaint",
    Kind.CHAT: "When somebody writes who is not on the page",
    Kind.REPLY: "In answer to a text",
    Kind.DRIVER_LINK: "When the driver's day is near",
}


def when(kind: Kind, rules: KindRules) -> str:
    """Return in words when a kind goes out."""
    at = rules.at or USUAL_AT.get(kind)
    if kind is Kind.DAY_BEFORE and at is not None:
        days = rules.days_before or DAYS_BEFORE
        return f"At {hour(at)}, " + ("the day before" if days == 1 else f"{days} days before")
    if kind is Kind.MORNING_OF and at is not None:
        return f"At {hour(at)} on the day, unless the window opens within the hour"
    if kind is Kind.NEXT_STOP:
        near = rules.nearness or USUAL_NEARNESS
        away = f"When the truck is {near.minutes} minutes away"
        return f"{away}, or has no stop before" if near.or_next else f"{away}, however many stops come before"
    if kind is Kind.DELIVERED:
        return _after_tap(USUAL_WAIT_S if rules.wait_s is None else rules.wait_s)
    return _WHEN[kind]


def meaning(kind: Kind, rules: KindRules) -> str:
    """Return sentences that say what the rules mean for a recipient."""
    if not rules.is_on:
        off = "It does not go out."
        return f"{off} “Delivered” still asks how it was, outside these hours." if kind is Kind.RATING_REQUEST else off
    told = when(kind, rules)
    said = [f"It goes out {told[0].lower()}{told[1:]}.", *_more(kind, rules)]
    quiet = rules.quiet or usual_quiet(kind)
    if quiet is not None:
        said.append(_quiet_words(kind, quiet, is_usual=rules.quiet is None))
    return " ".join(said)


def hour(at: time) -> str:
    """Return an hour of the day as staff read it."""
    return hour_words(at, FORMATS)


def hours_words(quiet: Quiet | None) -> str:
    """Return quiet hours as a range."""
    return "none" if quiet is None else f"{hour(quiet.since)} to {hour(quiet.until)}"


def rules_words(kind: Kind, content: Mapping[str, Any]) -> str:
    """Return what one version of the rules says."""
    rules = rules_from(kind, content)
    told = ["on" if rules.is_on else "off"]
    if kind in USUAL_AT or kind in {Kind.NEXT_STOP, Kind.DELIVERED}:
        told.append(when(kind, rules).lower())
    told.append(f"quiet hours {hours_words(rules.quiet or usual_quiet(kind))}")
    return ", ".join(told).capitalize()


def _after_tap(seconds: int) -> str:
    if not seconds:
        return "At the driver's tap"
    minutes, rest = divmod(seconds, 60)
    parts = [f"{minutes} minute{'' if minutes == 1 else 's'}"] if minutes else []
    parts += [f"{rest} second{'' if rest == 1 else 's'}"] if rest else []
    return f"{' '.join(parts)} after the driver's tap"


def _more(kind: Kind, rules: KindRules) -> list[str]:
    """Return what else is worth knowing of a kind's rules."""
    if kind is Kind.DAY_BEFORE:
        until = DAY_BEFORE_UNTIL if rules.quiet is None else rules.quiet.since
        return [f"What is imported after that is told at once, until {hour(until)} on the eve."]
    if kind is Kind.DELIVERED:
        if rules.wait_s == 0:
            return ["A tap by mistake is told too, and corrected by a second text."]
        return ["A tap that the driver takes back before that is never told."]
    if kind is Kind.RATING_REQUEST:
        return ["“Delivered” carries the question itself outside the quiet hours set here."]
    return []


def _quiet_words(kind: Kind, quiet: Quiet, *, is_usual: bool) -> str:
    said = f"Never from {hour(quiet.since)} to {hour(quiet.until)} by the clock where the parcel goes"
    if is_usual and quiet_of(kind, is_under_way=True) != quiet:
        of_the_day = f"{hour(UNDER_WAY_QUIET.since)} to {hour(UNDER_WAY_QUIET.until)}"
        said += f" (on the day itself, from {of_the_day})"
    if RULES[kind].promise is Promise.HAPPENING_NOW:
        return f"{said}; then it waits until {hour(quiet.until)}, and is left out if it would come too late to help."
    return f"{said}; then it waits until {hour(quiet.until)}."
