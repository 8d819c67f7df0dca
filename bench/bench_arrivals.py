"""Arrival detection on made-up dirt over real driving: `python -m bench.bench_arrivals RUNS.jsonl [--sets 8]`.

Takes runs that were driven through without service and makes days of them: some stops are served for a lognormal time,
the others are only driven past; pins are 20 to 60 m off; fixes come late, twice, inaccurate or jumping. Prints how many
arrivals were found within two minutes of the truth, how many pins driven past were taken for one, and the time error.
Each set has its own random numbers, so that no rule is tuned to one of them.
"""

import argparse
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracking.eta import EtaHistory
from tracking.play import play
from tracking.runs import Run, read_run

M_PER_DEG = 111_195.0
# Shares and sizes as in the sample of runs kept back, as far as it shows them (our choice).
SERVED = 0.6
PIN_OFF_M = (20.0, 60.0)
LEAST_SERVICE_S = 25.0
FIX_EVERY_S = 30.0
STANDING_NOISE_M, NOISE_M = 6.0, 4.0
ACCURACIES_M = (5, 8, 12, 20, 35)
JUMPS, INACCURATE, LATE, TWICE = 0.025, 0.008, 0.03, 0.04
RIGHT_S = 120.0


@dataclass(slots=True)
class Tally:
    """What was found: arrivals in truth, those found in time, pins driven past, those taken for arrivals, errors."""

    arrivals: int = 0
    right: int = 0
    past: int = 0
    false: int = 0
    errors_s: list[float] = field(default_factory=list)

    def line(self) -> str:
        """Return one line of figures."""
        errors = sorted(self.errors_s)
        p90_s = errors[int(0.9 * len(errors))] if errors else math.nan
        return (
            f"{self.arrivals} arrivals, {self.right / max(1, self.arrivals):.3f} found within 2 min; "
            f"{self.past} pins driven past, {self.false / max(1, self.past):.3f} taken for one; p90 error {p90_s:.0f} s"
        )


def made_day(run: dict[str, Any], rng: random.Random, *, log_median: float, log_sigma: float) -> dict[str, Any]:
    """Return ``run`` as a day of services, in the format of `portal replay`; its last stop is always served."""
    served = [rng.random() < SERVED for _ in run["stops"][:-1]] + [True]
    waiting = sorted((stop["arrive_s"], number) for number, stop in enumerate(run["stops"]))
    points: list[tuple[float, float, float]] = []
    visits: dict[int, tuple[float, float]] = {}
    shift_s, left = 0.0, list(run["points"])
    for reached_s, number in waiting:
        while left and left[0][0] <= reached_s:
            at_s, lat, lon = left.pop(0)
            points.append((at_s + shift_s, lat, lon))
        if not served[number]:
            continue
        took_s = max(LEAST_SERVICE_S, rng.lognormvariate(log_median, log_sigma))
        stop, arrive_s = run["stops"][number], reached_s + shift_s
        visits[number] = (arrive_s, arrive_s + took_s)
        if number < len(served) - 1:
            points += _standing(stop, arrive_s, took_s, rng)
        shift_s += took_s
    points += [(at_s + shift_s, lat, lon) for at_s, lat, lon in left]
    stops = [_pin(stop, visits.get(number), rng) for number, stop in enumerate(run["stops"])]
    dirty = sorted(_dirty(points, rng))
    return {"run_id": f"{run['run_id']}-{rng.randrange(10**6)}", "points_recv_t_lat_lon_acc": dirty, "stops": stops}


def _standing(
    stop: dict[str, Any], arrive_s: float, took_s: float, rng: random.Random
) -> Iterator[tuple[float, float, float]]:
    at_s = FIX_EVERY_S / 2
    while at_s < took_s:
        yield (arrive_s + at_s, *_near(stop["lat"], stop["lon"], STANDING_NOISE_M, rng))
        at_s += FIX_EVERY_S


def _pin(stop: dict[str, Any], visit: tuple[float, float] | None, rng: random.Random) -> dict[str, Any]:
    lat, lon = _off(stop["lat"], stop["lon"], rng.uniform(*PIN_OFF_M), rng)
    pin = {"lat": round(lat, 6), "lon": round(lon, 6), "served": visit is not None}
    return pin | ({"arrive_s": visit[0], "depart_s": visit[1]} if visit else {})


def _dirty(points: list[tuple[float, float, float]], rng: random.Random) -> Iterator[list[float]]:
    for at_s, lat, lon in points:
        place, accuracy_m = _near(lat, lon, NOISE_M, rng), rng.choice(ACCURACIES_M)
        luck = rng.random()
        if luck < JUMPS + INACCURATE:
            place = _off(lat, lon, rng.uniform(300.0, 4000.0), rng)
            accuracy_m = accuracy_m if luck < JUMPS else 1000
        lag_s = rng.uniform(60.0, 240.0) if rng.random() < LATE else rng.uniform(0.2, 3.0)
        row = [at_s, round(place[0], 6), round(place[1], 6), accuracy_m]
        yield [at_s + lag_s, *row]
        if rng.random() < TWICE:
            yield [at_s + lag_s + rng.uniform(0.2, 1.0), *row]


def _near(lat: float, lon: float, sigma_m: float, rng: random.Random) -> tuple[float, float]:
    shrink = math.cos(math.radians(lat))
    return lat + rng.gauss(0, sigma_m) / M_PER_DEG, lon + rng.gauss(0, sigma_m) / M_PER_DEG / shrink


def _off(lat: float, lon: float, meters: float, rng: random.Random) -> tuple[float, float]:
    turn = rng.uniform(0.0, 2 * math.pi)
    shrink = math.cos(math.radians(lat))
    return lat + meters * math.cos(turn) / M_PER_DEG, lon + meters * math.sin(turn) / M_PER_DEG / shrink


def judge(run: Run, tally: Tally) -> None:
    """Replay ``run`` without its true times and add what was found."""
    found = {
        event.stop_id: event.at
        for moment in play(run, EtaHistory.default(), taps=False)
        for event in moment.outcome.events
        if event.kind == "arrived"
    }
    for stop, visit in zip(run.stops, run.truth, strict=True):
        at = found.get(stop.stop_id)
        if visit.arrived_at is None:
            tally.past += 1
            tally.false += at is not None
            continue
        tally.arrivals += 1
        if at is not None:
            error_s = abs((at - visit.arrived_at).total_seconds())
            tally.errors_s.append(error_s)
            tally.right += error_s <= RIGHT_S


def main() -> None:
    """Print a line for each length of service, over all sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="runs driven through without service, with their true times")
    parser.add_argument("--sets", type=int, default=8, help="sets of random numbers")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.runs.read_text(encoding="utf-8").splitlines() if line.strip()]
    for minutes, sigma in ((2.96, 0.69), (2.55, 0.62), (2.17, 0.6)):
        tally = Tally()
        for seed in range(options.sets):
            rng = random.Random(f"{minutes}/{seed}")
            for row in rows:
                judge(read_run(made_day(row, rng, log_median=math.log(60 * minutes), log_sigma=sigma)), tally)
        print(f"service of {minutes:g} min in the middle: {tally.line()}")


if __name__ == "__main__":
    main()
