"""The days that arrival detection is tried on: what is served, what is driven past, and the plain rules on them."""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.arrival_days import as_sample, harsh, times
from bench.bench_arrivals import detected, scored
from bench.plain_rules import first_inside, sequence_aware, standing
from tracking.runs import read_run

M_PER_DEG = 111_195.0


def driven(stops: int = 6, *, every_s: float = 30.0) -> dict[str, Any]:
    """Return a run due north at 5 m/s that is only driven through, with a stop every 900 m."""
    points = [[every_s * n, 40.0 + 5.0 * every_s * n / M_PER_DEG, -74.0] for n in range(int(stops * 180 / every_s) + 1)]
    places = [{"lat": 40.0 + 900.0 * n / M_PER_DEG, "lon": -74.0, "arrive_s": 180.0 * n} for n in range(1, stops + 1)]
    return {"run_id": "r", "points": points, "stops": places}


def test_a_day_like_the_sample_serves_every_stop_and_drives_past_pins_between_them() -> None:
    day = as_sample(driven(20), random.Random(1))
    served = [stop["served"] for stop in day["stops"]]
    assert sum(served) == 20
    assert 8 <= served.count(False) <= 19
    assert not any(not a and not b for a, b in pairwise(served))
    assert all(stop["depart_s"] - stop["arrive_s"] >= 25 for stop in day["stops"] if stop["served"])


def test_a_harsh_day_leaves_stops_out_but_never_the_last() -> None:
    day = harsh(driven(20), random.Random(1), median_s=150, spread=0.6)
    assert len(day["stops"]) == 20
    assert {stop["served"] for stop in day["stops"]} == {True, False}
    assert day["stops"][-1]["served"]


def test_runs_of_phones_that_send_once_a_minute_count_more() -> None:
    assert (times(driven()), times(driven(every_s=60.0))) == (1, 5)


def test_plain_rules_and_the_product_find_the_services_of_an_easy_day() -> None:
    run = read_run(as_sample(driven(), random.Random(3), median_s=300))
    served = {stop.stop_id for stop, visit in zip(run.stops, run.truth, strict=True) if visit.arrived_at}
    everything = {stop.stop_id for stop in run.stops}
    assert set(first_inside(run)) == everything
    # Nobody stands on this road, so a stand is a service; the last one has no fix after its arrival.
    last = str(len(run.stops) - 1)
    assert set(standing(run, 60.0)) == set(sequence_aware(run, everything)) == served - {last}
    assert set(detected(run)) == served
    assert scored([run]).startswith("6 arrivals, 1.000 found within 2 min;")


def test_a_made_day_is_a_line_of_the_format_that_replay_reads(tmp_path: Path) -> None:
    day = json.loads(json.dumps(as_sample(driven(), random.Random(2))))
    assert len(read_run(day).fixes) == len(day["points_recv_t_lat_lon_acc"])
