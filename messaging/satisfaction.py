"""Satisfaction: ratings over weeks, by driver and by depot, with whose score each one is.

A score that is the depot's (``fairness``) counts for the depot and for the house, never for the driver.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.cases import Case
from messaging.fairness import GOOD_SCORE, ScoreCause
from messaging.ratings import Rating
from tracking.deliveries import Delivery
from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.routes import Route
from tracking.stops import Stop

MOST_RATINGS = 20_000  # looked at for one page (our choice): a year of 50 ratings a day


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ratings: from ``since`` to ``until``, both included, days in ``zone``; empty fields let all through."""

    since: date
    until: date
    zone: str
    driver_id: str = ""
    depot_id: str = ""
    scores: tuple[int, ...] = ()
    words: str = ""
    only_with_words: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """One rating with what it is about."""

    delivery_id: str
    at: datetime
    score: int
    comment: str
    source: str
    cause: ScoreCause
    cause_min: int | None
    recipient: str
    reference: str
    driver_id: str
    driver: str
    depot_id: str
    depot: str
    case_id: str | None
    again_score: int | None

    @property
    def is_drivers(self) -> bool:
        """True when the score counts for the driver."""
        return self.cause is ScoreCause.OPEN


@dataclass(frozen=True, slots=True)
class Share:
    """How satisfied some were. ``not_counted`` are scores left out because they are somebody else's."""

    key: str
    name: str
    answers: int
    good: int
    total: int
    not_counted: int = 0

    @property
    def percent(self) -> int | None:
        """Scores of 4 and 5 in whole percent, rounded down; None of nothing."""
        return 100 * self.good // self.answers if self.answers else None

    @property
    def mean(self) -> float | None:
        """The mean score."""
        return self.total / self.answers if self.answers else None


def ratings(session: Session, wanted: Wanted) -> list[Given]:
    """Return the ratings, newest first, at most 20,000."""
    found = session.execute(_select(wanted).order_by(Rating.at.desc(), Rating.delivery_id).limit(MOST_RATINGS))
    return [Given(*row) for row in found]


def overall(given: Iterable[Given]) -> Share:
    """Return the share of all."""
    return share("", "", [one.score for one in given])


def by_week(given: Sequence[Given], wanted: Wanted) -> list[tuple[date, Share]]:
    """Return each week's share by its Monday, oldest first, weeks without an answer too."""
    zone = ZoneInfo(wanted.zone)
    weeks: dict[date, list[int]] = defaultdict(list)
    for one in given:
        weeks[_monday(one.at.astimezone(zone).date())].append(one.score)
    monday, told = _monday(wanted.since), []
    while monday <= wanted.until:
        told.append((monday, share(monday.isoformat(), "", weeks[monday])))
        monday += timedelta(weeks=1)
    return told


def by_driver(given: Iterable[Given]) -> list[Share]:
    """Return each driver's share of the scores that are theirs, the least satisfied first."""
    return _by(given, lambda one: (one.driver_id, one.driver), lambda one: one.is_drivers)


def by_depot(given: Iterable[Given]) -> list[Share]:
    """Return each depot's share of all scores, the least satisfied first."""
    return _by(given, lambda one: (one.depot_id, one.depot), lambda _one: True)


def share(key: str, name: str, scores: Sequence[int], not_counted: int = 0) -> Share:
    """Count some scores."""
    good = sum(score >= GOOD_SCORE for score in scores)
    return Share(key, name, len(scores), good, sum(scores), not_counted)


def _by(given: Iterable[Given], of: Callable[[Given], tuple[str, str]], counts: Callable[[Given], bool]) -> list[Share]:
    groups: dict[tuple[str, str], list[Given]] = defaultdict(list)
    for one in given:
        groups[of(one)].append(one)
    shares = [
        share(key, name, [one.score for one in some if counts(one)], sum(not counts(one) for one in some))
        for (key, name), some in groups.items()
    ]
    return sorted(shares, key=lambda one: (101 if one.percent is None else one.percent, one.name))


def _monday(on: date) -> date:
    return on - timedelta(days=on.weekday())


def _select(wanted: Wanted) -> Any:
    zone = ZoneInfo(wanted.zone)
    start = datetime.combine(wanted.since, datetime.min.time(), tzinfo=zone).astimezone(UTC)
    end = datetime.combine(wanted.until + timedelta(days=1), datetime.min.time(), tzinfo=zone).astimezone(UTC)
    statement: Any = (
        select(
            *(Rating.delivery_id, Rating.at, Rating.score, Rating.comment, Rating.source, Rating.cause),
            *(Rating.cause_min, Delivery.recipient_name, Delivery.reference),
            *(Driver.id, Driver.name, Depot.id, Depot.name, Case.id, Case.again_score),
        )
        .join(Delivery, Delivery.id == Rating.delivery_id)
        .join(Stop, Stop.id == Delivery.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .join(Driver, Driver.id == Route.driver_id)
        .join(Depot, Depot.id == Route.depot_id)
        .join(Case, Case.delivery_id == Rating.delivery_id, isouter=True)
        .where(Rating.at >= start, Rating.at < end)
    )
    if wanted.driver_id:
        statement = statement.where(Driver.id == wanted.driver_id)
    if wanted.depot_id:
        statement = statement.where(Depot.id == wanted.depot_id)
    if wanted.scores:
        statement = statement.where(Rating.score.in_(wanted.scores))
    if wanted.only_with_words or wanted.words:
        statement = statement.where(Rating.comment != "")
    if wanted.words:
        statement = statement.where(func.lower(Rating.comment).contains(wanted.words.lower(), autoescape=True))
    return statement
