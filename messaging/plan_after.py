"""The plan of what came of it, and of what must be said again: outcomes, changes, corrections."""

from datetime import timedelta

from messaging.kinds import Channel, Kind
from messaging.plan_ahead import BEFORE_ARRIVAL
from messaging.plan_facts import STATING, TAKEN_BACK, Moment, Told, View, wall_clock
from tracking.deliveries import DeliveryStatus

DELIVERED_AFTER = timedelta(seconds=60)  # time for the driver's undo
TAKEN_BACK_AFTER = timedelta(seconds=60)  # time for the driver to do again what was undone (our choice)
# How long a text about this moment still helps (our choice).
OUTCOME_USEFUL = timedelta(hours=24)
RATING_USEFUL = timedelta(hours=72)

_D = DeliveryStatus
# A text about an event is wrong once the delivery is in one of these states: the event was undone, and nothing else
# that goes out says so.
_WRONG_IN: dict[Kind, frozenset[DeliveryStatus]] = {
    Kind.DELIVERED: frozenset({_D.ARRIVED, _D.OUT_FOR_DELIVERY}),
    Kind.ATTEMPT_FAILED: frozenset({_D.ARRIVED, _D.OUT_FOR_DELIVERY}),
    Kind.ARRIVED: frozenset({_D.OUT_FOR_DELIVERY}),
    Kind.NEXT_STOP: frozenset({_D.OUT_FOR_DELIVERY}),
}


def delivered(view: View) -> Moment | None:
    """A minute after the tap, or as long after it as staff chose."""
    subject = view.subject
    if subject.status is not _D.DELIVERED or subject.delivered_at is None:
        return None
    wait = view.rules.wait(Kind.DELIVERED, DELIVERED_AFTER)
    due_at = view.released(Kind.DELIVERED, subject.delivered_at + wait)
    return Moment(view.occasion(Kind.DELIVERED), due_at, due_at + OUTCOME_USEFUL)


def rating_request(view: View) -> Moment | None:
    """Only when the text ``delivered`` did not, or will not, carry the question. A mail always has its button."""
    subject = view.subject
    told = delivered(view)
    if told is None or subject.is_rated or not subject.may_ask:
        return None
    if view.rules.is_on(Kind.DELIVERED):
        if view.channel is Channel.EMAIL:
            return None
        said = view.last(frozenset({Kind.DELIVERED}))
        if said is not None and said.asked:
            return None
        if said is None and not view.rules.question_hours().holds(told.due_at, subject.zone):
            return None
    due_at = view.released(Kind.RATING_REQUEST, told.due_at)
    return Moment(view.day, due_at, due_at + RATING_USEFUL)


def attempt_failed(view: View) -> Moment | None:
    """At once."""
    subject = view.subject
    if subject.status is not _D.ATTEMPT_FAILED:
        return None
    due_at = view.released(Kind.ATTEMPT_FAILED, subject.status_at)
    return Moment(view.occasion(Kind.ATTEMPT_FAILED), due_at, due_at + OUTCOME_USEFUL)


def cancelled(view: View) -> Moment | None:
    """At once."""
    subject = view.subject
    if subject.status is not _D.CANCELLED:
        return None
    due_at = view.released(Kind.CANCELLED, subject.status_at)
    return Moment(view.day, due_at, due_at + OUTCOME_USEFUL)


def rescheduled(view: View) -> Moment | None:
    """Said when the day is not the one this channel last named; back and forth ends with the day that is true."""
    subject, last = view.subject, view.stated()
    if subject.status not in BEFORE_ARRIVAL:
        return None
    if last is None:
        known = subject.original_on == subject.service_on
    elif last.kind is Kind.ATTEMPT_FAILED:
        known = subject.rescheduled_at is None or subject.rescheduled_at <= last.at
    else:
        known = last.service_on == subject.service_on
    return None if known else _restated(view, Kind.RESCHEDULED)


def correction(view: View) -> Moment | None:
    """Said when a text that went out on this channel is wrong by now, and no other kind says so."""
    return _taken_back(view) or _other_window(view)


def _other_window(view: View) -> Moment | None:
    """The day stayed and the window is not the one this channel last named, by the clock at the address."""
    subject, last = view.subject, view.stated()
    if subject.status not in BEFORE_ARRIVAL or last is None or last.service_on != subject.service_on:
        return None
    if last.window is None or wall_clock(last.window, last.zone or subject.zone) == view.window_in_words:
        return None
    return _restated(view, Kind.CORRECTION)


def _taken_back(view: View) -> Moment | None:
    """An event was told and undone: a minute later, unless it has happened again by then."""
    last = _last_event(view)
    subject = view.subject
    if last is None or subject.status not in _WRONG_IN[last.kind]:
        return None
    if last.kind is Kind.NEXT_STOP and subject.next_stop_at is not None:
        return None
    since = view.now if last.kind is Kind.NEXT_STOP else subject.status_at
    due_at = view.released(Kind.CORRECTION, since + TAKEN_BACK_AFTER)
    occasion = f"{TAKEN_BACK}{last.kind}/{view.day}/{view.taken_back(last.kind)}"
    return Moment(occasion, due_at, due_at + OUTCOME_USEFUL)


def _last_event(view: View) -> Told | None:
    """Return the newest event told for this day that was not taken back: what the recipient now believes."""
    gone: set[Kind] = set()
    for one in reversed(view.told):
        if one.service_on != view.subject.service_on:
            continue
        if one.takes_back is not None:
            gone.add(one.takes_back)
        elif one.kind in _WRONG_IN:
            return None if one.kind in gone else one
        elif one.kind in {Kind.RESCHEDULED, Kind.CANCELLED}:
            return None
    return None


def _restated(view: View, kind: Kind) -> Moment:
    """Return the saying of the day and window now true; its occasion counts what was stated before."""
    subject = view.subject
    start, end = view.window_in_words
    before = sum(one.kind in STATING and one.takes_back is None for one in view.told)
    occasion = f"{before}/{view.day}T{start:%H%M}-{end:%H%M}"
    return Moment(occasion, view.released(kind, view.now), subject.window_end_at)
