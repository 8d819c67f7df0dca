"""Play one recorded run through the engine, moment by moment, as it would have been lived."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tracking.eta import EtaHistory
from tracking.fixes import Fix
from tracking.progress import Outcome, RouteProgress, TapKind
from tracking.runs import Run


@dataclass(frozen=True, slots=True)
class Moment:
    """A run just after one fix was received: what the fix did, and the engine as it then is."""

    now: datetime
    fix: Fix
    outcome: Outcome
    progress: RouteProgress


def play(run: Run, history: EtaHistory, *, taps: bool) -> Iterator[Moment]:
    """Yield a moment for each fix in the order of receipt; with ``taps`` the run's true times are the driver's taps.

    A run whose stops carry no times of departure is only driven through: with ``taps`` its service times are zero.
    """
    if not run.fixes:
        return
    stops = run.stops
    pending: list[tuple[datetime, TapKind, str]] = []
    if taps:
        pending = _taps(run)
        if not any(visit.departed_at for visit in run.truth):
            stops = tuple(replace(stop, service_s=0.0) for stop in stops)
    first = run.fixes[0]
    progress = RouteProgress.start(
        depot=run.depot, planned_start_at=None, stops=stops, history=history, driver=run.vehicle
    )
    progress.begin(first.at)
    now = first.received_at
    for fix in run.fixes:
        now = max(now, fix.received_at)
        while pending and pending[0][0] <= now:
            at, kind, stop_id = pending.pop(0)
            progress.tap(kind, stop_id, at)
        yield Moment(now, fix, progress.accept(fix), progress)


def _taps(run: Run) -> list[tuple[datetime, TapKind, str]]:
    """Return the run's true times as taps in order; a stop without a departure is left as it is reached."""
    found: list[tuple[datetime, int, TapKind, str]] = []
    for number, (stop, visit) in enumerate(zip(run.stops, run.truth, strict=True)):
        if visit.arrived_at is not None:
            found.append((visit.arrived_at, 2 * number, "arrived", stop.stop_id))
            found.append((visit.departed_at or visit.arrived_at, 2 * number + 1, "departed", stop.stop_id))
    return [(at, kind, stop_id) for at, _, kind, stop_id in sorted(found)]
