"""How true the estimates and promises of each day were: sums by depot, counted once a night from what was kept.

The pages that tell of the last 28 days add these up, however many estimates there were.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tracking.deliveries import Delivery, EstimateMade, PromiseChange
from tracking.intervals import horizon_bin
from tracking.routes import Route
from tracking.stops import Stop
from tracking.storage import Base

DAYS = 28
BIG_JUMP_S = 300.0
# "Right" is: delivered inside the range that was shown so long before (issue: honesty in public).
SHOWN_BEFORE = timedelta(minutes=60)
# A day is counted again for so long: positions and taps of a phone without signal come late (our choice).
SETTLES = timedelta(days=2)
# What was promised for so long before the window belongs to an attempt of another day (our choice).
OTHER_DAY = timedelta(hours=12)
AT_ONCE = 500


class EtaDay(Base):
    """The estimates of one day, depot and horizon (``intervals.BIN_ENDS_MIN``), against the arrivals. Seconds.

    ``error_s`` sums estimate less truth, ``jump_s`` how far the next estimate kept of the same stop moved.
    """

    __tablename__ = "eta_days"

    on: Mapped[date] = mapped_column(primary_key=True)
    depot_id: Mapped[str] = mapped_column(ForeignKey("depots.id"), primary_key=True)
    horizon: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    estimates: Mapped[int]
    error_s: Mapped[float]
    absolute_s: Mapped[float]
    inside: Mapped[int]
    width_s: Mapped[float]
    jumps: Mapped[int]
    jump_s: Mapped[float]
    big_jumps: Mapped[int]


class PromiseDay(Base):
    """The deliveries of one day and depot that were handed over, and how many inside the range shown an hour before."""

    __tablename__ = "promise_days"

    on: Mapped[date] = mapped_column(primary_key=True)
    depot_id: Mapped[str] = mapped_column(ForeignKey("depots.id"), primary_key=True)
    delivered: Mapped[int]
    kept: Mapped[int]


class Made(NamedTuple):
    """One estimate that was kept, of a stop that was reached."""

    depot_id: str
    stop_id: str
    made_at: datetime
    eta_at: datetime
    lo_at: datetime
    hi_at: datetime
    arrived_at: datetime


@dataclass(slots=True)
class Sums:
    """What is added up of estimates: see ``EtaDay``."""

    estimates: int = 0
    error_s: float = 0.0
    absolute_s: float = 0.0
    inside: int = 0
    width_s: float = 0.0
    jumps: int = 0
    jump_s: float = 0.0
    big_jumps: int = 0

    def add(self, made: Made, before: Made | None) -> None:
        """Count one estimate; ``before`` is the one kept of the same stop before it."""
        error_s = (made.eta_at - made.arrived_at).total_seconds()
        self.estimates += 1
        self.error_s += error_s
        self.absolute_s += abs(error_s)
        self.inside += made.lo_at <= made.arrived_at <= made.hi_at
        self.width_s += (made.hi_at - made.lo_at).total_seconds()
        if before is not None:
            jump_s = abs((made.eta_at - before.eta_at).total_seconds())
            self.jumps += 1
            self.jump_s += jump_s
            self.big_jumps += jump_s > BIG_JUMP_S


def summed(estimates: Iterable[Made]) -> dict[tuple[str, int], Sums]:
    """Return sums by depot and horizon; ``estimates`` come stop by stop, each in order of time.

    The horizon is how far away the arrival really was. What was said after the arrival does not count.
    """
    found: dict[tuple[str, int], Sums] = defaultdict(Sums)
    for _, of_stop in groupby(estimates, key=lambda made: made.stop_id):
        before: Made | None = None
        for made in of_stop:
            ahead_s = (made.arrived_at - made.made_at).total_seconds()
            if ahead_s <= 0.0:
                break
            found[made.depot_id, horizon_bin(ahead_s)].add(made, before)
            before = made
    return found


def estimates_of(session: Session, on: date, *, limit: int | None = None) -> Iterator[Made]:
    """Yield the estimates kept for the stops of ``on`` that were reached, stop by stop in order of time."""
    statement = (
        select(
            Route.depot_id,
            EstimateMade.stop_id,
            EstimateMade.made_at,
            EstimateMade.eta_at,
            EstimateMade.lo_at,
            EstimateMade.hi_at,
            Stop.arrived_at,
        )
        .join(Stop, Stop.id == EstimateMade.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .where(Route.service_on == on, Stop.arrived_at.is_not(None))
        .order_by(EstimateMade.stop_id, EstimateMade.made_at)
        .limit(limit)
    )
    for row in session.execute(statement).yield_per(2_000):
        yield Made._make(row)


class Range(NamedTuple):
    """What was shown from ``at`` on; ``had_lo_at`` and ``had_hi_at`` are what was shown until then, if anything."""

    at: datetime
    lo_at: datetime
    hi_at: datetime
    had_lo_at: datetime | None
    had_hi_at: datetime | None


def shown_at(changes: Sequence[Range], at: datetime, *, window: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
    """Return the range a recipient was shown ``at``: the last change until then, or the window before any."""
    until = [change for change in changes if change.at <= at]
    if until:
        return until[-1].lo_at, until[-1].hi_at
    if changes and changes[0].had_lo_at is not None and changes[0].had_hi_at is not None:
        return changes[0].had_lo_at, changes[0].had_hi_at
    return window


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of one day, ready to be written."""

    on: date
    eta: list[dict[str, Any]]
    promises: list[dict[str, Any]]


def count_day(session: Session, on: date) -> Counted:
    """Count one day; it only reads, for a day may have a hundred thousand estimates."""
    sums = summed(estimates_of(session, on))
    eta = [
        {"on": on, "depot_id": depot_id, "horizon": horizon} | {name: getattr(found, name) for name in Sums.__slots__}
        for (depot_id, horizon), found in sums.items()
    ]
    promises = [
        {"on": on, "depot_id": depot_id, "delivered": delivered, "kept": kept}
        for depot_id, (delivered, kept) in promises_of(session, on).items()
    ]
    return Counted(on, eta, promises)


def write_day(session: Session, counted: Counted) -> None:
    """Replace what was counted of that day before."""
    for table, rows in ((EtaDay, counted.eta), (PromiseDay, counted.promises)):
        session.execute(delete(table).where(table.on == counted.on))
        if rows:
            session.execute(insert(table), rows)


def promises_of(session: Session, on: date) -> dict[str, tuple[int, int]]:
    """Return, by depot, how many deliveries of ``on`` were handed over and how many inside the range shown before."""
    statement = (
        select(Delivery.id, Route.depot_id, Delivery.delivered_at, Delivery.window_start_at, Delivery.window_end_at)
        .join(Stop, Stop.id == Delivery.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .where(Delivery.service_on == on, Delivery.delivered_at.is_not(None))
    )
    rows = session.execute(statement).all()
    changes = _changes(session, [row.id for row in rows])
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        window = (row.window_start_at, row.window_end_at)
        of_day = [change for change in changes[row.id] if change.hi_at > row.window_start_at - OTHER_DAY]
        lo_at, hi_at = shown_at(of_day, row.delivered_at - SHOWN_BEFORE, window=window)
        delivered, kept = found.get(row.depot_id, (0, 0))
        found[row.depot_id] = (delivered + 1, kept + (lo_at <= row.delivered_at <= hi_at))
    return found


def _changes(session: Session, delivery_ids: Sequence[str]) -> dict[str, list[Range]]:
    found: dict[str, list[Range]] = defaultdict(list)
    for start in range(0, len(delivery_ids), AT_ONCE):
        statement = (
            select(
                PromiseChange.delivery_id,
                PromiseChange.at,
                PromiseChange.lo_at,
                PromiseChange.hi_at,
                PromiseChange.from_lo_at,
                PromiseChange.from_hi_at,
            )
            .where(PromiseChange.delivery_id.in_(delivery_ids[start : start + AT_ONCE]))
            .order_by(PromiseChange.delivery_id, PromiseChange.at, PromiseChange.id)
        )
        for delivery_id, *rest in session.execute(statement):
            found[delivery_id].append(Range._make(rest))
    return found


def days_to_count(session: Session, today: date) -> list[date]:
    """Return the days before ``today``, of the last 28, that were never counted or may have changed since."""
    since = today - timedelta(days=DAYS)
    counted = set(session.scalars(select(EtaDay.on).where(EtaDay.on >= since).distinct()))
    counted |= set(session.scalars(select(PromiseDay.on).where(PromiseDay.on >= since).distinct()))
    driven = select(Route.service_on).where(Route.service_on >= since, Route.service_on < today).distinct()
    return [on for on in sorted(session.scalars(driven)) if on not in counted or on >= today - SETTLES]
