"""The plan until the goods are handed over: booked, day before, morning, on the way, next, late, at the door."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from messaging.hours import Quiet
from messaging.kinds import Kind
from messaging.plan_facts import Moment, View
from tracking.deliveries import DeliveryStatus
from tracking.local_time import local_day, local_instant

DAY_BEFORE_AT, DAY_BEFORE_UNTIL, DAYS_BEFORE = time(18), time(20), 1  # DESIGN 4
MORNING_AT = time(8)
MORNING_LEAD = timedelta(hours=1)  # between the morning's text and the earliest window it is sent for (DESIGN 4)
MOST_DELAYED = 2  # a day
# How long a text about this moment still helps (our choice).
NEXT_STOP_USEFUL = timedelta(minutes=30)
ARRIVED_USEFUL = timedelta(minutes=10)

_D = DeliveryStatus
BEFORE_ROUTE = frozenset({_D.SCHEDULED, _D.LOADED})
BEFORE_ARRIVAL = frozenset({_D.SCHEDULED, _D.LOADED, _D.OUT_FOR_DELIVERY})


def scheduled(view: View) -> Moment | None:
    """At once on import."""
    if view.subject.status not in BEFORE_ROUTE:
        return None
    due_at = view.released(Kind.SCHEDULED, view.subject.created_at)
    return Moment("import", due_at, view.subject.window_start_at)


def day_before(view: View) -> Moment | None:
    """At 18:00 on the eve; known later, at once until 20:00, else not at all. Late by our fault: before the window.

    Where staff chose an earlier day, what is known after it is still told at once, until 20:00 on the eve.
    """
    subject = view.subject
    on = subject.service_on - timedelta(days=view.rules.days_before(Kind.DAY_BEFORE, DAYS_BEFORE))
    at = view.rules.at(Kind.DAY_BEFORE, DAY_BEFORE_AT)
    eve = subject.service_on - timedelta(days=1)
    until = local_instant(eve, _until(view.rules.quiet.get(Kind.DAY_BEFORE)), subject.zone)
    if subject.status not in BEFORE_ROUTE or view.known_at >= until:
        return None
    last = view.stated()
    if last is not None and last.kind is not Kind.DAY_BEFORE and local_day(last.at, subject.zone) >= on:
        return None  # a correction or a new date, told on that day itself or after it, has said it
    due_at = view.released(Kind.DAY_BEFORE, local_instant(on, at, subject.zone))
    return Moment(view.day, due_at, subject.window_start_at, on, at)


def _until(quiet: Quiet | None) -> time:
    """Return until when on the eve a delivery that came late is still told of: to the quiet hours' begin."""
    return DAY_BEFORE_UNTIL if quiet is None else quiet.since


def morning_of(view: View) -> Moment | None:
    """At 08:00; not when the window opens within the hour, nor when ``out_for_delivery`` has said as much."""
    subject = view.subject
    at = view.rules.at(Kind.MORNING_OF, MORNING_AT)
    opens = subject.window_start_at.astimezone(ZoneInfo(subject.zone)).replace(tzinfo=None)
    too_early = opens < datetime.combine(opens.date(), at) + MORNING_LEAD
    if subject.status not in BEFORE_ARRIVAL or too_early or view.known_at >= subject.window_start_at:
        return None
    overtaken = {Kind.OUT_FOR_DELIVERY, Kind.NEXT_STOP, Kind.DELAYED}
    if any(one.kind in overtaken and one.service_on == subject.service_on for one in view.told_anywhere):
        return None
    due_at = view.released(Kind.MORNING_OF, local_instant(subject.service_on, at, subject.zone))
    return Moment(view.day, due_at, subject.window_end_at, subject.service_on, at)


def out_for_delivery(view: View) -> Moment | None:
    """When the route starts."""
    subject = view.subject
    if subject.status is not _D.OUT_FOR_DELIVERY or subject.route_started_at is None:
        return None
    due_at = view.released(Kind.OUT_FOR_DELIVERY, subject.route_started_at)
    return Moment(view.day, due_at, subject.window_end_at)


def next_stop(view: View) -> Moment | None:
    """When the recipient is next, or nearly."""
    subject = view.subject
    if subject.status is not _D.OUT_FOR_DELIVERY or subject.next_stop_at is None:
        return None
    due_at = view.released(Kind.NEXT_STOP, subject.next_stop_at)
    useful = max(NEXT_STOP_USEFUL, timedelta(minutes=view.rules.nearness().minutes))
    return Moment(view.occasion(Kind.NEXT_STOP), due_at, subject.next_stop_at + useful)


def delayed(view: View) -> Moment | None:
    """Said when the median leaves what was last promised, at most twice a day. The occasion is what it replaces."""
    subject = view.subject
    if subject.status not in BEFORE_ARRIVAL or subject.promise_broken_at is None:
        return None
    point_at, until = subject.promise_point_at, subject.promise_hi_at
    said = [one for one in view.told_anywhere if one.kind is Kind.DELAYED and one.service_on == subject.service_on]
    replaced = said[-1].promised_until if said else subject.window_end_at
    if point_at is None or until is None or replaced is None or point_at <= replaced or len(said) >= MOST_DELAYED:
        return None
    occasion = f"{view.day}/{replaced.astimezone(ZoneInfo(subject.zone)):%H%M}"
    return Moment(occasion, view.released(Kind.DELAYED, max(subject.promise_broken_at, view.now)), until)


def arrived(view: View) -> Moment | None:
    """At the door."""
    subject = view.subject
    if subject.status is not _D.ARRIVED or subject.arrived_at is None:
        return None
    due_at = view.released(Kind.ARRIVED, subject.arrived_at)
    return Moment(view.occasion(Kind.ARRIVED), due_at, subject.arrived_at + ARRIVED_USEFUL)
