"""The figures of a day: on time, satisfaction, messages that did not arrive, and how true the estimates were.

Rules are pure functions on plain values; ``figures`` reads what they need in four queries.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.cases import Task
from messaging.notifications import Notification, NotificationStatus
from messaging.ratings import Rating
from messaging.unreached import UNREACHED
from tracking.deliveries import Delivery, DeliveryStatus, EstimateMade
from tracking.stops import Stop

DAYS_SHOWN = 7
# How far ahead an estimate was made, in minutes: what staff ask about (our choice).
HORIZONS = ((0, 15, "under 15 min"), (15, 30, "15–30 min"), (30, 60, "30–60 min"), (60, 24 * 60, "over an hour"))
PROMISED_INSIDE = 80  # % of arrivals that the shown interval should hold (DESIGN 4)

_NOT_COUNTED = frozenset({DeliveryStatus.CANCELLED, DeliveryStatus.RESCHEDULED})
_TRIED = frozenset(
    {
        NotificationStatus.ACCEPTED,
        NotificationStatus.SENT,
        NotificationStatus.DELIVERED,
        NotificationStatus.UNDELIVERED,
        NotificationStatus.FAILED,
    }
)
_NOT_ARRIVED = frozenset({NotificationStatus.UNDELIVERED, NotificationStatus.FAILED})


class Visit(NamedTuple):
    """What on-time needs of one delivery."""

    service_on: date
    status: DeliveryStatus
    window_end_at: datetime
    arrived_at: datetime | None


@dataclass(frozen=True, slots=True)
class OnTime:
    """``due`` counts deliveries whose window is over or that were reached; ``on_time`` those reached before its end."""

    on_time: int
    due: int

    @property
    def percent(self) -> int | None:
        """On time in whole percent; None before anything was due."""
        return percent(self.on_time, self.due)


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """``by_score`` counts the scores 1 to 5. Satisfied is a 4 or a 5, the usual CSAT."""

    by_score: tuple[int, int, int, int, int]

    @property
    def answers(self) -> int:
        """How many rated."""
        return sum(self.by_score)

    @property
    def percent(self) -> int | None:
        """Satisfied in whole percent; None before anybody answered."""
        return percent(self.by_score[3] + self.by_score[4], self.answers)

    @property
    def mean(self) -> float | None:
        """The mean score."""
        total = sum(score * n for score, n in enumerate(self.by_score, start=1))
        return total / self.answers if self.answers else None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Messages of the day's deliveries that were handed over, and how many of them did not arrive, by channel.

    ``may_not_know`` counts the deliveries on the list of who could not be reached: most who miss a text get the mail.
    """

    tried: int
    lost: int
    by_channel: tuple[tuple[str, int, int], ...]  # channel, tried, lost
    may_not_know: int

    @property
    def percent(self) -> int | None:
        """Lost in whole percent, rounded up, so that one is never shown as none."""
        return None if not self.tried else -(-100 * self.lost // self.tried)


@dataclass(frozen=True, slots=True)
class Horizon:
    """How true estimates made this far ahead were. Minutes."""

    label: str
    estimates: int
    mean_error_min: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """Estimates against what happened. ``inside`` counts arrivals within the interval shown."""

    estimates: int
    inside: int
    mean_error_min: float | None
    horizons: tuple[Horizon, ...]

    @property
    def percent_inside(self) -> int | None:
        """How often the interval held, in whole percent; 80 was promised."""
        return percent(self.inside, self.estimates)


@dataclass(frozen=True, slots=True)
class Figures:
    """One day, and the days before it as (day, percent) for the two that are drawn as lines."""

    on: date
    on_time: OnTime
    satisfaction: Satisfaction
    undelivered: Undelivered
    truth: Truth
    on_time_by_day: tuple[tuple[date, int | None], ...]
    satisfaction_by_day: tuple[tuple[date, int | None], ...]


def figures(session: Session, on: date, now: datetime) -> Figures:
    """Return the figures of the deliveries that are, or were, due on ``on``."""
    days = [on - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    visits, scores = _visits(session, days), _scores(session, days)
    return Figures(
        on=on,
        on_time=on_time([visit for visit in visits if visit.service_on == on], now),
        satisfaction=satisfaction([score for of, score in scores if of == on]),
        undelivered=_undelivered(session, on),
        truth=_truth(session, on),
        on_time_by_day=tuple((d, on_time([v for v in visits if v.service_on == d], now).percent) for d in days),
        satisfaction_by_day=tuple((d, satisfaction([s for of, s in scores if of == d]).percent) for d in days),
    )


def on_time(visits: Sequence[Visit], now: datetime) -> OnTime:
    """Count who was reached before the end of the promised window.

    An attempt that failed was still a visit in time; a window that passed without a visit is late, never left out.
    Cancelled and moved deliveries do not count.
    """
    due = good = 0
    for visit in visits:
        if visit.status in _NOT_COUNTED or (visit.arrived_at is None and visit.window_end_at > now):
            continue
        due += 1
        good += visit.arrived_at is not None and visit.arrived_at <= visit.window_end_at
    return OnTime(good, due)


def satisfaction(scores: Sequence[int]) -> Satisfaction:
    """Count the scores."""
    found = Counter(scores)
    return Satisfaction((found[1], found[2], found[3], found[4], found[5]))


def truth(estimates: Sequence[tuple[datetime, datetime, datetime, datetime, datetime]]) -> Truth:
    """Judge estimates, each (made, eta, low, high, arrived). Those made after the arrival do not count."""
    errors: dict[str, list[float]] = {label: [] for _, _, label in HORIZONS}
    inside = 0
    for made_at, eta_at, lo_at, hi_at, arrived_at in estimates:
        ahead_min = (arrived_at - made_at).total_seconds() / 60
        if ahead_min <= 0:
            continue
        inside += lo_at <= arrived_at <= hi_at
        label = next((label for lo, hi, label in HORIZONS if lo < ahead_min <= hi), HORIZONS[-1][2])
        errors[label].append(abs((eta_at - arrived_at).total_seconds()) / 60)
    every = [error for some in errors.values() for error in some]
    horizons = tuple(Horizon(label, len(some), fmean(some) if some else None) for label, some in errors.items())
    return Truth(len(every), inside, fmean(every) if every else None, horizons)


def percent(part: int, whole: int) -> int | None:
    """Return whole percent, rounded down so that 100 means all; None of nothing."""
    return None if not whole else 100 * part // whole


def _visits(session: Session, days: Sequence[date]) -> list[Visit]:
    arrived = func.coalesce(Stop.arrived_at, Delivery.arrived_at, Delivery.delivered_at)
    statement = (
        select(Delivery.service_on, Delivery.status, Delivery.window_end_at, arrived)
        .join(Delivery.stop)
        .where(Delivery.service_on.in_(days))
    )
    return [Visit(*row) for row in session.execute(statement)]


def _scores(session: Session, days: Sequence[date]) -> list[tuple[date, int]]:
    statement = select(Delivery.service_on, Rating.score).join(Rating, Rating.delivery_id == Delivery.id)
    return [(row.service_on, row.score) for row in session.execute(statement.where(Delivery.service_on.in_(days)))]


def _undelivered(session: Session, on: date) -> Undelivered:
    statement = (
        select(Notification.channel, Notification.status, func.count())
        .join(Delivery, Delivery.id == Notification.delivery_id)
        .where(Delivery.service_on == on, Notification.status.in_(_TRIED))
        .group_by(Notification.channel, Notification.status)
    )
    tried: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for channel, status, number in session.execute(statement):
        tried[channel.value] += number
        lost[channel.value] += number if status in _NOT_ARRIVED else 0
    by_channel = tuple((channel, tried[channel], lost[channel]) for channel in sorted(tried))
    return Undelivered(tried.total(), lost.total(), by_channel, _may_not_know(session, on))


def _may_not_know(session: Session, on: date) -> int:
    open_tasks = select(Task.delivery_id).where(Task.kind.in_(UNREACHED), Task.resolved_at.is_(None))
    statement = select(func.count()).where(Delivery.service_on == on, Delivery.id.in_(open_tasks))
    return session.scalar(statement) or 0


def _truth(session: Session, on: date) -> Truth:
    stops = select(Delivery.stop_id).where(Delivery.service_on == on)
    statement = (
        select(EstimateMade.made_at, EstimateMade.eta_at, EstimateMade.lo_at, EstimateMade.hi_at, Stop.arrived_at)
        .join(Stop, Stop.id == EstimateMade.stop_id)
        .where(Stop.id.in_(stops), Stop.arrived_at.is_not(None))
    )
    return truth([(m, e, lo, hi, a) for m, e, lo, hi, a in session.execute(statement) if a is not None])
