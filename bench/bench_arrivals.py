"""Arrival detection on made-up days over real driving: `python -m bench.bench_arrivals RUNS.jsonl [--sets 8]`.

Prints how many arrivals were found within two minutes of the truth, how many pins driven past were taken for one, and
the time error: first of the product on days like the sample of those kept back, then of plain rules on the same days,
which tell how like they are (``bench.arrival_days``, ``bench.plain_rules``), then of the product on harsher days. Each
set has its own random numbers, so that no rule is tuned to one of them.
"""

import argparse
import json
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.arrival_days import as_sample, harsh, times
from bench.plain_rules import first_inside, sequence_aware, standing
from tracking.eta import EtaHistory
from tracking.play import play
from tracking.runs import Run, read_run

RIGHT_S = 120.0


@dataclass(slots=True)
class Tally:
    """What was found: arrivals in truth, those found in time, pins driven past, those taken for arrivals, errors."""

    arrivals: int = 0
    right: int = 0
    past: int = 0
    false: int = 0
    errors_s: list[float] = field(default_factory=list)

    def add(self, run: Run, found: dict[str, datetime]) -> None:
        """Compare what was found with the truth of ``run``."""
        for stop, visit in zip(run.stops, run.truth, strict=True):
            at = found.get(stop.stop_id)
            if visit.arrived_at is None:
                self.past += 1
                self.false += at is not None
                continue
            self.arrivals += 1
            if at is not None:
                error_s = abs((at - visit.arrived_at).total_seconds())
                self.errors_s.append(error_s)
                self.right += error_s <= RIGHT_S

    def line(self) -> str:
        """Return one line of figures."""
        errors = sorted(self.errors_s)
        p90_s = errors[int(0.9 * len(errors))] if errors else math.nan
        return (
            f"{self.arrivals} arrivals, {self.right / max(1, self.arrivals):.3f} found within 2 min; "
            f"{self.past} pins driven past, {self.false / max(1, self.past):.3f} taken for one; p90 error {p90_s:.0f} s"
        )


def detected(run: Run) -> dict[str, datetime]:
    """Return the arrivals that the product tells of ``run``, replayed without its true times."""
    return {
        event.stop_id: event.at
        for moment in play(run, EtaHistory.default(), taps=False)
        for event in moment.outcome.events
        if event.kind == "arrived"
    }


def scored(runs: Iterable[Run], rule: Callable[[Run], dict[str, datetime]] = detected) -> str:
    """Return the line of ``rule`` over ``runs``."""
    tally = Tally()
    for run in runs:
        tally.add(run, rule(run))
    return tally.line()


def days(
    rows: Iterable[dict[str, Any]],
    sets: int,
    name: str,
    maker: Callable[[dict[str, Any], random.Random], dict[str, Any]],
) -> list[Run]:
    """Return ``sets`` times the rows, made to days."""
    made = []
    for number in range(sets):
        rng = random.Random(f"{name}/{number}")
        made += [read_run(maker(row, rng)) for row in rows]
    return made


def served_only(run: Run) -> dict[str, datetime]:
    """Return what the sequence-aware rule finds that is told beforehand which stops will be served."""
    visits = zip(run.stops, run.truth, strict=True)
    return sequence_aware(run, {stop.stop_id for stop, visit in visits if visit.arrived_at is not None})


PLAIN: tuple[tuple[str, Callable[[Run], dict[str, datetime]]], ...] = (
    ("first fix within 100 m", first_inside),
    ("standing for 30 s", lambda run: standing(run, 30.0)),
    ("standing for 60 s", lambda run: standing(run, 60.0)),
    ("next three 25 s, others 90 s", lambda run: sequence_aware(run, {stop.stop_id for stop in run.stops})),
    ("the same, told which are served", served_only),
)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="runs driven through without service, with their true times")
    parser.add_argument("--sets", type=int, default=8, help="sets of random numbers")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.runs.read_text(encoding="utf-8").splitlines() if line.strip()]
    weighed = [row for row in rows for _ in range(times(row))]
    like = days(weighed, options.sets, "as_sample", as_sample)
    print(f"days like the sample: {scored(like)}")
    for name, rule in PLAIN:
        print(f"  plain rule, {name}: {scored(like, rule)}")
    for minutes, spread in ((2.96, 0.69), (2.55, 0.62), (2.17, 0.6)):
        made = days(rows, options.sets, str(minutes), partial(harsh, median_s=60 * minutes, spread=spread))
        print(f"harsh days, service of {minutes:g} min in the middle: {scored(made)}")


if __name__ == "__main__":
    main()
