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


def bars(rows: Sequence[tuple[str, str, float]], whole: float | None = None) -> tuple[Bar, ...]:
    """Draw (label, figure, value) rows against ``whole``, the value of a full bar, or else the longest of them."""
    full = whole or max((value for _, _, value in rows), default=0.0)
    return tuple(Bar(label, figure, round(WIDTH * value / full, 1) if full else 0.0) for label, figure, value in rows)


def ring(percent: int | None, radius: float = 15.0) -> tuple[float, float]:
    """Return (drawn, whole) lengths of a ring's stroke for a percentage."""
    whole = 2 * math.pi * radius
    return round(whole * (percent or 0) / 100, 2), round(whole, 2)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where it stands, how high it is, and what is written at it. ``height`` 0 has no figure."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    figure: str
    number: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Percentages side by side, 0 to 100, in a field of ``width`` by ``height``; the columns stand on ``ground``."""

    width: int
    height: int
    ground: float
    grid: tuple[tuple[float, str], ...]
    columns: tuple[Column, ...]


_COLUMNS_WIDTH, _COLUMNS_HEIGHT = 640, 190
_ABOVE, _BELOW, _AXIS = 22, 40, 34


def columns(rows: Sequence[tuple[str, int | None, str]]) -> Columns:
    """Draw (label, percent, number) as columns; one without a percentage keeps its place and is empty."""
    ground = _COLUMNS_HEIGHT - _BELOW
    tallest = ground - _ABOVE
    step = (_COLUMNS_WIDTH - _AXIS) / max(1, len(rows))
    width = min(44.0, step * 0.62)
    drawn = []
    for index, (label, percent, number) in enumerate(rows):
        middle = _AXIS + step * (index + 0.5)
        height = round(tallest * (percent or 0) / 100, 1)
        figure = "" if percent is None else f"{percent} %"
        x = round(middle - width / 2, 1)
        drawn.append(Column(x, ground - height, round(width, 1), height, round(middle, 1), label, figure, number))
    grid = tuple((round(ground - tallest * share / 100, 1), f"{share}") for share in (0, 50, 100))
    return Columns(_COLUMNS_WIDTH, _COLUMNS_HEIGHT, ground, grid, tuple(drawn))
