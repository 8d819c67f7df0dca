"""Draws how the cost of a day grows with its trucks: see ``bench_shape``."""

from collections.abc import Sequence
from statistics import median
from typing import Protocol

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 190, 96, 52
WEB, WORKER, INK, PALE = "#1f6f54", "#b4531c", "#33403b", "#d8ddda"
LABEL_APART = 16


class Point(Protocol):
    """One phase: so many trucks on their way, so many pages open, and the share of a core that each process used."""

    @property
    def trucks(self) -> int:
        """Trucks on their way."""

    @property
    def pages(self) -> int:
        """Open pages."""

    def cores(self, name: str) -> float:
        """Return the share of ``web`` or ``worker``."""


def plot(points: Sequence[Point], words: Sequence[str]) -> str:
    """Return an SVG: percent of one core over trucks, of web and worker, with and without viewers."""
    most_trucks = max(point.trucks for point in points)
    step = _step(max(point.cores(name) for point in points for name in ("web", "worker")) * 100)
    most = step * 5

    def place(trucks: float, percent: float) -> tuple[float, float]:
        x = LEFT + trucks / most_trucks * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - percent / most * (HEIGHT - BOTTOM - TOP), 1)

    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
    parts = [
        head + f'font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        '<text x="16" y="20" font-weight="600">Processor time of a day by trucks, in percent of one core</text>',
        *(f'<text x="16" y="{38 + 15 * number}">{text}</text>' for number, text in enumerate(words)),
    ]
    for number in range(6):
        x, y = place(0, step * number)
        parts.append(f'<line x1="{x}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{PALE}"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{step * number:g} %</text>')
    for trucks in sorted({0, *(point.trucks for point in points)}):
        x, y = place(trucks, 0)
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{trucks}</text>')
    x, y = place(most_trucks / 2, 0)
    parts.append(f'<text x="{x}" y="{y + 38}" text-anchor="middle">trucks on their way, a fix each 5 s</text>')
    ends = []
    for name, colour in (("worker", WORKER), ("web", WEB)):
        for is_watched in (True, False):
            row = sorted(
                (point.trucks, point.cores(name) * 100)
                for point in points
                if point.trucks and bool(point.pages) is is_watched
            )
            if not row:
                continue
            at_rest = [point.cores(name) * 100 for point in points if not point.trucks]
            line = [place(*at) for at in ([(0, median(at_rest)), *row] if at_rest else row)]
            dash = "" if is_watched else ' stroke-dasharray="5 4"'
            drawn = " ".join(f"{x},{y}" for x, y in line)
            parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
            parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in line]
            ends.append((line[-1][1], f"{name}, {_viewers(points) if is_watched else 'nobody watches'}", colour))
    parts += _labels(ends)
    return "\n".join((*parts, "</svg>", ""))


def _viewers(points: Sequence[Point]) -> str:
    most = max(points, key=lambda point: point.pages)
    return f"{most.pages / max(1, most.trucks):g} viewers a truck"


def _labels(ends: list[tuple[float, str, str]]) -> list[str]:
    """Name each line at its end, none over another."""
    parts, lowest = [], float("-inf")
    for y, text, colour in sorted(ends):
        lowest = max(y + 4, lowest + LABEL_APART)
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{lowest}" fill="{colour}">{text}</text>')
    return parts


def _step(most: float) -> float:
    """Return a round fifth of an axis that reaches ``most``."""
    size: float = 1
    while True:
        for step in (size, size * 2, size * 5):
            if step * 5 >= most:
                return step
        size *= 10
