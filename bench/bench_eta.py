"""Cross-validate the ETA on a file of runs, by vehicle: `python -m bench.bench_eta RUNS.jsonl [--taps] [--shown]`.

Each vehicle's runs are replayed with what the other vehicles' runs teach. Prints MAE and its ratio to both baselines,
coverage, width and jumps, in all and by horizon (how far away the arrival really was). N1's pace too comes from the
other vehicles' runs, as the product's does. "vehicles" is all again with every vehicle weighing the same: where one has
many runs, that is nearer to what a vehicle nobody has seen will get.
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

from bench.score_eta import Row, Score, by_horizon, constant_pace, read_rows, score
from tracking.replay import replay
from tracking.runs import Run, read_runs

HEADER = "minutes      rows    MAE   bias  of N0  of N1  in range  width   jump   >5 min"


def folds(path: Path) -> list[tuple[list[str], list[str]]]:
    """Return (other vehicles' lines, own lines) for each vehicle of the file."""
    own: dict[str, list[str]] = defaultdict(list)
    for run, line in zip(read_runs(path), _lines(path), strict=True):
        own[run.vehicle or run.run_id].append(line)
    return [
        ([line for other, rows in own.items() if other != vehicle for line in rows], lines)
        for vehicle, lines in own.items()
    ]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.strip()]


def run_fold(dev: list[str], test: list[str], *, taps: bool, shown: bool) -> tuple[list[Row], float]:
    """Return the rows of one vehicle and the constant pace of the others."""
    with tempfile.TemporaryDirectory() as folder:
        dev_path, test_path, out = (Path(folder, name) for name in ("dev.jsonl", "test.jsonl", "out.csv"))
        dev_path.write_text("".join(dev), encoding="utf-8")
        test_path.write_text("".join(test), encoding="utf-8")
        replay(test_path, out, dev_path=dev_path, taps=taps, shown=shown)
        runs: list[Run] = list(read_runs(test_path))
        return read_rows(out, runs), constant_pace(read_runs(dev_path))


def line_of(name: str, found: Score) -> str:
    """Return one line of the table."""
    return (
        f"{name:10} {found.rows:6} {found.mae_min:6.2f} {found.bias_min:+6.2f} {found.mae_min / found.n0_min:6.2f} "
        f"{found.mae_min / found.n1_min:6.2f} {found.coverage:9.2f} {found.width_min:6.1f} {found.jump_min:6.2f} "
        f"{found.big_jumps:8.3f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--taps", action="store_true", help="the runs' own times are the driver's taps")
    parser.add_argument("--shown", action="store_true", help="score the promise instead of the estimate")
    options = parser.parse_args()
    rows: list[Row] = []
    paces: list[float] = []
    for dev, test in folds(options.runs):
        found, pace = run_fold(dev, test, taps=options.taps, shown=options.shown)
        rows += found
        paces.append(pace)
    middle = sorted(paces)[len(paces) // 2]
    print(f"{options.runs.name}: {len(paces)} vehicles, {len({row.run_id for row in rows})} runs")
    print(HEADER)
    print(line_of("all", score(rows, n1_s_per_m=middle)))
    print(line_of("vehicles", score(rows, n1_s_per_m=middle, by_vehicle=True)))
    for name, part in by_horizon(rows):
        if part:
            print(line_of(name, score(part, n1_s_per_m=middle)))


if __name__ == "__main__":
    main()
