"""Our scorer says what the scorer of the reference says, of a small made-up file with made-up predictions."""

from pathlib import Path

import pytest

from bench.score_eta import Row, by_horizon, constant_pace, read_rows, score
from tracking.runs import read_runs

HERE = Path(__file__).parent


def test_the_figures_are_those_of_the_reference_scorer() -> None:
    # What the reference's scorer printed for small_runs.jsonl, small_predictions.csv and small_dev.jsonl.
    rows = read_rows(HERE / "small_predictions.csv", read_runs(HERE / "small_runs.jsonl"))
    found = score(rows, n1_s_per_m=constant_pace(read_runs(HERE / "small_dev.jsonl")))
    assert found.rows == 189
    assert found.mae_min == pytest.approx(1.93, abs=0.005)
    assert found.bias_min == pytest.approx(0.71, abs=0.005)
    assert found.n0_min == pytest.approx(2.84, abs=0.005)
    assert found.n1_min == pytest.approx(2.75, abs=0.005)
    assert found.coverage == pytest.approx(0.405, abs=0.0005)
    assert found.width_min == pytest.approx(2.6, abs=0.05)
    assert found.jump_min == pytest.approx(3.1, abs=0.005)
    assert found.big_jumps == pytest.approx(0.175, abs=0.0005)


def test_every_row_is_in_one_horizon() -> None:
    rows = read_rows(HERE / "small_predictions.csv", read_runs(HERE / "small_runs.jsonl"))
    assert sum(len(part) for _, part in by_horizon(rows)) == len(rows)


def test_a_vehicle_weighs_as_much_as_another_that_has_more_runs() -> None:
    # Two runs of one vehicle are 60 s wrong, the one of the other 240 s; of its runs each weighs the same.
    rows = [
        Row(run_id, vehicle, 600.0 + wrong_s, 500.0, 700.0, 600.0, 1000.0, None)
        for run_id, vehicle, wrong_s in (("1", "a", 60.0), ("1", "a", 60.0), ("2", "a", 60.0), ("3", "b", 240.0))
    ]
    assert score(rows, n1_s_per_m=0.3).mae_min == pytest.approx(2.0)
    assert score(rows, n1_s_per_m=0.3, by_vehicle=True).mae_min == pytest.approx(2.5)
