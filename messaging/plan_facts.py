"""What a plan is made from and made of, as plain values: the delivery, what was said, the rules, and what should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from messaging.contacts import Contact
from messaging.hours import QUESTION_HOURS, Quiet, quiet_of
from messaging.kinds import RULES, Channel, Kind
from tracking.deliveries import UNDER_WAY, DeliveryStatus
from tracking.nearness import USUAL_NEARNESS, Nearness

# Kinds that name the day and window, and the one that takes them back.
STATING = frozenset(
    {Kind.SCHEDULED, Kind.DAY_BEFORE, Kind.MORNING_OF, Kind.RESCHEDULED, Kind.CORRECTION, Kind.ATTEMPT_FAILED}
)
# A correction whose occasion begins so takes back the text of this kind; other corrections name a new window.
TAKEN_BACK = "undone-"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the plan of one delivery is made from. ``original_*`` is what its route file said last."""

    status: DeliveryStatus
    status_at: datetime
    zone: str
    service_on: date
    window_start_at: datetime
    window_end_at: datetime
    created_at: datetime
    original_on: date
    rescheduled_at: datetime | None = None
    route_started_at: datetime | None = None
    next_stop_at: datetime | None = None
    arrived_at: datetime | None = None
    delivered_at: datetime | None = None
    promise_point_at: datetime | None = None
    promise_hi_at: datetime | None = None
    promise_broken_at: datetime | None = None
    is_rated: bool = False
    may_ask: bool = True  # to rate; `messaging.asking`

    @property
    def is_under_way(self) -> bool:
        """True while the day's own quiet hours hold (``is_under_way``)."""
        return is_under_way(self.status, status_at=self.status_at, route_started_at=self.route_started_at)


def is_under_way(status: DeliveryStatus, *, status_at: datetime, route_started_at: datetime | None) -> bool:
    """True from the start of the route, also when what ended it happened on that very day."""
    same_day = route_started_at is not None and route_started_at <= status_at < route_started_at + timedelta(hours=16)
    return status in UNDER_WAY or same_day


@dataclass(frozen=True, slots=True)
class Told:
    """What a message that went out said. ``promised_until`` is the end of the time a ``delayed`` named.

    ``zone`` is where the clock hung that ``window`` was read from; None for a message that did not keep it.
    """

    kind: Kind
    channel: Channel
    occasion: str
    at: datetime
    service_on: date | None = None
    window: tuple[datetime, datetime] | None = None
    promised_until: datetime | None = None
    asked: bool = False
    zone: str | None = None

    @property
    def takes_back(self) -> Kind | None:
        """The kind whose text this correction took back; None for everything else."""
        if self.kind is not Kind.CORRECTION or not self.occasion.startswith(TAKEN_BACK):
            return None
        return Kind(self.occasion.removeprefix(TAKEN_BACK).partition("/")[0])


@dataclass(frozen=True, slots=True)
class KindSetting:
    """What staff may set for a kind: whether it goes out, and for planned kinds when (local time).

    ``days_before`` is for the kind that comes ahead of the day, ``nearness`` for the one that says how near the truck
    is, ``wait`` for the one that follows the driver's tap. ``on_since`` is when staff switched the kind on; what was
    due before that is not told afterwards.
    """

    is_on: bool
    at: time | None = None
    days_before: int | None = None
    on_since: datetime | None = None
    nearness: Nearness | None = None
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings in force; ``quiet`` replaces the quiet hours of single kinds."""

    settings: Mapping[Kind, KindSetting]
    quiet: Mapping[Kind, Quiet] = field(default_factory=dict)

    def is_on(self, kind: Kind) -> bool:
        """Tell whether ``kind`` goes out at all."""
        return self.settings[kind].is_on

    def at(self, kind: Kind, usual: time) -> time:
        """Return the local time of a planned kind."""
        return self.settings[kind].at or usual

    def days_before(self, kind: Kind, usual: int) -> int:
        """Return how many days ahead a kind comes."""
        return self.settings[kind].days_before or usual

    def nearness(self) -> Nearness:
        """Return what counts as near for ``next_stop``."""
        return self.settings[Kind.NEXT_STOP].nearness or USUAL_NEARNESS

    def wait(self, kind: Kind, usual: timedelta) -> timedelta:
        """Return how long after the driver's tap a kind comes."""
        chosen = self.settings[kind].wait
        return usual if chosen is None else chosen

    def question_hours(self) -> Quiet:
        """Return when nobody is asked to rate, whichever message carries the question."""
        return self.quiet.get(Kind.RATING_REQUEST) or QUESTION_HOURS

    def quiet_of(self, kind: Kind, *, is_under_way: bool) -> Quiet | None:
        """Return the quiet hours a kind keeps: those staff set, else the usual ones; None when it keeps none."""
        return self.quiet.get(kind) or quiet_of(kind, is_under_way=is_under_way)


DEFAULT_RULES = Rules({kind: KindSetting(rule.on_by_default) for kind, rule in RULES.items()})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One notification that should exist. ``planned_on`` and ``planned_at`` are the local words behind ``due_at``."""

    kind: Kind
    channel: Channel
    occasion: str
    address: str
    due_at: datetime
    useful_until: datetime | None
    planned_on: date | None = None
    planned_at: time | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """When one kind should be said on one channel, and until when it helps."""

    occasion: str
    due_at: datetime
    useful_until: datetime | None
    on: date | None = None
    at: time | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One delivery as one channel sees it: ``told`` holds only what went out there, oldest first."""

    subject: Subject
    rules: Rules
    contact: Contact
    channel: Channel
    told: Sequence[Told]
    told_anywhere: Sequence[Told]
    now: datetime

    def last(self, kinds: frozenset[Kind]) -> Told | None:
        """Return the newest of these kinds that went out on this channel."""
        return next((told for told in reversed(self.told) if told.kind in kinds), None)

    def stated(self) -> Told | None:
        """Return what last named a day and window on this channel, or took them back."""
        naming = (told for told in reversed(self.told) if told.kind in STATING and told.takes_back is None)
        return next(naming, None)

    def released(self, kind: Kind, at: datetime) -> datetime:
        """Return when a kind due ``at`` may go out."""
        quiet = self.rules.quiet_of(kind, is_under_way=self.subject.is_under_way)
        return at if quiet is None else quiet.release(at, self.subject.zone)

    def taken_back(self, kind: Kind) -> int:
        """Return how often a text of this kind was taken back on this channel on the day the delivery now comes."""
        today = self.subject.service_on
        return sum(one.takes_back is kind and one.service_on == today for one in self.told)

    def occasion(self, kind: Kind) -> str:
        """Return the day as the occasion of an event's text; what was taken back may be said again under a new one."""
        again = self.taken_back(kind)
        return f"{self.day}/{again + 1}" if again else self.day

    @property
    def day(self) -> str:
        """The service date as an occasion."""
        return self.subject.service_on.isoformat()

    @property
    def known_at(self) -> datetime:
        """When this date and window came to be known."""
        moved_at = self.subject.rescheduled_at
        return self.subject.created_at if moved_at is None else max(moved_at, self.subject.created_at)

    @property
    def window_in_words(self) -> tuple[datetime, datetime]:
        """The window as clocks at the address show it, without a zone."""
        return wall_clock((self.subject.window_start_at, self.subject.window_end_at), self.subject.zone)


def wall_clock(window: tuple[datetime, datetime], zone: str) -> tuple[datetime, datetime]:
    """Return a window as clocks in ``zone`` show it, without a zone: what a person read in a text."""
    at_home = ZoneInfo(zone)
    start, end = window
    return start.astimezone(at_home).replace(tzinfo=None), end.astimezone(at_home).replace(tzinfo=None)
