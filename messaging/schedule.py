"""The schedule: which notifications about a delivery should exist, decided from plain values (DESIGN 4 and 6).

Nothing here reads a clock or a database. ``planned`` says what should be; the reconciler makes it so. A row's key holds
its occasion, so an occasion must stay the same while its notification waits, and change when it must be said again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from messaging import plan_after, plan_ahead
from messaging.contacts import Contact
from messaging.kinds import RULES, Channel, Kind
from messaging.plan_facts import DEFAULT_RULES, STATING, KindSetting, Moment, Rules, Subject, Told, View, Wanted

__all__ = ["DEFAULT_RULES", "PLANNED_KINDS", "STATING", "KindSetting", "Rules", "Subject", "Told", "Wanted", "planned"]

_PLANS: dict[Kind, Callable[[View], Moment | None]] = {
    Kind.SCHEDULED: plan_ahead.scheduled,
    Kind.DAY_BEFORE: plan_ahead.day_before,
    Kind.MORNING_OF: plan_ahead.morning_of,
    Kind.OUT_FOR_DELIVERY: plan_ahead.out_for_delivery,
    Kind.NEXT_STOP: plan_ahead.next_stop,
    Kind.DELAYED: plan_ahead.delayed,
    Kind.ARRIVED: plan_ahead.arrived,
    Kind.DELIVERED: plan_after.delivered,
    Kind.RATING_REQUEST: plan_after.rating_request,
    Kind.ATTEMPT_FAILED: plan_after.attempt_failed,
    Kind.RESCHEDULED: plan_after.rescheduled,
    Kind.CANCELLED: plan_after.cancelled,
    Kind.CORRECTION: plan_after.correction,
}
PLANNED_KINDS = frozenset(_PLANS)


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
        since = rules.settings[kind].on_since
        for channel in contact.channels(RULES[kind].reach):
            mine = tuple(one for one in ordered if one.channel is channel)
            moment = plan(View(subject, rules, contact, channel, mine, ordered, now))
            if moment is not None and (since is None or moment.due_at >= since):
                wanted.append(_wanted(kind, channel, moment, contact))
    return tuple(wanted)


def _wanted(kind: Kind, channel: Channel, moment: Moment, contact: Contact) -> Wanted:
    address = contact.address(channel)
    assert address is not None
    return Wanted(kind, channel, moment.occasion, address, moment.due_at, moment.useful_until, moment.on, moment.at)
