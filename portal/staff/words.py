"""Plain words for what the record holds: states, causes and times, as staff read them. No Flask, no database."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel import Locale

from messaging.cases import TaskKind
from messaging.clock_words import SOURCE_LANGUAGE, clock_words, span_words
from messaging.kinds import Channel, Kind
from messaging.notifications import NotificationStatus
from tracking.custody import CustodyKind
from tracking.deliveries import DeliveryStatus
from tracking.eta import Cause
from tracking.routes import RouteStatus

FORMATS = Locale(SOURCE_LANGUAGE)  # staff pages are in English


@dataclass(frozen=True, slots=True)
class Badge:
    """A word and the tone it is shown in: ok, warn, bad, info, accent or plain."""

    word: str
    tone: str = "plain"


_D = DeliveryStatus
DELIVERY: dict[DeliveryStatus, Badge] = {
    _D.SCHEDULED: Badge("Scheduled"),
    _D.LOADED: Badge("Loaded", "info"),
    _D.OUT_FOR_DELIVERY: Badge("On its way", "accent"),
    _D.ARRIVED: Badge("At the door", "accent"),
    _D.DELIVERED: Badge("Delivered", "ok"),
    _D.ATTEMPT_FAILED: Badge("Attempt failed", "bad"),
    _D.RESCHEDULED: Badge("Being moved", "warn"),
    _D.RETURNED: Badge("Returned", "bad"),
    _D.CANCELLED: Badge("Cancelled"),
}
ROUTE: dict[RouteStatus, Badge] = {
    RouteStatus.PLANNED: Badge("Planned"),
    RouteStatus.STARTED: Badge("Driving", "accent"),
    RouteStatus.FINISHED: Badge("Finished", "ok"),
    RouteStatus.CANCELLED: Badge("Cancelled"),
}
CUSTODY: dict[CustodyKind, str] = {
    CustodyKind.LOADED: "Loaded",
    CustodyKind.NOT_LOADED: "Not loaded",
    CustodyKind.DEPARTED: "Left the depot",
    CustodyKind.ARRIVED: "Arrived",
    CustodyKind.DELIVERED: "Delivered",
    CustodyKind.FAILED: "Attempt failed",
    CustodyKind.UNDONE: "Taken back",
    CustodyKind.RESCHEDULED: "Moved to another time",
    CustodyKind.REASSIGNED: "Given to another driver",
    CustodyKind.CANCELLED: "Cancelled",
    CustodyKind.RETURNED: "Returned to the depot",
}
_BAD_CUSTODY = frozenset({CustodyKind.NOT_LOADED, CustodyKind.FAILED, CustodyKind.CANCELLED, CustodyKind.RETURNED})
CAUSE: dict[str, str] = {
    Cause.TRAFFIC: "traffic",
    Cause.LONG_STOP: "a long stop before this one",
    Cause.REORDER: "the order of stops changed",
    Cause.NO_SIGNAL: "no signal from the truck",
    Cause.LATE_START: "the route started late",
    Cause.BREAK: "the driver is on a break",
    Cause.EARLY: "ahead of plan",
    Cause.WAITING: "waiting for a window to open",
}
KIND: dict[Kind, str] = {
    Kind.SCHEDULED: "Booked",
    Kind.DAY_BEFORE: "Day before",
    Kind.MORNING_OF: "Morning of",
    Kind.OUT_FOR_DELIVERY: "On its way",
    Kind.NEXT_STOP: "You are next",
    Kind.DELAYED: "Running late",
    Kind.ARRIVED: "At the door",
    Kind.DELIVERED: "Delivered",
    Kind.RATING_REQUEST: "How was it?",
    Kind.ATTEMPT_FAILED: "Attempt failed",
    Kind.RESCHEDULED: "New time",
    Kind.CANCELLED: "Cancelled",
    Kind.CORRECTION: "Correction",
    Kind.CASE_FOLLOW_UP: "Follow-up to a complaint",
    Kind.CHAT: "Chat line",
    Kind.REPLY: "Answer to a text",
    Kind.DRIVER_LINK: "Driver's link",
}
CHANNEL: dict[Channel, str] = {Channel.SMS: "text", Channel.EMAIL: "email"}
_N = NotificationStatus
NOTIFICATION: dict[NotificationStatus, Badge] = {
    _N.DUE: Badge("Waiting for its time"),
    _N.SENDING: Badge("Being sent", "info"),
    _N.AMBIGUOUS: Badge("Checking whether it went out", "warn"),
    _N.ACCEPTED: Badge("Handed to the carrier", "info"),
    _N.SENT: Badge("Sent, no receipt yet", "info"),
    _N.DELIVERED: Badge("Received", "ok"),
    _N.UNDELIVERED: Badge("Did not arrive", "bad"),
    _N.FAILED: Badge("Could not be sent", "bad"),
    _N.SUPPRESSED: Badge("Not sent", "warn"),
    _N.EXPIRED: Badge("Not sent: too late to help", "warn"),
    _N.WITHDRAWN: Badge("No longer needed"),
}
_SENT_MAIL = Badge("Sent")  # no mail server tells that a mail arrived: only a bounce is ever heard
TASK: dict[TaskKind, Badge] = {
    TaskKind.COULD_NOT_REACH: Badge("Could not be reached", "bad"),
    TaskKind.MAYBE_CANCEL: Badge("May want to cancel", "warn"),
    TaskKind.POSSIBLY_LOST: Badge("Message possibly lost", "warn"),
    TaskKind.OPT_OUT_REVIEW: Badge("Opt-out to look at", "warn"),
    TaskKind.UNMATCHED_INBOUND: Badge("Text from an unknown number", "info"),
    TaskKind.NOT_LOADED: Badge("Not loaded", "bad"),
    TaskKind.PROVIDER_DIFFERENCE: Badge("Differs from the provider", "warn"),
    TaskKind.CHANNELS_DOWN: Badge("No message gets out", "bad"),
    TaskKind.WISH: Badge("Recipient asks", "info"),
    TaskKind.FILTERED: Badge("Taken for spam", "bad"),
}
WHAT_TO_DO: dict[TaskKind, str] = {
    TaskKind.COULD_NOT_REACH: "Call them, or correct the number or address; then resend the link.",
    TaskKind.MAYBE_CANCEL: "Read what they wrote. Cancel, move or keep the delivery, and tell them.",
    TaskKind.POSSIBLY_LOST: "They may not know. The page shows it; call them when it matters now.",
    TaskKind.OPT_OUT_REVIEW: "Read what they wrote and decide whether they want no more texts.",
    TaskKind.UNMATCHED_INBOUND: "Find the delivery it is about and answer there.",
    TaskKind.NOT_LOADED: "Find the parcel: reload it, move it to another day, or cancel it.",
    TaskKind.PROVIDER_DIFFERENCE: "Look the ids up at the provider. Who else sends with this account?",
    TaskKind.CHANNELS_DOWN: "Call those who must know now. Look at the providers' status pages and at Ways out.",
    TaskKind.FILTERED: "Look at this text's words under Messages, and at your sender's registration with the provider.",
    TaskKind.WISH: "Accept or decline. The recipient and the driver are told by themselves.",
}


def notification(status: NotificationStatus | str, channel: Channel | str) -> Badge:
    """Return how far a message came. A mail that was sent is done unless it bounces; a text waits for its receipt."""
    known = NotificationStatus(status)
    return _SENT_MAIL if known is _N.SENT and channel == Channel.EMAIL else NOTIFICATION[known]


def custody_tone(kind: CustodyKind) -> str:
    """Return how an event is marked on a timeline: is-done or is-bad."""
    return "is-bad" if kind in _BAD_CUSTODY else "is-done"


def clock(at: datetime | None, zone: str) -> str:
    """Return the local time of day as texts in English say it, such as 2:02 pm; a dash when unknown."""
    return "–" if at is None else clock_words(at, zone, FORMATS)


def day(on: date, now: datetime) -> str:
    """Return a date as staff say it, such as Tue 3 Nov; with its year when that is not the year of ``now``."""
    year = "" if on.year == now.year else f" {on.year}"
    return f"{on:%a} {on.day} {on:%b}{year}"


def moment(at: datetime | None, zone: str, now: datetime) -> str:
    """Return the local time, with its date when that is not today."""
    if at is None:
        return "–"
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    return clock(at, zone) if local.date() == today.date() else f"{day(local.date(), today)}, {clock(at, zone)}"


def window(start_at: datetime | None, end_at: datetime | None, zone: str) -> str:
    """Return a range of local times, such as 10:00 am–12:00 pm or 2:10–2:40 pm."""
    if start_at is None or end_at is None:
        return "–"
    return span_words(start_at, end_at, zone, FORMATS).replace("-", "–")


def span(length: timedelta) -> str:
    """Return a length of time in its largest units: 40 s, 12 min, 2 h 05, 3 days."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d}"
    return f"{minutes // (24 * 60)} days"


def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago something was, or never."""
    return "never" if at is None else f"{span(now - at)} ago"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: 1 stop, 2 stops."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
