"""The charts of the page of truth, as plain numbers for inline SVG. All lengths in SVG user units."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.staff.truth_figures import Truth

WIDTH, HEIGHT = 360, 150
_LEFT, _RIGHT, _TOP, _GROUND = 26.0, 4.0, 12.0, 126.0
_GAP = 0.28  # of a column's place


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the scale, or the aim: where it is and what it says."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column with its figure and name. ``height`` 0 where there is no figure."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    figure_y: float
    figure: str
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. ``unit`` is said once, in the title. ``columns`` or ``paths`` are drawn, never both."""

    title: str
    unit: str
    ground: float
    marks: tuple[Mark, ...]
    aim: Mark | None
    columns: tuple[Column, ...] = ()
    paths: tuple[str, ...] = ()
    dots: tuple[tuple[float, float, str], ...] = ()
    ends: tuple[str, str] = ("", "")


Figure = Callable[[Truth], float | None]


def columns(title: str, unit: str, rows: Sequence[Truth], figure: Figure, *, aim: float | None = None) -> Chart:
    """Draw a column for each row; a figure below zero hangs under the ground line."""
    values = [figure(row) for row in rows]
    low, high, step = _scale([value for value in values if value is not None], aim)
    ground = _y(0.0, low, high)
    place = (WIDTH - _LEFT - _RIGHT) / max(1, len(rows))
    drawn = []
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        x = _LEFT + place * (number + _GAP / 2)
        y = ground if value is None else _y(value, low, high)
        wide = place * (1 - _GAP)
        drawn.append(
            Column(
                x=round(x, 1),
                y=round(min(y, ground), 1),
                width=round(wide, 1),
                height=round(abs(ground - y), 1),
                middle=round(x + wide / 2, 1),
                figure_y=round(y - 3 if y <= ground else y + 10, 1),
                figure="" if value is None else _said(value, unit),
                label=row.label.removesuffix(" min").replace("over ", "> "),
            )
        )
    return Chart(title, unit, ground, _marks(low, high, step), _aim(aim, low, high), columns=tuple(drawn))


def line(title: str, unit: str, rows: Sequence[Truth], figure: Figure, *, aim: float | None = None) -> Chart:
    """Draw a line over days, broken where there is no figure."""
    values = [figure(row) for row in rows]
    low, high, step = _scale([value for value in values if value is not None], aim)
    place = (WIDTH - _LEFT - _RIGHT) / max(1, len(rows) - 1)
    runs: list[list[tuple[float, float, str]]] = [[]]
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        if value is None:
            runs.append([])
            continue
        said = f"{row.label}: {_said(value, unit)} {unit}"
        runs[-1].append((round(_LEFT + place * number, 1), _y(value, low, high), said))
    paths = tuple(" ".join(f"{x},{y}" for x, y, _ in run) for run in runs if len(run) > 1)
    dots = tuple(dot for run in runs for dot in run)
    ends = (rows[0].label, rows[-1].label) if rows else ("", "")
    marks, aim_mark = _marks(low, high, step), _aim(aim, low, high)
    return Chart(title, unit, _y(0.0, low, high), marks, aim_mark, paths=paths, dots=dots, ends=ends)


def _said(value: float, unit: str) -> str:
    return f"{value:.{0 if unit == '%' else 1}f}".replace("-", "−")


def _scale(values: Sequence[float], aim: float | None) -> tuple[float, float, float]:
    """Return the low and high end and the step of a scale with round steps that holds zero, values and aim."""
    high, low = max([1.0, *values, aim or 0.0]), min([0.0, *values])
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * many for many in (1, 2, 2.5, 5, 10) if size * many >= rough)
    return step * math.floor(low / step), step * math.ceil(high / step), step


def _y(value: float, low: float, high: float) -> float:
    return round(_GROUND - (_GROUND - _TOP) * (value - low) / (high - low), 1)


def _marks(low: float, high: float, step: float) -> tuple[Mark, ...]:
    count = round((high - low) / step)
    return tuple(Mark(_y(low + step * number, low, high), f"{low + step * number:g}") for number in range(count + 1))


def _aim(aim: float | None, low: float, high: float) -> Mark | None:
    return None if aim is None else Mark(_y(aim, low, high), f"aim {aim:g}")
