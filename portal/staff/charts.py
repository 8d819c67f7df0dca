"""Small charts as plain numbers for inline SVG: the templates only print them. All lengths in SVG user units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 160, 44
_PAD = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One day of a line. ``y`` is None where there is no figure."""

    x: float
    y: float | None
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line over days. ``paths``: one polyline for each unbroken run; ``last``: the newest point with a figure."""

    paths: tuple[str, ...]
    points: tuple[Point, ...]
    last: Point | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: how long it is, of ``WIDTH``, with its name and figure."""

    label: str
    figure: str
    width: float


def line(by_day: Sequence[tuple[date, int | None]]) -> Line:
    """Draw percentages by day. The scale starts at the highest multiple of 25 below them all, and ends at 100."""
    known = [value for _, value in by_day if value is not None]
    floor = min(75, 25 * (min(known) // 25)) if known else 0
    step = (WIDTH - 2 * _PAD) / max(1, len(by_day) - 1)
    points = tuple(
        Point(
            round(_PAD + step * index, 1),
            None if value is None else round(HEIGHT - _PAD - (HEIGHT - 2 * _PAD) * (value - floor) / (100 - floor), 1),
            f"{day:%a} {day.day}: {'no figure' if value is None else f'{value} %'}",
        )
        for index, (day, value) in enumerate(by_day)
    )
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.y is None:
            runs.append([])
        else:
            runs[-1].append(point)
    paths = tuple(" ".join(f"{point.x},{point.y}" for point in run) for run in runs if len(run) > 1)
    drawn = [point for point in points if point.y is not None]
    return Line(paths, points, drawn[-1] if drawn else None)


def bars(rows: Sequence[tuple[str, str, float]]) -> tuple[Bar, ...]:
    """Draw (label, figure, value) rows against the longest of them."""
    longest = max((value for _, _, value in rows), default=0.0)
    return tuple(
        Bar(label, figure, round(WIDTH * value / longest, 1) if longest else 0.0) for label, figure, value in rows
    )


def ring(percent: int | None, radius: float = 15.0) -> tuple[float, float]:
    """Return (drawn, whole) lengths of a ring's stroke for a percentage."""
    whole = 2 * math.pi * radius
    return round(whole * (percent or 0) / 100, 2), round(whole, 2)
