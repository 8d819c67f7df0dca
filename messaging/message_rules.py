"""Rules that staff set for a kind: on or off, when it comes, its quiet hours; from forms, to the record and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from babel import Locale

from messaging.clock_words import SOURCE_LANGUAGE, hour_words
from messaging.errors import MessagingError
from messaging.hours import Quiet, quiet_of
from messaging.kinds import RULES, Kind
from messaging.plan_after import DELIVERED_AFTER
from messaging.plan_ahead import DAY_BEFORE_AT, DAYS_BEFORE, MORNING_AT
from messaging.schedule import PLANNED_KINDS, KindSetting, Rules
from tracking.nearness import USUAL_NEARNESS, Nearness

USUAL_AT = {Kind.DAY_BEFORE: DAY_BEFORE_AT, Kind.MORNING_OF: MORNING_AT}  # the kinds that come at an hour of the day
MOST_DAYS_BEFORE = 3  # our choice: farther ahead than that people forget
# The page rounds to five minutes, so nearer than that the truck may be there first; farther than an hour is no "next".
LEAST_MINUTES, MOST_MINUTES = 5, 60
MOST_WAIT_S = 600  # as long as the driver can take the tap back (DESIGN 4)
USUAL_WAIT_S = int(DELIVERED_AFTER.total_seconds())
EARLIEST, LATEST = time(6), time(22)  # nobody is written to outside of these, whatever is set (our choice)


class BadRule(MessagingError):
    """A setting makes no sense. The text says why."""


@dataclass(frozen=True, slots=True)
class KindRules:
    """What staff chose for one kind; None leaves the usual."""

    is_on: bool
    at: time | None = None
    days_before: int | None = None
    quiet: Quiet | None = None
    nearness: Nearness | None = None
    wait_s: int | None = None  # after the driver's tap

    def content(self, on_since: datetime | None) -> dict[str, Any]:
        """Return what is kept."""
        return {
            "is_on": self.is_on,
            "at": None if self.at is None else f"{self.at:%H:%M}",
            "days_before": self.days_before,
            "quiet": None if self.quiet is None else [f"{self.quiet.since:%H:%M}", f"{self.quiet.until:%H:%M}"],
            "on_since": None if on_since is None else on_since.isoformat(),
            "minutes_away": None if self.nearness is None else self.nearness.minutes,
            "or_next": None if self.nearness is None else self.nearness.or_next,
            "wait_s": self.wait_s,
        }


def shipped_rules(kind: Kind) -> KindRules:
    """Return the rules as they ship."""
    return KindRules(RULES[kind].on_by_default)


def usual_quiet(kind: Kind) -> Quiet | None:
    """Return the quiet hours a kind keeps when staff set none; for changes those of a day without a route."""
    return quiet_of(kind, is_under_way=False)


def rules_from(kind: Kind, content: Mapping[str, Any]) -> KindRules:
    """Return kept rules; empty content is what ships."""
    if not content:
        return shipped_rules(kind)
    at, quiet, minutes = content.get("at"), content.get("quiet"), content.get("minutes_away")
    return KindRules(
        is_on=bool(content["is_on"]),
        at=None if at is None else time.fromisoformat(at),
        days_before=content.get("days_before"),
        quiet=None if quiet is None else Quiet(time.fromisoformat(quiet[0]), time.fromisoformat(quiet[1])),
        nearness=None if minutes is None else Nearness(minutes, bool(content.get("or_next", True))),
        wait_s=content.get("wait_s"),
    )


def on_since(kind: Kind, before: Mapping[str, Any], wanted: KindRules, now: datetime) -> datetime | None:
    """Return since when a kind is on, for the record: switched on now, what was due before is not told afterwards."""
    if not wanted.is_on:
        return None
    if not rules_from(kind, before).is_on:
        return now
    kept = before.get("on_since")
    return None if kept is None else datetime.fromisoformat(kept)


def checked(kind: Kind, wanted: KindRules) -> KindRules:
    """Return the rules as they are kept; raises ``BadRule`` with a sentence for staff."""
    if kind not in PLANNED_KINDS:
        raise BadRule("This message answers somebody, so it is always on and has no hours to set.")
    at = wanted.at if kind in USUAL_AT else None
    days = wanted.days_before if kind is Kind.DAY_BEFORE else None
    if days is not None and not 1 <= days <= MOST_DAYS_BEFORE:
        raise BadRule(f"Choose between 1 and {MOST_DAYS_BEFORE} days before.")
    near = wanted.nearness if kind is Kind.NEXT_STOP else None
    if near is not None and not LEAST_MINUTES <= near.minutes <= MOST_MINUTES:
        raise BadRule(f"Choose between {LEAST_MINUTES} and {MOST_MINUTES} minutes away.")
    wait_s = wanted.wait_s if kind is Kind.DELIVERED else None
    if wait_s is not None and not 0 <= wait_s <= MOST_WAIT_S:
        raise BadRule(f"Choose between 0 and {MOST_WAIT_S} seconds: later than that the driver cannot take it back.")
    quiet = wanted.quiet or usual_quiet(kind)
    if wanted.quiet is not None:
        _check_quiet(wanted.quiet)
    moment = at or USUAL_AT.get(kind)
    if moment is not None and quiet is not None and not quiet.until <= moment < quiet.since:
        raise BadRule(
            f"{_hour(moment)} lies in the quiet hours. Choose an hour from {_hour(quiet.until)} on, before "
            f"{_hour(quiet.since)}, or change the quiet hours."
        )
    return KindRules(
        wanted.is_on,
        None if at == USUAL_AT.get(kind) else at,
        None if days == DAYS_BEFORE else days,
        None if wanted.quiet == usual_quiet(kind) else wanted.quiet,
        None if near == USUAL_NEARNESS else near,
        None if wait_s == USUAL_WAIT_S else wait_s,
    )


def _check_quiet(quiet: Quiet) -> None:
    if quiet.until >= quiet.since:
        raise BadRule("Quiet hours begin in the evening and end in the morning: the end must be the earlier hour.")
    if quiet.until < EARLIEST or quiet.since > LATEST:
        raise BadRule(f"Nobody is written to before {_hour(EARLIEST)} or after {_hour(LATEST)}.")


def _hour(at: time) -> str:
    return hour_words(at, Locale(SOURCE_LANGUAGE))


def merged(kept: Mapping[Kind, Mapping[str, Any]]) -> Rules:
    """Return the rules in force from what was kept for single kinds."""
    settings: dict[Kind, KindSetting] = {}
    quiet: dict[Kind, Quiet] = {}
    for kind in Kind:
        content = kept.get(kind, {})
        rules = rules_from(kind, content)
        since = content.get("on_since")
        began = None if since is None else datetime.fromisoformat(since)
        wait = None if rules.wait_s is None else timedelta(seconds=rules.wait_s)
        settings[kind] = KindSetting(rules.is_on, rules.at, rules.days_before, began, rules.nearness, wait)
        if rules.quiet is not None:
            quiet[kind] = rules.quiet
    return Rules(settings, quiet)
