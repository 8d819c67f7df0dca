"""Replay recorded runs through the engine on a virtual clock: `portal replay`.

Nothing from the future is used: fixes are taken in the order they were received, the true times of a run only as the
driver's taps (``taps``) at the moment they happen, or from the file of past runs to learn from (``dev_path``).
"""

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tracking.eta import Estimate, EtaHistory
from tracking.learning import learn
from tracking.play import Moment, play
from tracking.promise import ARRIVING_NOW_S, Promise, next_promise
from tracking.runs import Run, read_runs, seconds_of

# At most one row for a stop in so many seconds.
ROW_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay went through and wrote."""

    runs: int
    fixes: int
    rows: int
    arrivals: int


def replay(
    runs_path: Path,
    out_path: Path,
    *,
    dev_path: Path | None = None,
    taps: bool = False,
    arrivals_path: Path | None = None,
    shown: bool = False,
) -> ReplaySummary:
    """Write ``run_id,t,stop,eta_s,lo_s,hi_s`` for every run of ``runs_path``, at most one row a minute and open stop.

    ``shown`` writes the promise instead of the estimate; ``arrivals_path`` gets ``run_id,stop,arrive_s`` as detected.
    Raises ``BadRunFile`` for a line that is no run.
    """
    history = learn(read_runs(dev_path), taps=taps) if dev_path else EtaHistory.default()
    runs = fixes = rows = arrivals = 0
    with ExitStack() as files:
        out = csv.writer(files.enter_context(out_path.open("w", newline="", encoding="utf-8")))
        out.writerow(["run_id", "t", "stop", "eta_s", "lo_s", "hi_s"])
        arrived = None
        if arrivals_path is not None:
            arrived = csv.writer(files.enter_context(arrivals_path.open("w", newline="", encoding="utf-8")))
            arrived.writerow(["run_id", "stop", "arrive_s"])
        for run in read_runs(runs_path):
            runs += 1
            fixes += len(run.fixes)
            writer = _RunWriter(run, shown=shown)
            for moment in play(run, history, taps=taps):
                for row in writer.rows(moment):
                    out.writerow(row)
                    rows += 1
                for stop_id, at in _arrivals(moment):
                    arrivals += 1
                    if arrived is not None:
                        arrived.writerow([run.run_id, stop_id, round(seconds_of(at), 1)])
    return ReplaySummary(runs=runs, fixes=fixes, rows=rows, arrivals=arrivals)


class _RunWriter:
    """Turns moments of one run into rows; keeps the promises and the time of the last row."""

    def __init__(self, run: Run, *, shown: bool) -> None:
        self._run_id = run.run_id
        self._shown = shown
        self._promises: dict[str, Promise] = {}
        self._last: datetime | None = None
        self._has_place = False

    def rows(self, moment: Moment) -> Iterator[list[str | float]]:
        """Yield a row for each open stop, when the last ones are a minute old."""
        now = moment.now
        # Before the first fix of the past there is no place to estimate from.
        self._has_place = self._has_place or moment.fix.at <= now
        is_due = self._last is None or (now - self._last).total_seconds() >= ROW_EVERY_S
        if not self._has_place or not (is_due or self._shown):
            return
        estimates = moment.progress.estimates(now)
        estimates.pop(moment.progress.current_stop_id or "", None)
        if self._shown:
            for stop_id, estimate in estimates.items():
                self._promises[stop_id] = next_promise(self._promises.get(stop_id), estimate, now=now)
        if not is_due:
            return
        self._last = now
        for stop_id, estimate in estimates.items():
            yield [self._run_id, repr(seconds_of(now)), stop_id, *self._seconds(estimate, now)]

    def _seconds(self, estimate: Estimate, now: datetime) -> list[float]:
        times = (estimate.eta_at, estimate.lo_at, estimate.hi_at)
        if self._shown:
            promise = self._promises[estimate.stop_id]
            times = (promise.point_at, promise.lo_at, promise.hi_at)
            if promise.is_now:
                return [ARRIVING_NOW_S / 2, 0.0, ARRIVING_NOW_S]
        return [round(max(0.0, (at - now).total_seconds()), 1) for at in times]


def _arrivals(moment: Moment) -> Iterator[tuple[str, datetime]]:
    for event in moment.outcome.events:
        if event.kind == "arrived":
            yield event.stop_id, event.at
