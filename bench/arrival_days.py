"""Days to try arrival detection on, made of runs that were driven through without service.

Two makers. ``as_sample`` copies what the two sample runs of the files kept back show, and scores the plain rules of
``bench.plain_rules`` as reference/tracking.md 4 measured them there:

- every stop of the run is served; the service is put between two fixes: one 15 s after the arrival, then one every 30 s
- of the legs with three fixes or more, four in five hold one pin that is only driven past, at a fix of the leg that is
  more than 180 m from both stops, and up to 45 m off it; the pins of stops served are 20 to 60 m off
- services are lognormal around 2.4 min, the middle differs from run to run, the shortest take 25 s
- the last service has no fix after its arrival
- fixes are off by 6 m each way, at a service by 6 m more; 4 % come twice, 3 % a minute to four late, 1.7 % jump by 1 to
  3.5 km and claim 10 m, 0.8 % say that they are inaccurate
- runs of phones that send once a minute count five times: both samples are such runs, and they never stand in traffic

``harsh`` serves three stops in five of each run and only drives past the others, two in a row too.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

M_PER_DEG = 111_195.0
FIX_EVERY_S = 30.0
LEAST_SERVICE_S = 25.0
PIN_OFF_M = (20.0, 60.0)
SERVED = 0.6
BETWEEN, BETWEEN_FIXES, BETWEEN_AWAY_M, BETWEEN_OFF_M = 0.8, 3, 180.0, (0.0, 45.0)
SLOW_PHONE_S, SLOW_PHONE_TIMES = 45.0, 5

Row = dict[str, Any]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Dirt:
    """Shares of fixes that are spoilt, and metres of noise (standard deviation, each way)."""

    jumps: float
    inaccurate: float
    late: float
    twice: float
    noise_m: float
    standing_m: float
    jump_m: tuple[float, float]


SAMPLE_DIRT = Dirt(0.017, 0.008, 0.03, 0.04, noise_m=6.0, standing_m=6.0, jump_m=(1000.0, 3500.0))
HARSH_DIRT = Dirt(0.025, 0.008, 0.03, 0.04, noise_m=4.0, standing_m=6.0, jump_m=(300.0, 4000.0))


def as_sample(run: Row, rng: random.Random, *, median_s: float = 144.0) -> Row:
    """Return ``run`` as a day like the sample: all its stops are served, and pins between them are driven past."""
    median_s *= math.exp(rng.gauss(0.0, 0.3))
    stops = run["stops"]
    between = {
        number: _off(*place, rng.uniform(*BETWEEN_OFF_M), rng)
        for number in range(1, len(stops))
        if (place := _between(run, stops[number - 1], stops[number], rng)) is not None
    }
    points, visits = _with_services(
        run, range(len(stops)), lambda: rng.lognormvariate(math.log(median_s), 0.55), SAMPLE_DIRT, rng
    )
    pins = []
    for number, stop in enumerate(stops):
        if number in between:
            pins.append({"lat": between[number][0], "lon": between[number][1], "served": False})
        pins.append(_pin(stop, visits[number], rng))
    return _day(run, points, pins, SAMPLE_DIRT, rng)


def harsh(run: Row, rng: random.Random, *, median_s: float, spread: float) -> Row:
    """Return ``run`` as a day on which two stops in five are only driven past; its last stop is served."""
    last = len(run["stops"]) - 1
    served = [number for number in range(last) if rng.random() < SERVED] + [last]
    points, visits = _with_services(
        run, served, lambda: rng.lognormvariate(math.log(median_s), spread), HARSH_DIRT, rng
    )
    pins = [_pin(stop, visits.get(number), rng) for number, stop in enumerate(run["stops"])]
    return _day(run, points, pins, HARSH_DIRT, rng)


def times(run: Row) -> int:
    """Return how often a run counts among those like the sample."""
    gaps = sorted(later[0] - earlier[0] for earlier, later in zip(run["points"], run["points"][1:], strict=False))
    return SLOW_PHONE_TIMES if gaps[len(gaps) // 2] > SLOW_PHONE_S else 1


def _between(run: Row, before: Row, after: Row, rng: random.Random) -> tuple[float, float] | None:
    """Return a place between two stops that has a pin, or None."""
    leg = [place for at_s, *place in run["points"] if before["arrive_s"] < at_s <= after["arrive_s"]]
    if len(leg) < BETWEEN_FIXES or rng.random() >= BETWEEN:
        return None
    away = [
        (lat, lon)
        for lat, lon in leg[1:-1]
        if min(_meters(lat, lon, stop["lat"], stop["lon"]) for stop in (before, after)) >= BETWEEN_AWAY_M
    ]
    return rng.choice(away) if away else None


def _with_services(
    run: Row, served: Sequence[int], service_s: Callable[[], float], dirt: Dirt, rng: random.Random
) -> tuple[list[Point], dict[int, tuple[float, float]]]:
    """Return the fixes of ``run`` with services put in, and when each stop served was reached and left."""
    points: list[Point] = []
    visits: dict[int, tuple[float, float]] = {}
    shift_s, left = 0.0, list(run["points"])
    for number, stop in sorted(enumerate(run["stops"]), key=lambda each: each[1]["arrive_s"]):
        while left and left[0][0] <= stop["arrive_s"]:
            at_s, lat, lon = left.pop(0)
            points.append((at_s + shift_s, lat, lon))
        if number not in served:
            continue
        took_s, arrive_s = max(LEAST_SERVICE_S, service_s()), stop["arrive_s"] + shift_s
        visits[number] = (arrive_s, arrive_s + took_s)
        if number < len(run["stops"]) - 1:
            points += _standing(stop, arrive_s, took_s, dirt, rng)
        shift_s += took_s
    points += [(at_s + shift_s, lat, lon) for at_s, lat, lon in left]
    return points, visits


def _standing(stop: Row, arrive_s: float, took_s: float, dirt: Dirt, rng: random.Random) -> Iterator[Point]:
    at_s = FIX_EVERY_S / 2
    while at_s < took_s:
        yield (arrive_s + at_s, *_near(stop["lat"], stop["lon"], dirt.standing_m, rng))
        at_s += FIX_EVERY_S


def _pin(stop: Row, visit: tuple[float, float] | None, rng: random.Random) -> Row:
    lat, lon = _off(stop["lat"], stop["lon"], rng.uniform(*PIN_OFF_M), rng)
    pin = {"lat": round(lat, 6), "lon": round(lon, 6), "served": visit is not None}
    return pin | ({"arrive_s": visit[0], "depart_s": visit[1]} if visit else {})


def _day(run: Row, points: Sequence[Point], pins: list[Row], dirt: Dirt, rng: random.Random) -> Row:
    rows = sorted(_dirty(points, dirt, rng))
    run_id = f"{run['run_id']}-{rng.randrange(10**6)}"
    return {"run_id": run_id, "vehicle": run.get("vehicle"), "points_recv_t_lat_lon_acc": rows, "stops": pins}


def _dirty(points: Sequence[Point], dirt: Dirt, rng: random.Random) -> Iterator[list[float]]:
    for at_s, lat, lon in points:
        place, accuracy_m = _near(lat, lon, dirt.noise_m, rng), rng.choice((5, 8, 12, 20, 35))
        luck = rng.random()
        if luck < dirt.jumps + dirt.inaccurate:
            place = _off(lat, lon, rng.uniform(*dirt.jump_m), rng)
            accuracy_m = 10 if luck < dirt.jumps else 1000
        lag_s = rng.uniform(60.0, 240.0) if rng.random() < dirt.late else rng.uniform(0.2, 3.0)
        row = [at_s, round(place[0], 6), round(place[1], 6), accuracy_m]
        yield [at_s + lag_s, *row]
        if rng.random() < dirt.twice:
            yield [at_s + lag_s + 0.5, *row]


def _meters(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    shrink = math.cos(math.radians(lat))
    return math.hypot(to_lat - lat, (to_lon - lon) * shrink) * M_PER_DEG


def _near(lat: float, lon: float, sigma_m: float, rng: random.Random) -> tuple[float, float]:
    shrink = math.cos(math.radians(lat))
    return lat + rng.gauss(0, sigma_m) / M_PER_DEG, lon + rng.gauss(0, sigma_m) / M_PER_DEG / shrink


def _off(lat: float, lon: float, meters: float, rng: random.Random) -> tuple[float, float]:
    turn = rng.uniform(0.0, 2 * math.pi)
    shrink = math.cos(math.radians(lat))
    return lat + meters * math.cos(turn) / M_PER_DEG, lon + meters * math.sin(turn) / M_PER_DEG / shrink
