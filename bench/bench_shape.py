"""The shape of a real day: ``python -m bench.bench_shape [--trucks 50 100 200] [--seconds 30] [--plot FILE.svg]``.

Few people watch each delivery, and each has another time: on a whole instance every truck posts a fix each 5 s, and
``--watched`` pages a truck each watch another of its eight deliveries. From the POST of a fix through consumer,
rendering and stream; prints processor milliseconds a fix by process, and draws how it grows.
"""

import argparse
import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.live.fleet import FIX_EVERY_S, Fleet
from bench.live.house import cpu_s

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 60, 40


@dataclass(frozen=True)
class Shape:
    """What one size came to: processor milliseconds a fix, by process; a stream event's share; delays in ms."""

    trucks: int
    pages: int
    web_ms: float
    worker_ms: float
    event_ms: float
    p50_ms: float
    p99_ms: float


async def measure(fleet: Fleet, seconds: float) -> Shape:
    """Let the fleet drive for so long and return what it cost; streams are open and quiet before."""
    watching = [asyncio.create_task(fleet.watch(page)) for page in fleet.pages]
    count = len(fleet.trucks)
    await asyncio.sleep(5.0)
    before = {name: cpu_s(pids) for name, pids in fleet.pids().items()}
    for page in fleet.pages:
        page.events = 0
    await asyncio.gather(
        *(fleet.drive(truck, seconds, FIX_EVERY_S * number / count) for number, truck in enumerate(fleet.trucks))
    )
    used = {name: cpu_s(pids) - before[name] for name, pids in fleet.pids().items()}
    fleet.is_over = True
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    if fleet.errors:
        raise RuntimeError(fleet.errors[0])
    fixes, events = sum(truck.fixes for truck in fleet.trucks), sum(page.events for page in fleet.pages)
    lags = sorted(fleet.lags_s) or [0.0]
    return Shape(
        trucks=count,
        pages=len(fleet.pages),
        web_ms=used["web"] * 1e3 / fixes,
        worker_ms=used["worker"] * 1e3 / fixes,
        event_ms=used["web"] * 1e3 / max(1, events),
        p50_ms=statistics.median(lags) * 1e3,
        p99_ms=lags[int(len(lags) * 0.99)] * 1e3,
    )


def told(shape: Shape) -> str:
    """Return one size's figures as a line."""
    return (
        f"{shape.trucks} trucks, {shape.pages} pages: web {shape.web_ms:.1f} ms a fix, worker {shape.worker_ms:.1f} ms "
        f"a fix; web {shape.event_ms:.1f} ms an event on a stream; POST to stream p50 {shape.p50_ms:.0f} ms, "
        f"p99 {shape.p99_ms:.0f} ms"
    )


def plot(shapes: list[Shape]) -> str:
    """Return an SVG: processor milliseconds a fix by number of trucks, web and worker."""
    most_trucks = max(shape.trucks for shape in shapes)
    most_ms = max(max(shape.web_ms, shape.worker_ms) for shape in shapes) * 1.2

    def at(trucks: float, ms: float) -> str:
        x = LEFT + trucks / most_trucks * (WIDTH - LEFT - 20)
        return f"{x:.0f},{HEIGHT - BOTTOM - ms / most_ms * (HEIGHT - BOTTOM - 30):.0f}"

    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for name, colour, values in (
        ("web: positions, pages and streams", "#1f6f54", [shape.web_ms for shape in shapes]),
        ("worker: consumer and the rest", "#b4531c", [shape.worker_ms for shape in shapes]),
    ):
        points = " ".join(at(shape.trucks, value) for shape, value in zip(shapes, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = points.split()[0].split(",")
        parts.append(f'<text x="{x}" y="{int(y) - 8}" fill="{colour}">{name}</text>')
        for shape, value in zip(shapes, values, strict=True):
            x, y = at(shape.trucks, value).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{int(x) - 12}" y="{int(y) + 18}">{value:.1f}</text>')
    for shape in shapes:
        x, y = at(shape.trucks, 0).split(",")
        parts.append(f'<text x="{int(x) - 30}" y="{int(y) + 18}">{shape.trucks} trucks</text>')
    parts.append(f'<text x="{LEFT}" y="18">Processor milliseconds a fix</text>')
    parts.append(f'<line x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - 10}" y2="{HEIGHT - BOTTOM}" stroke="#555"/>')
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">'
    return "\n".join((head, *parts, "</svg>", ""))


def main() -> None:
    """Measure each size and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trucks", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--watched", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    shapes = []
    for trucks in options.trucks:
        with (
            tempfile.TemporaryDirectory() as name,
            Fleet(Path(name) / "day", trucks=trucks, pages=int(trucks * options.watched)) as fleet,
        ):
            shape = asyncio.run(measure(fleet, options.seconds))
        shapes.append(shape)
        print(told(shape), flush=True)
    if options.plot:
        options.plot.write_text(plot(shapes))


if __name__ == "__main__":
    main()
