"""Replay: rows for open stops a minute apart, arrivals as detected, and nothing from the future."""

import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tracking.learning import learn, run_pace
from tracking.replay import ReplaySummary, replay
from tracking.runs import BadRunFile, instant_of, read_run, read_runs, seconds_of

PER_M = 1 / 111_195


def made_run(run_id: str = "r1", *, dwell_s: float = 120.0, speed_mps: float = 5.0, **more: Any) -> dict[str, Any]:
    """Return a run due north with a stop every 600 m: drive, stand, drive on; a fix every 15 s."""
    points, stops, clock = [], [], 0.0
    for number in range(6):
        begin_m = 600.0 * number
        drive_s = 600.0 / speed_mps
        steps = int(drive_s // 15)
        points += [[clock + 15 * k, 52 + (begin_m + 600 * k / steps) * PER_M, 13.0] for k in range(steps)]
        clock += drive_s
        stop = {"lat": 52 + (begin_m + 600) * PER_M, "lon": 13.0, "arrive_s": clock}
        if dwell_s:
            stop["depart_s"] = clock + dwell_s
            points += [[clock + 15 * k, stop["lat"], 13.0] for k in range(int(dwell_s // 15))]
        clock += dwell_s
        stops.append(stop)
    points.append([clock, 52 + 3600 * PER_M, 13.0])
    return {"run_id": run_id, "vehicle": f"v-{run_id}", "points": points, "stops": stops, **more}


def moved(run: dict[str, Any], *, lat: float) -> dict[str, Any]:
    """Return ``run`` as it would be driven so many degrees further north."""
    points = [[at_s, north + lat, east] for at_s, north, east in run["points"]]
    return run | {"points": points, "stops": [stop | {"lat": stop["lat"] + lat} for stop in run["stops"]]}


def without_truth(run: dict[str, Any]) -> dict[str, Any]:
    stops = [{"lat": stop["lat"], "lon": stop["lon"]} for stop in run["stops"]]
    return {"run_id": run["run_id"], "points": run["points"], "stops": stops}


def write(path: Path, *runs: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def played(tmp_path: Path, *runs: dict[str, Any], **options: Any) -> tuple[ReplaySummary, list[dict[str, str]]]:
    out = tmp_path / "pred.csv"
    summary = replay(write(tmp_path / "runs.jsonl", *runs), out, **options)
    return summary, rows_of(out)


def test_rows_name_run_time_stop_and_the_range(tmp_path: Path) -> None:
    summary, rows = played(tmp_path, made_run())
    assert list(rows[0]) == ["run_id", "t", "stop", "eta_s", "lo_s", "hi_s"]
    assert summary.rows == len(rows)
    assert all(float(row["lo_s"]) <= float(row["eta_s"]) <= float(row["hi_s"]) for row in rows)
    assert {row["stop"] for row in rows[:6]} == {"0", "1", "2", "3", "4", "5"}


def test_a_stop_gets_at_most_one_row_a_minute_and_none_once_reached(tmp_path: Path) -> None:
    _, rows = played(tmp_path, made_run())
    for stop in range(6):
        times = [float(row["t"]) for row in rows if row["stop"] == str(stop)]
        assert all(later - earlier >= 60 for earlier, later in pairwise(times))
    arrive_s = made_run()["stops"][0]["arrive_s"]
    assert max(float(row["t"]) for row in rows if row["stop"] == "0") <= arrive_s + 60


def test_the_times_of_the_file_change_nothing_without_taps(tmp_path: Path) -> None:
    run = made_run()
    _, with_truth = played(tmp_path, run)
    _, blind = played(tmp_path, without_truth(run))
    assert with_truth == blind


def test_what_comes_later_changes_no_earlier_row(tmp_path: Path) -> None:
    run = made_run()
    cut = {**run, "points": run["points"][: len(run["points"]) // 2]}
    _, every = played(tmp_path, run)
    _, half = played(tmp_path, cut)
    assert every[: len(half)] == half


def test_taps_tell_the_arrivals_of_a_run_that_is_only_driven_through(tmp_path: Path) -> None:
    run = made_run(dwell_s=0.0)
    _, rows = played(tmp_path, run, taps=True)
    for stop, truth in enumerate(run["stops"]):
        assert all(float(row["t"]) < truth["arrive_s"] for row in rows if row["stop"] == str(stop))
    # Nothing is left to serve, so the last stop is driving alone: 3600 m at 1.25 x 150 s/km.
    assert float(rows[5]["eta_s"]) == pytest.approx(3600 * 0.1875, abs=2)


def test_arrivals_are_written_as_detected(tmp_path: Path) -> None:
    out = tmp_path / "arrivals.csv"
    run = made_run()
    summary, _ = played(tmp_path, run, arrivals_path=out)
    found = rows_of(out)
    assert [row["stop"] for row in found] == ["0", "1", "2", "3", "4", "5"]
    assert summary.arrivals == 6
    for row in found:
        assert float(row["arrive_s"]) == pytest.approx(run["stops"][int(row["stop"])]["arrive_s"], abs=15)


def test_shown_rows_are_the_promise_on_its_marks(tmp_path: Path) -> None:
    _, rows = played(tmp_path, made_run(), shown=True)
    marks = [float(row["t"]) + float(row["eta_s"]) for row in rows if float(row["eta_s"]) != 60.0]
    assert marks
    assert all(abs(mark - 60 * round(mark / 60)) < 0.2 for mark in marks)


def test_fixes_come_in_the_order_of_receipt_with_their_dirt(tmp_path: Path) -> None:
    run = made_run()
    clean = run.pop("points")
    dirty = [[at_s + 1, at_s, lat, lon, 8] for at_s, lat, lon in clean]
    dirty[3] = [dirty[3][1] + 100, *dirty[3][1:]]
    dirty += [list(dirty[5]), [dirty[7][0], dirty[7][1] + 1, 53.0, 14.0, 10], [dirty[8][0], dirty[8][1] + 1, 0, 0, 5]]
    dirty.sort(key=lambda row: row[0])
    summary, rows = played(tmp_path, {**run, "points_recv_t_lat_lon_acc": dirty})
    assert summary.arrivals == 6
    assert [float(row["t"]) for row in rows] == sorted(float(row["t"]) for row in rows)


def test_history_is_learned_from_the_past_runs(tmp_path: Path) -> None:
    past = write(tmp_path / "dev.jsonl", *(made_run(f"d{n}", dwell_s=240.0) for n in range(8)))
    run = made_run(dwell_s=240.0)
    last = {True: 0.0, False: 0.0}
    for learned in (True, False):
        _, rows = played(tmp_path, run, dev_path=past if learned else None)
        last[learned] = abs(float(rows[5]["eta_s"]) - run["stops"][5]["arrive_s"])
    assert last[True] < last[False]


def test_a_line_that_is_no_run_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "runs.jsonl", made_run())
    with path.open("a") as lines:
        lines.write('{"run_id": "x"}\n')
    with pytest.raises(BadRunFile, match="line 2") as caught:
        replay(path, tmp_path / "out.csv")
    assert caught.value.line == 2


def test_a_run_without_fixes_writes_nothing(tmp_path: Path) -> None:
    summary, rows = played(tmp_path, made_run(points=[]))
    assert (summary, rows) == (ReplaySummary(runs=1, fixes=0, rows=0, arrivals=0), [])


def test_learned_pace_and_service_are_those_of_the_runs(tmp_path: Path) -> None:
    runs = list(read_runs(write(tmp_path / "dev.jsonl", *(made_run(f"d{n}", dwell_s=240.0) for n in range(30)))))
    history = learn(runs)
    # 5 m/s are 200 s/km, 4/3 of the straight line's 150; thirty runs outweigh the default of two.
    assert run_pace(runs[0]) == pytest.approx(4 / 3, rel=0.01)
    assert history.pace == pytest.approx(4 / 3, rel=0.01)
    assert history.service_s == pytest.approx(240, abs=5)


def test_without_runs_the_history_is_the_default() -> None:
    history = learn([])
    assert (history.pace, history.service_s) == (1.25, 180.0)


def test_seconds_and_instants_are_each_others_inverse() -> None:
    assert seconds_of(instant_of(12.5)) == 12.5


def test_runs_that_lack_what_may_be_absent_are_played(tmp_path: Path) -> None:
    full = made_run()
    bare = without_truth(full)
    one = {**bare, "run_id": "one", "stops": bare["stops"][:1]}
    none = {**bare, "run_id": "none", "stops": []}
    out = tmp_path / "arrivals.csv"
    summary, rows = played(tmp_path, bare, one, none, arrivals_path=out)
    assert summary.runs == 3
    assert {row["run_id"] for row in rows} == {"r1", "one"}
    assert [row["run_id"] for row in rows_of(out)] == ["r1"] * 6 + ["one"]


@pytest.mark.parametrize("taps", [True, False])
@pytest.mark.parametrize("shown", [True, False])
def test_nothing_in_a_files_future_changes_what_was_written_before(tmp_path: Path, taps: bool, shown: bool) -> None:
    run = made_run()
    until_s = 3 * 240.0 + 60.0  # on the way to the fourth stop
    # The truth after that moment is another one, and the rest of the fixes leads elsewhere.
    later = [{**stop, "arrive_s": stop["arrive_s"] + 900, "depart_s": stop["depart_s"] + 900} for stop in run["stops"]]
    stops = [
        before if before["depart_s"] <= until_s else after for before, after in zip(run["stops"], later, strict=True)
    ]
    points = [[at_s, lat, lon if at_s <= until_s else lon + 0.05] for at_s, lat, lon in run["points"]]
    _, truly = played(tmp_path, run, taps=taps, shown=shown)
    _, otherwise = played(tmp_path, {**run, "stops": stops, "points": points}, taps=taps, shown=shown)
    told = [[row for row in rows if float(row["t"]) <= until_s] for rows in (truly, otherwise)]
    assert told[0]
    assert told[0] == told[1]


def test_fixes_in_any_order_and_repeated_are_no_harm(tmp_path: Path) -> None:
    run = made_run()
    points = run["points"]
    mixed = [*points[:10], points[12], points[10], points[11], points[11], *points[13:]]
    summary, rows = played(tmp_path, {**run, "points": mixed})
    assert summary.arrivals == 6
    times = [float(row["t"]) for row in rows]
    assert times == sorted(times)


def test_fixes_that_are_no_places_are_passed_over(tmp_path: Path) -> None:
    run = made_run()
    run["points"][4:4] = [[run["points"][3][0] + 1, 0.0, 0.0], [run["points"][3][0] + 2, float("nan"), 13.0]]
    summary, _ = played(tmp_path, run)
    assert summary.arrivals == 6


def test_a_driver_is_not_slow_for_the_area_that_is(tmp_path: Path) -> None:
    # 5 m/s are 4/3 of the straight line's pace, 2.5 m/s are 8/3; a driver for each, a degree of latitude apart.
    fast = [made_run(f"f{number}", speed_mps=5.0, vehicle="fast") for number in range(6)]
    slow = [moved(made_run(f"s{number}", speed_mps=2.5, vehicle="slow"), lat=1.0) for number in range(6)]
    history = learn(read_runs(write(tmp_path / "runs.jsonl", *fast, *slow)))
    # Without the areas one would be twice as slow as the other, shrunk by half: 1.5 times. Each area sees two or three
    # cells of six runs and a prior of four, so it explains all but 2 ** (4 / 16) to 2 ** (4 / 22): 1.07 times are left.
    assert 1.0 < history.pace_of("slow") / history.pace_of("fast") < 1.1
    first, second = (read_run(slow[0]).stops[number].place for number in (1, 2))
    other_first, other_second = (read_run(fast[0]).stops[number].place for number in (1, 2))
    ratio = history.slow_places.factor(first, second) / history.slow_places.factor(other_first, other_second)
    assert 2 ** (12 / 16) * 0.99 < ratio < 2 ** (18 / 22) * 1.01


def test_the_pace_of_one_town_is_not_expected_of_another(tmp_path: Path) -> None:
    slow = write(tmp_path / "dev.jsonl", *(made_run(f"d{number}", speed_mps=2.0) for number in range(6)))
    far = moved(made_run(), lat=2.0)
    _, untaught = played(tmp_path, far, taps=True)
    _, taught = played(tmp_path, far, taps=True, dev_path=slow)
    # 600 m to the first stop: nothing but the pace, which is the default one without a history of this town.
    assert taught[0]["eta_s"] == untaught[0]["eta_s"]
    _, near = played(tmp_path, made_run(), taps=True, dev_path=slow)
    assert float(near[0]["eta_s"]) > 1.5 * float(untaught[0]["eta_s"])
