"""The schedule: which notifications about a delivery should exist, decided from plain values (DESIGN 4 and 6).

Nothing here reads a clock or a database. ``planned`` says what should be; the reconciler makes it so. A row's key holds
its occasion, so an occasion must stay the same while its notification waits, and change when it must be said again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from messaging.contacts import Contact
from messaging.hours import QUESTION_HOURS, Quiet, quiet_of
from messaging.kinds import RULES, Channel, Kind
from tracking.deliveries import UNDER_WAY, DeliveryStatus
from tracking.local_time import local_day, local_instant

DAY_BEFORE_AT, DAY_BEFORE_UNTIL = time(18), time(20)  # DESIGN 4
MORNING_AT, EARLIEST_WINDOW = time(8), time(9)
DELIVERED_AFTER = timedelta(seconds=60)  # time for the driver's undo
MOST_DELAYED = 2  # a day
# How long a text about this moment still helps (our choice).
NEXT_STOP_USEFUL = timedelta(minutes=30)
ARRIVED_USEFUL = timedelta(minutes=10)
OUTCOME_USEFUL = timedelta(hours=24)
RATING_USEFUL = timedelta(hours=72)

_D = DeliveryStatus
_BEFORE_ROUTE = frozenset({_D.SCHEDULED, _D.LOADED})
_BEFORE_ARRIVAL = frozenset({_D.SCHEDULED, _D.LOADED, _D.OUT_FOR_DELIVERY})
# Kinds that name the day and window, and the one that takes them back.
STATING = frozenset(
    {Kind.SCHEDULED, Kind.DAY_BEFORE, Kind.MORNING_OF, Kind.RESCHEDULED, Kind.CORRECTION, Kind.ATTEMPT_FAILED}
)


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

    @property
    def is_under_way(self) -> bool:
        """True from the start of the route, also when what ended it happened on that very day."""
        started = self.route_started_at
        same_day = started is not None and started <= self.status_at < started + timedelta(hours=16)
        return self.status in UNDER_WAY or same_day


@dataclass(frozen=True, slots=True)
class Told:
    """What a message that went out said. ``promised_until`` is the end of the time a ``delayed`` named."""

    kind: Kind
    channel: Channel
    occasion: str
    at: datetime
    service_on: date | None = None
    window: tuple[datetime, datetime] | None = None
    promised_until: datetime | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class KindSetting:
    """What staff may set for a kind: whether it goes out, and for planned kinds when (local time)."""

    is_on: bool
    at: time | None = None


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
class _Moment:
    occasion: str
    due_at: datetime
    useful_until: datetime | None
    on: date | None = None
    at: time | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """One delivery as one channel sees it: ``told`` holds only what went out there, oldest first."""

    subject: Subject
    rules: Rules
    contact: Contact
    channel: Channel
    told: tuple[Told, ...]
    told_anywhere: tuple[Told, ...]
    now: datetime

    def last(self, kinds: frozenset[Kind]) -> Told | None:
        """Return the newest of these kinds that went out on this channel."""
        return next((told for told in reversed(self.told) if told.kind in kinds), None)

    def released(self, kind: Kind, at: datetime) -> datetime:
        """Return when a kind due ``at`` may go out."""
        quiet = self.rules.quiet.get(kind) or quiet_of(kind, is_under_way=self.subject.is_under_way)
        return at if quiet is None else quiet.release(at, self.subject.zone)

    @property
    def day(self) -> str:
        """The service date as an occasion."""
        return self.subject.service_on.isoformat()

    @property
    def known_at(self) -> datetime:
        """When this date and window came to be known."""
        moved_at = self.subject.rescheduled_at
        return self.subject.created_at if moved_at is None else max(moved_at, self.subject.created_at)


def planned(
    subject: Subject, *, rules: Rules, contact: Contact, told: Sequence[Told], now: datetime
) -> tuple[Wanted, ...]:
    """Return the notifications about one delivery that should exist, whether or not they already went out.

    ``now`` is only the due time of what is said at once; asking again later gives the same occasions.
    """
    ordered = tuple(sorted(told, key=lambda one: one.at))
    wanted: list[Wanted] = []
    for kind, plan in _PLANS.items():
        if not rules.is_on(kind):
            continue
        for channel in contact.channels(RULES[kind].reach):
            mine = tuple(one for one in ordered if one.channel is channel)
            moment = plan(_View(subject, rules, contact, channel, mine, ordered, now))
            if moment is not None:
                wanted.append(_wanted(kind, channel, moment, contact))
    return tuple(wanted)


def _wanted(kind: Kind, channel: Channel, moment: _Moment, contact: Contact) -> Wanted:
    address = contact.address(channel)
    assert address is not None
    return Wanted(kind, channel, moment.occasion, address, moment.due_at, moment.useful_until, moment.on, moment.at)


def _scheduled(view: _View) -> _Moment | None:
    if view.subject.status not in _BEFORE_ROUTE:
        return None
    due_at = view.released(Kind.SCHEDULED, view.subject.created_at)
    return _Moment("import", due_at, view.subject.window_start_at)


def _day_before(view: _View) -> _Moment | None:
    """At 18:00 on the eve; known later, at once until 20:00, else not at all. Late by our fault: before the window."""
    subject = view.subject
    eve = subject.service_on - timedelta(days=1)
    at = view.rules.at(Kind.DAY_BEFORE, DAY_BEFORE_AT)
    if subject.status not in _BEFORE_ROUTE or view.known_at >= local_instant(eve, DAY_BEFORE_UNTIL, subject.zone):
        return None
    last = view.last(STATING)
    if last is not None and last.kind is not Kind.DAY_BEFORE and local_day(last.at, subject.zone) >= eve:
        return None  # a correction or a new date, told on the eve itself, has said it
    due_at = view.released(Kind.DAY_BEFORE, local_instant(eve, at, subject.zone))
    return _Moment(view.day, due_at, subject.window_start_at, eve, at)


def _morning_of(view: _View) -> _Moment | None:
    """At 08:00; not when the window opens before 09:00, nor when ``out_for_delivery`` has said as much."""
    subject = view.subject
    opens = subject.window_start_at.astimezone(ZoneInfo(subject.zone)).time()
    if subject.status not in _BEFORE_ARRIVAL or opens < EARLIEST_WINDOW or view.known_at >= subject.window_start_at:
        return None
    overtaken = {Kind.OUT_FOR_DELIVERY, Kind.NEXT_STOP, Kind.DELAYED}
    if any(one.kind in overtaken and one.service_on == subject.service_on for one in view.told_anywhere):
        return None
    at = view.rules.at(Kind.MORNING_OF, MORNING_AT)
    due_at = view.released(Kind.MORNING_OF, local_instant(subject.service_on, at, subject.zone))
    return _Moment(view.day, due_at, subject.window_end_at, subject.service_on, at)


def _out_for_delivery(view: _View) -> _Moment | None:
    subject = view.subject
    if subject.status is not _D.OUT_FOR_DELIVERY or subject.route_started_at is None:
        return None
    due_at = view.released(Kind.OUT_FOR_DELIVERY, subject.route_started_at)
    return _Moment(view.day, due_at, subject.window_end_at)


def _next_stop(view: _View) -> _Moment | None:
    subject = view.subject
    if subject.status is not _D.OUT_FOR_DELIVERY or subject.next_stop_at is None:
        return None
    due_at = view.released(Kind.NEXT_STOP, subject.next_stop_at)
    return _Moment(view.day, due_at, subject.next_stop_at + NEXT_STOP_USEFUL)


def _delayed(view: _View) -> _Moment | None:
    """Said when the median leaves what was last promised, at most twice a day. The occasion is what it replaces."""
    subject = view.subject
    if subject.status not in _BEFORE_ARRIVAL or subject.promise_broken_at is None:
        return None
    point_at, until = subject.promise_point_at, subject.promise_hi_at
    said = [one for one in view.told_anywhere if one.kind is Kind.DELAYED and one.service_on == subject.service_on]
    replaced = said[-1].promised_until if said else subject.window_end_at
    if point_at is None or until is None or replaced is None or point_at <= replaced or len(said) >= MOST_DELAYED:
        return None
    occasion = f"{view.day}/{replaced.astimezone(ZoneInfo(subject.zone)):%H%M}"
    return _Moment(occasion, view.released(Kind.DELAYED, max(subject.promise_broken_at, view.now)), until)


def _arrived(view: _View) -> _Moment | None:
    subject = view.subject
    if subject.status is not _D.ARRIVED or subject.arrived_at is None:
        return None
    return _Moment(view.day, view.released(Kind.ARRIVED, subject.arrived_at), subject.arrived_at + ARRIVED_USEFUL)


def _delivered(view: _View) -> _Moment | None:
    subject = view.subject
    if subject.status is not _D.DELIVERED or subject.delivered_at is None:
        return None
    due_at = view.released(Kind.DELIVERED, subject.delivered_at + DELIVERED_AFTER)
    return _Moment(view.day, due_at, due_at + OUTCOME_USEFUL)


def _rating_request(view: _View) -> _Moment | None:
    """Only when the text ``delivered`` did not, or will not, carry the question. A mail always has its button."""
    subject = view.subject
    delivered = _delivered(view)
    if delivered is None or subject.is_rated:
        return None
    if view.rules.is_on(Kind.DELIVERED):
        if view.channel is Channel.EMAIL:
            return None
        said = view.last(frozenset({Kind.DELIVERED}))
        if said is not None and said.asked:
            return None
        if said is None and not QUESTION_HOURS.holds(delivered.due_at, subject.zone):
            return None
    due_at = view.released(Kind.RATING_REQUEST, delivered.due_at)
    return _Moment(view.day, due_at, due_at + RATING_USEFUL)


def _attempt_failed(view: _View) -> _Moment | None:
    subject = view.subject
    if subject.status is not _D.ATTEMPT_FAILED:
        return None
    due_at = view.released(Kind.ATTEMPT_FAILED, subject.status_at)
    return _Moment(view.day, due_at, due_at + OUTCOME_USEFUL)


def _rescheduled(view: _View) -> _Moment | None:
    """Said when the day is not the one this channel last named; back and forth ends with the day that is true."""
    subject, last = view.subject, view.last(STATING)
    if subject.status not in _BEFORE_ARRIVAL:
        return None
    if last is None:
        known = subject.original_on == subject.service_on
    elif last.kind is Kind.ATTEMPT_FAILED:
        known = subject.rescheduled_at is None or subject.rescheduled_at <= last.at
    else:
        known = last.service_on == subject.service_on
    return None if known else _restated(view, Kind.RESCHEDULED)


def _correction(view: _View) -> _Moment | None:
    """Said when the day stayed and the window is not the one this channel last named."""
    subject, last = view.subject, view.last(STATING)
    if subject.status not in _BEFORE_ARRIVAL or last is None or last.service_on != subject.service_on:
        return None
    if last.window in {None, (subject.window_start_at, subject.window_end_at)}:
        return None
    return _restated(view, Kind.CORRECTION)


def _restated(view: _View, kind: Kind) -> _Moment:
    """Return the saying of the day and window now true; its occasion counts what was stated before."""
    subject = view.subject
    zone = ZoneInfo(subject.zone)
    start, end = subject.window_start_at.astimezone(zone), subject.window_end_at.astimezone(zone)
    before = sum(one.kind in STATING for one in view.told)
    occasion = f"{before}/{view.day}T{start:%H%M}-{end:%H%M}"
    return _Moment(occasion, view.released(kind, view.now), subject.window_end_at)


def _cancelled(view: _View) -> _Moment | None:
    subject = view.subject
    if subject.status is not _D.CANCELLED:
        return None
    due_at = view.released(Kind.CANCELLED, subject.status_at)
    return _Moment(view.day, due_at, due_at + OUTCOME_USEFUL)


_PLANS: dict[Kind, Callable[[_View], _Moment | None]] = {
    Kind.SCHEDULED: _scheduled,
    Kind.DAY_BEFORE: _day_before,
    Kind.MORNING_OF: _morning_of,
    Kind.OUT_FOR_DELIVERY: _out_for_delivery,
    Kind.NEXT_STOP: _next_stop,
    Kind.DELAYED: _delayed,
    Kind.ARRIVED: _arrived,
    Kind.DELIVERED: _delivered,
    Kind.RATING_REQUEST: _rating_request,
    Kind.ATTEMPT_FAILED: _attempt_failed,
    Kind.RESCHEDULED: _rescheduled,
    Kind.CANCELLED: _cancelled,
    Kind.CORRECTION: _correction,
}
PLANNED_KINDS = frozenset(_PLANS)
