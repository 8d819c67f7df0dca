"""What the page says, in the recipient's language. Pure: a delivery and what was seen in, sentences out."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from portal.i18n import Tongue
from portal.recipient.phases import UNDER_WAY, Phase
from portal.recipient.truck import Sighting
from tracking.deliveries import Delivery
from tracking.eta import Cause
from tracking.promise_ledger import Moved
from tracking.taps import FailureReason

# These say how things are, not that the time changed: when it did stands in a sentence of its own.
_NOT_ABOUT_A_CHANGE = frozenset({Cause.EARLY, Cause.WAITING})


@dataclass(frozen=True, slots=True)
class Words:
    """The promise as text. ``lead`` and ``big`` make one headline; ``span`` is the range; ``lines`` say more.

    ``tone`` colours it: calm, now, done, late or off. ``at`` is the instant the headline tells, while it tells one: how
    far it moves decides what is read aloud.
    """

    lead: str
    big: str
    span: str
    lines: tuple[str, ...]
    tone: str
    at: datetime | None = None

    @property
    def headline(self) -> str:
        """The headline as one sentence."""
        return f"{self.lead} {self.big}".strip()


def words_of(
    delivery: Delivery, phase: Phase, seen: Sighting, tongue: Tongue, now: datetime, moved: Moved | None = None
) -> Words:
    """Return what to say of a delivery that was loaded whole; ``moved`` is the last change of its promise."""
    if phase in UNDER_WAY:
        return _on_the_way(delivery, phase, seen, tongue, now, moved)
    if phase in {Phase.AHEAD, Phase.TODAY, Phase.NOT_LOADED, Phase.OVERDUE}:
        return _before(delivery, phase, tongue, now)
    return _after(delivery, phase, tongue, now)


def _before(delivery: Delivery, phase: Phase, tongue: Tongue, now: datetime) -> Words:
    say, zone = tongue.say, delivery.zone
    if phase is Phase.OVERDUE:
        lines = (say("It was planned for %(day)s. We are looking into it.", day=tongue.date_name(delivery.service_on)),)
        return Words("", say("We are checking on your delivery"), "", lines, "late")
    if phase is Phase.NOT_LOADED:
        lines = (say("It is not on the truck. We are working on it and will tell you what happens next."),)
        return Words("", say("Your delivery is held up"), "", lines, "late")
    lo_at, hi_at = delivery.window_start_at, delivery.window_end_at
    if phase is Phase.TODAY and delivery.promise_lo_at and delivery.promise_hi_at:
        lo_at, hi_at = delivery.promise_lo_at, delivery.promise_hi_at
    lo, hi = tongue.clock_span(lo_at, hi_at, zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    more: list[str] = []
    if delivery.service_on != delivery.import_on:
        more.append(say("This is a new date. It was planned for %(day)s.", day=tongue.date_name(delivery.import_on)))
    if phase is Phase.TODAY:
        more.append(say("You can follow the truck here once it is close."))
        return Words(say("Arriving today"), f"{lo}–{hi}", "", tuple(more), "calm", lo_at)
    day = tongue.day_name(delivery.service_on, today)
    if (delivery.service_on - today).days == 1:
        day = f"{day}, {tongue.date_name(delivery.service_on)}"
    more.append(say("We will text or email you again before it comes."))
    span = say("between %(lo)s and %(hi)s", lo=lo, hi=hi)
    return Words(say("Arriving"), _capital(day), span, tuple(more), "calm", lo_at)


def _on_the_way(
    delivery: Delivery, phase: Phase, seen: Sighting, tongue: Tongue, now: datetime, moved: Moved | None
) -> Words:
    say, zone = tongue.say, delivery.zone
    lo_at = delivery.promise_lo_at or delivery.window_start_at
    hi_at = delivery.promise_hi_at or delivery.window_end_at
    lo, hi = tongue.clock_span(lo_at, hi_at, zone)
    span = say("between %(lo)s and %(hi)s", lo=lo, hi=hi)
    lines = _road_lines(delivery, phase, seen, tongue, moved)
    is_late = delivery.promise_broken_at is not None
    if phase is Phase.NOW:
        return Words(say("Your driver is"), say("arriving now"), "", lines, "now")
    if hi_at < now:
        late = (say("It takes longer than we said. We are keeping an eye on it."), *lines)
        return Words(say("Expected"), say("any time now"), "", late, "late")
    if delivery.promise_point_at is None:
        return Words(say("Arriving today"), f"{lo}–{hi}", "", lines, "calm", lo_at)
    about = tongue.clock_time(delivery.promise_point_at, zone)
    tone = "late" if is_late else "now" if phase is Phase.NEXT else "calm"
    return Words(say("Arriving about"), about, span, lines, tone, delivery.promise_point_at)


def _road_lines(
    delivery: Delivery, phase: Phase, seen: Sighting, tongue: Tongue, moved: Moved | None
) -> tuple[str, ...]:
    before = delivery.stop.stops_before
    lines = []
    if before == 0:
        lines.append(tongue.say("You are next."))
    elif before is not None:
        lines.append(tongue.count("%(n)s stop before you.", "%(n)s stops before you.", before))
    if seen.is_at_other_stop and phase is not Phase.NOW:
        lines.append(tongue.say("The truck is at another stop."))
    if seen.is_stale:
        lines.append(_silence(seen, tongue))
    reason = _reason(delivery, tongue)
    if moved is not None and delivery.promise_cause in _NOT_ABOUT_A_CHANGE:
        reason = f"{reason} {_before_that(moved, delivery.zone, tongue)}".strip()
    elif moved is not None and reason:
        reason = _with_times(reason, moved, delivery.zone, tongue)
    return (*lines, reason) if reason else tuple(lines)


def _silence(seen: Sighting, tongue: Tongue) -> str:
    """Return what to make of a truck that is not heard of: a tunnel at first, later something to ask about."""
    if seen.is_silent_for_long:
        return tongue.say(
            "The truck has sent no signal for a while, so this is our best estimate. You can write to us below."
        )
    return tongue.say("The truck sends no signal right now, so this is our best estimate.")


def _before_that(moved: Moved, zone: str, tongue: Tongue) -> str:
    """Return until when the page showed another time, and which."""
    lo, hi = tongue.clock_span(moved.from_lo_at, moved.from_hi_at, zone)
    return tongue.say("Until %(time)s we said %(lo)s–%(hi)s.", time=tongue.clock_time(moved.at, zone), lo=lo, hi=hi)


def _with_times(reason: str, moved: Moved, zone: str, tongue: Tongue) -> str:
    """Return the sentence with when the promise moved, and what it was before."""
    lo, hi = tongue.clock_span(moved.from_lo_at, moved.from_hi_at, zone)
    at = tongue.clock_time(moved.at, zone)
    return f"{reason.removesuffix('.')} {tongue.say('(at %(time)s; it was %(lo)s–%(hi)s)', time=at, lo=lo, hi=hi)}."


def _reason(delivery: Delivery, tongue: Tongue) -> str:
    """Return why the promise changed last, in a sentence that is true now; empty when there is nothing to say."""
    say, cause = tongue.say, delivery.promise_cause
    opens = tongue.clock_time(delivery.window_start_at, delivery.zone)
    sentences = {
        Cause.TRAFFIC: say("The time changed because traffic is slow."),
        Cause.LONG_STOP: say("The time changed because an earlier stop takes longer."),
        Cause.REORDER: say("The time changed because the order of stops changed."),
        Cause.NO_SIGNAL: say("The time changed because the truck sent no signal for a while."),
        Cause.LATE_START: say("The time changed because the truck left late."),
        Cause.BREAK: say("The time changed because the driver takes a break."),
        Cause.EARLY: say("The truck is faster than planned."),
        Cause.WAITING: say("The truck is ahead of time. It will not come before %(time)s.", time=opens),
    }
    return sentences[Cause(cause)] if cause in set(Cause) else ""


def _after(delivery: Delivery, phase: Phase, tongue: Tongue, now: datetime) -> Words:
    say = tongue.say
    if phase is Phase.ARRIVED:
        return Words(say("Your driver is"), say("at the door"), "", (say("Please come to the door."),), "now")
    if phase is Phase.DELIVERED:
        at = delivery.delivered_at or delivery.status_at
        on, today = (moment.astimezone(ZoneInfo(delivery.zone)).date() for moment in (at, now))
        clock_time = tongue.clock_time(at, delivery.zone)
        if on == today:
            return Words(say("Delivered at"), clock_time, "", (), "done")
        span = say("on %(day)s", day=tongue.date_name(on))
        return Words(say("Delivered at"), clock_time, span, (), "done")
    if phase is Phase.FAILED:
        return Words("", say("We could not deliver"), "", _failure(delivery.failure_reason, tongue), "late")
    if phase is Phase.MOVING:
        lines = (say("We are setting a new day and will tell you as soon as it is fixed."),)
        return Words("", say("A new day is on its way"), "", lines, "calm")
    if phase is Phase.RETURNED:
        lines = (say("It is back at our depot. We will tell you what happens next. You can also write to us below."),)
        return Words("", say("Your delivery came back to us"), "", lines, "late")
    lines = (say("Nothing will come. If this is a surprise, please tell us."),)
    return Words("", say("This delivery is cancelled"), "", lines, "off")


def _failure(reason: str | None, tongue: Tongue) -> tuple[str, ...]:
    say = tongue.say
    sentences = {
        FailureReason.NOBODY_HOME: say("Nobody was home."),
        FailureReason.NO_ACCESS: say("The driver could not get to the door."),
        FailureReason.WRONG_ADDRESS: say("The driver could not find the address."),
        FailureReason.REFUSED: say("It was not accepted at the door."),
        FailureReason.DAMAGED: say("The goods are damaged, so we did not hand them over."),
        FailureReason.NOT_IN_VAN: say("It was not on the truck after all."),
        FailureReason.OUT_OF_TIME: say("The driver ran out of time."),
    }
    first = sentences.get(FailureReason(reason)) if reason in set(FailureReason) else None
    rest = say("We will tell you about a new day. You can also write to us below.")
    return (first, rest) if first else (rest,)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
