"""What one fix costs the ETA engine, by how many stops are left: `python -m bench.bench_fix_cost [--plot FILE.svg]`.

Plays a straight day of each length for a while, with a fix every ten seconds and estimates for every stop after each,
and prints the median and the 95th percentile of processor time a fix. The line through the medians shows how it grows.
"""

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from tracking.fixes import Fix
from tracking.geo import LatLon
from tracking.progress import PlannedStop, RouteProgress

STOPS = (10, 25, 50, 75, 100, 125, 150, 200, 300)
FIXES = 200
START = datetime(2026, 3, 5, 9, tzinfo=UTC)
GOAL_MS = 5.0  # for 150 stops (reference/tracking.md 6)
M_PER_DEG = 111_195.0


def costs_ms(stops: int, fixes: int) -> list[float]:
    """Return the processor milliseconds of each fix: taking it in, and an estimate for every stop left."""
    planned = [PlannedStop(str(n), 52.0 + (8000 + 400 * n) / M_PER_DEG, 13.0) for n in range(stops)]
    progress = RouteProgress.start(depot=LatLon(52.0, 13.0), planned_start_at=START, stops=planned)
    progress.begin(START)
    found = []
    for number in range(fixes):
        # Half a minute of driving, half a minute in traffic; the first stop is too far away to be reached.
        meters = 200.0 * (number // 6) + 66.0 * min(number % 6, 3)
        at = START + timedelta(seconds=10 * number)
        began = time.process_time_ns()
        progress.accept(Fix(52.0 + meters / M_PER_DEG, 13.0, at, at, 8.0))
        progress.estimates(at)
        found.append((time.process_time_ns() - began) / 1e6)
    return found


def slope(rows: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return the least-squares line through (stops, milliseconds): milliseconds a stop, and at no stop."""
    mean_x = sum(x for x, _ in rows) / len(rows)
    mean_y = sum(y for _, y in rows) / len(rows)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in rows) / sum((x - mean_x) ** 2 for x, _ in rows)
    return rise, mean_y - rise * mean_x


def plot(rows: Sequence[tuple[int, float]], path: Path) -> None:
    """Draw the medians and the line through them as an SVG."""
    width, height, left, top, ground = 560, 320, 52, 24, 270
    most_x, most_y = rows[-1][0], max(GOAL_MS, *(y for _, y in rows)) * 1.1
    rise, base = slope(rows)

    def place(x: float, y: float) -> tuple[float, float]:
        return round(left + (width - left - 20) * x / most_x, 1), round(ground - (ground - top) * y / most_y, 1)

    (x0, y0), (x1, y1) = place(0, base), place(most_x, base + rise * most_x)
    (gx0, gy), (gx1, _) = place(0, GOAL_MS), place(most_x, GOAL_MS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" fill="#33403b">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="15" font-weight="600">Processor time of one fix, by stops left (median)</text>',
        f'<path d="M{left} {top}V{ground}H{width - 20}" fill="none" stroke="#8a948f"/>',
        f'<line x1="{gx0}" x2="{gx1}" y1="{gy}" y2="{gy}" stroke="#b4530a" stroke-dasharray="5 4"/>',
        f'<text x="{gx1}" y="{gy - 5}" text-anchor="end" fill="#b4530a">goal: {GOAL_MS:g} ms at 150 stops</text>',
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#0b5d4a" stroke-opacity=".45" stroke-width="2"/>',
    ]
    for x, y in rows:
        px, py = place(x, y)
        parts.append(f'<circle cx="{px}" cy="{py}" r="4" fill="#0b5d4a"/>')
        parts.append(f'<text x="{px}" y="{py - 9}" text-anchor="middle">{y:.2f}</text>')
        parts.append(f'<text x="{px}" y="{ground + 17}" text-anchor="middle">{x}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">stops left</text>')
    parts.append(
        f'<text x="16" y="{ground / 2 + 20}" transform="rotate(-90 16 {ground / 2 + 20})">ms a fix</text></svg>'
    )
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    """Print the table, and draw it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--fixes", type=int, default=FIXES)
    options = parser.parse_args()
    rows = []
    print("stops   median   95 of 100, ms")
    for stops in STOPS:
        found = sorted(costs_ms(stops, options.fixes))
        rows.append((stops, found[len(found) // 2]))
        print(f"{stops:5} {rows[-1][1]:8.3f} {found[int(0.95 * len(found))]:8.3f}")
    rise, base = slope(rows)
    print(f"{1000 * rise:.1f} microseconds for each stop left, {base:.2f} ms beside them")
    steps = [(after - before) / (more - fewer) for (fewer, before), (more, after) in pairwise(rows)]
    print("between the rows: " + ", ".join(f"{1000 * step:.1f}" for step in steps) + " microseconds a stop")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
