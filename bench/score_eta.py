"""Score predicted arrivals against the truth, beside two baselines, every run weighing the same.

N0 is 25 km/h over 1.3 times the straight line; N1 is one constant pace, the median of the development runs.
"""

import csv
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from tracking.geo import LatLon, distance_m
from tracking.intervals import BIN_ENDS_MIN, horizon_bin
from tracking.runs import Run, seconds_of

N0_S_PER_M = 1.3 * 3.6 / 25
# What is more than an hour and a half away is not scored, and a truck nearer than 50 m counts as 50 m away.
FARTHEST_S = 5400.0
LEAST_M = 50.0
# Two rows for a stop are one update when they are this close in time.
UPDATE_S = 130.0


@dataclass(frozen=True, slots=True)
class Row:
    """One prediction: seconds left as predicted with its range, as they were, and the metres left."""

    run_id: str
    vehicle: str
    predicted_s: float
    low_s: float
    high_s: float
    actual_s: float
    left_m: float
    jump_s: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """Minutes and shares, as the table prints them."""

    rows: int
    mae_min: float
    bias_min: float
    n0_min: float
    n1_min: float
    coverage: float
    width_min: float
    jump_min: float
    big_jumps: float


class Track:
    """Where a run's truck was known to be, and how far the stops still ahead were."""

    def __init__(self, run: Run) -> None:
        self.vehicle = run.vehicle or run.run_id
        self.arrive_s = [seconds_of(v.arrived_at) if v.arrived_at else None for v in run.truth]
        self._stops = [stop.place for stop in run.stops]
        self._fixes = [(seconds_of(fix.received_at), seconds_of(fix.at), fix.place) for fix in run.fixes]

    def place_at(self, t_s: float) -> LatLon:
        """Return the last place received by ``t_s``."""
        known = self._fixes[: bisect_right(self._fixes, t_s, key=lambda fix: fix[0])]
        return [place for _, at_s, place in known if at_s <= t_s][-1]

    def left_m(self, t_s: float, stop: int) -> float:
        """Return the straight metres over all stops not yet reached, up to ``stop``."""
        first = next(n for n, at_s in enumerate(self.arrive_s) if at_s is not None and at_s > t_s)
        left_m = distance_m(self.place_at(t_s), self._stops[first])
        return left_m + sum(distance_m(self._stops[n - 1], self._stops[n]) for n in range(first + 1, stop + 1))


def read_rows(path: Path, runs: Iterable[Run]) -> list[Row]:
    """Return the scored rows of a prediction file; rows for what was reached already do not count."""
    tracks = {run.run_id: Track(run) for run in runs}
    with path.open(newline="", encoding="utf-8") as lines:
        table = sorted(csv.DictReader(lines), key=lambda row: (row["run_id"], int(row["stop"]), float(row["t"])))
    rows: list[Row] = []
    last: dict[tuple[str, int], tuple[float, float]] = {}
    for line in table:
        track, t_s, stop = tracks[line["run_id"]], float(line["t"]), int(line["stop"])
        arrive_s = track.arrive_s[stop]
        if arrive_s is None or not 0 < arrive_s - t_s <= FARTHEST_S:
            continue
        predicted_s = float(line["eta_s"])
        before = last.get((line["run_id"], stop))
        jump_s = None
        if before is not None and t_s - before[0] <= UPDATE_S:
            jump_s = abs(t_s + predicted_s - before[1])
        last[line["run_id"], stop] = (t_s, t_s + predicted_s)
        low_s, high_s = float(line["lo_s"]), float(line["hi_s"])
        left_m = track.left_m(t_s, stop)
        rows.append(Row(line["run_id"], track.vehicle, predicted_s, low_s, high_s, arrive_s - t_s, left_m, jump_s))
    return rows


def constant_pace(runs: Iterable[Run]) -> float:
    """Return N1's seconds per metre: the median over all fixes a minute apart and stops left of ``runs``."""
    paces: list[float] = []
    for run in runs:
        track, last_s = Track(run), float("-inf")
        for fix in run.fixes:
            t_s = seconds_of(fix.received_at)
            ahead = [n for n, at_s in enumerate(track.arrive_s) if at_s is not None and at_s > t_s]
            if not ahead or t_s - last_s < 60:
                continue
            last_s = t_s
            for stop in ahead:
                arrive_s = track.arrive_s[stop]
                assert arrive_s is not None
                paces.append((arrive_s - t_s) / max(track.left_m(t_s, stop), LEAST_M))
    return sorted(paces)[len(paces) // 2]


def score(rows: Sequence[Row], *, n1_s_per_m: float, by_vehicle: bool = False) -> Score:
    """Return the score of ``rows``; jumps are over all updates alike, all else by run.

    ``by_vehicle``: every vehicle weighs the same, and every run of it.
    """
    weights = _weights(rows, by_vehicle=by_vehicle)

    def mean(value: Callable[[Row], float]) -> float:
        return sum(weight * value(row) for weight, row in zip(weights, rows, strict=True)) / sum(weights)

    jumps = [row.jump_s for row in rows if row.jump_s is not None]
    return Score(
        rows=len(rows),
        mae_min=mean(lambda row: abs(row.predicted_s - row.actual_s)) / 60,
        bias_min=mean(lambda row: row.predicted_s - row.actual_s) / 60,
        n0_min=mean(lambda row: abs(row.left_m * N0_S_PER_M - row.actual_s)) / 60,
        n1_min=mean(lambda row: abs(row.left_m * n1_s_per_m - row.actual_s)) / 60,
        coverage=mean(lambda row: float(row.low_s <= row.actual_s <= row.high_s)),
        width_min=mean(lambda row: row.high_s - row.low_s) / 60,
        jump_min=fmean(jumps) / 60 if jumps else 0.0,
        big_jumps=fmean(jump > 300 for jump in jumps) if jumps else 0.0,
    )


def _weights(rows: Sequence[Row], *, by_vehicle: bool) -> list[float]:
    counts = Counter(row.run_id for row in rows)
    runs = Counter({row.run_id: row.vehicle for row in rows}.values())
    return [1 / counts[row.run_id] / (runs[row.vehicle] if by_vehicle else 1) for row in rows]


def by_horizon(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows by how far away the arrival really was."""
    ends = [0.0, *BIN_ENDS_MIN]
    names = [f"{low:g}-{high:g}" for low, high in pairwise(ends)] + [f"{ends[-1]:g}+"]
    return [(name, [row for row in rows if horizon_bin(row.actual_s) == n]) for n, name in enumerate(names)]
