"""How true estimates were over the last 28 days, added up by horizon, by depot and by day."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from itertools import pairwise
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.depots import Depot
from tracking.hit_rate import HitRate, hit_rate
from tracking.intervals import BIN_ENDS_MIN
from tracking.truth_days import DAYS, EtaDay, Sums, estimates_of, summed

# Today is not counted yet. Where it has no more estimates than this it is added as it stands (our choice: 0.2 s).
MOST_TODAY = 10_000
_ENDS = (0.0, *BIN_ENDS_MIN)
Key = TypeVar("Key")
HORIZONS = (*(f"{low:g}–{high:g} min" for low, high in pairwise(_ENDS)), f"over {_ENDS[-1]:g} min")
_NAMES = tuple(field.name for field in fields(Sums))


@dataclass(frozen=True, slots=True)
class Cell:
    """The sums of one day, depot and horizon."""

    on: date
    depot_id: str
    horizon: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Truth:
    """What staff ask about estimates. Minutes and percent; None where nothing was counted."""

    label: str
    estimates: int
    off_min: float | None
    bias_min: float | None
    inside_percent: float | None
    width_min: float | None
    jump_min: float | None
    big_jumps_percent: float | None


@dataclass(frozen=True, slots=True)
class DepotTruth:
    """One depot's estimates, and how often it came inside the range shown an hour before (None: nothing delivered)."""

    id: str
    truth: Truth
    hits: HitRate | None


@dataclass(frozen=True, slots=True)
class TruthFigures:
    """All figures of the page, of one depot or of all. ``has_today``: today as it stands is among them."""

    whole: Truth
    by_horizon: tuple[Truth, ...]
    by_day: tuple[Truth, ...]
    by_depot: tuple[DepotTruth, ...]
    hits: HitRate | None
    depots: tuple[tuple[str, str], ...]
    has_today: bool


def truth_figures(session: Session, today: date, depot_id: str | None = None) -> TruthFigures:
    """Return the figures of the 28 days before ``today``, and of today where that is little work."""
    depots = [(depot.id, depot.name) for depot in session.scalars(select(Depot).order_by(Depot.name))]
    every, has_today = cells(session, today)
    chosen = [cell for cell in every if depot_id is None or cell.depot_id == depot_id]
    days = [today - timedelta(days=back) for back in reversed(range(DAYS + 1))]
    by_depot = _grouped(every, lambda cell: cell.depot_id)
    by_horizon = _grouped(chosen, lambda cell: cell.horizon)
    by_day = _grouped(chosen, lambda cell: cell.on)
    return TruthFigures(
        whole=truth_of("All", added(cell.sums for cell in chosen)),
        by_horizon=tuple(truth_of(name, by_horizon[number]) for number, name in enumerate(HORIZONS)),
        by_day=tuple(truth_of(f"{day:%d %b}".lstrip("0"), by_day[day]) for day in days),
        by_depot=tuple(
            DepotTruth(key, truth_of(name, by_depot[key]), hit_rate(session, today, depot_id=key, least=1))
            for key, name in depots
            if by_depot[key].estimates
        ),
        hits=hit_rate(session, today, depot_id=depot_id, least=1),
        depots=tuple(depots),
        has_today=has_today,
    )


def cells(session: Session, today: date) -> tuple[list[Cell], bool]:
    """Return what was counted, day by day, and whether today as it stands is among it."""
    counted = select(EtaDay).where(EtaDay.on >= today - timedelta(days=DAYS), EtaDay.on < today)
    found = [
        Cell(row.on, row.depot_id, row.horizon, Sums(*(getattr(row, name) for name in _NAMES)))
        for row in session.scalars(counted.order_by(EtaDay.on, EtaDay.depot_id, EtaDay.horizon))
    ]
    fresh = list(estimates_of(session, today, limit=MOST_TODAY + 1))
    if not fresh or len(fresh) > MOST_TODAY:
        return found, False
    of_today = sorted(summed(fresh).items(), key=lambda item: item[0])
    return [*found, *(Cell(today, depot_id, horizon, sums) for (depot_id, horizon), sums in of_today)], True


def added(parts: Iterable[Sums]) -> Sums:
    """Return the sum of sums."""
    total = Sums()
    for part in parts:
        for name in _NAMES:
            setattr(total, name, getattr(total, name) + getattr(part, name))
    return total


def truth_of(label: str, sums: Sums) -> Truth:
    """Return means and shares; None where there is nothing to divide by."""
    return Truth(
        label=label,
        estimates=sums.estimates,
        off_min=_mean(sums.absolute_s / 60, sums.estimates),
        bias_min=_mean(sums.error_s / 60, sums.estimates),
        inside_percent=_mean(100.0 * sums.inside, sums.estimates),
        width_min=_mean(sums.width_s / 60, sums.estimates),
        jump_min=_mean(sums.jump_s / 60, sums.jumps),
        big_jumps_percent=_mean(100.0 * sums.big_jumps, sums.jumps),
    )


def _mean(total: float, number: int) -> float | None:
    return total / number if number else None


def _grouped(found: Sequence[Cell], key: Callable[[Cell], Key]) -> defaultdict[Key, Sums]:
    groups: dict[Key, list[Sums]] = defaultdict(list)
    for cell in found:
        groups[key(cell)].append(cell.sums)
    return defaultdict(Sums, {name: added(parts) for name, parts in groups.items()})
