"""The shape of a real day: ``python -m bench.bench_shape [--trucks 50 100 200] [--seconds 30] [--plot FILE.svg]``.

Few people watch each delivery, and each has another time. A whole instance (``portal web``, ``portal worker``, Valkey,
SQLite) for each number of trucks; every truck posts a fix each 5 s. Measured while nothing happens, while all drive and
nobody watches, and while ``--watched`` people a truck watch as many of its eight deliveries: from the POST of a fix
through consumer, arrival times, rendering and stream. Prints what a truck and a viewer cost, and draws how it grows.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.live.fleet import FIX_EVERY_S, STOPS, Fleet, spent_s
from bench.live.house import allow_many_files
from bench.live.shape_plot import plot
from sandbox.machine import monotonic_s

IDLE_S = 10.0
WARM_UP_S = 2 * FIX_EVERY_S
CALM_SHARE, CALM_WITHIN_S, LOOK_S = 0.06, 60.0, 3.0  # of one core: a worker that has just started does much at once


@dataclass(frozen=True)
class Phase:
    """What one while came to: processor seconds by process, fixes, events on streams, delays in ms (0 without)."""

    trucks: int
    pages: int
    lasted_s: float
    web_s: float
    worker_s: float
    fixes: int
    events: int
    p50_ms: float
    p99_ms: float

    def cores(self, name: str) -> float:
        """Return the share of one core that ``web`` or ``worker`` used."""
        return (self.web_s if name == "web" else self.worker_s) / self.lasted_s

    @property
    def share(self) -> float:
        """The share of one core that both used."""
        return self.cores("web") + self.cores("worker")


@dataclass(frozen=True)
class Cost:
    """Parts of one core: at rest, for each truck on its way, for each viewer."""

    at_rest: float
    truck: float
    viewer: float


async def measure(fleet: Fleet, seconds: float) -> list[Phase]:
    """Return three phases: at rest, driving with nobody who watches, and driving while every page is open."""
    await _phase(fleet, WARM_UP_S)
    await _settle(fleet)
    phases = [await _phase(fleet, IDLE_S, drives=False), await _phase(fleet, seconds)]
    watching = [asyncio.create_task(fleet.watch(page)) for page in fleet.pages]
    async with asyncio.timeout(60):
        while not all(page.events for page in fleet.pages):
            await asyncio.sleep(0.1)
    phases.append(await _phase(fleet, seconds, pages=len(fleet.pages)))
    fleet.is_over = True
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    if fleet.errors:
        raise RuntimeError(f"{len(fleet.errors)} errors, the first: {fleet.errors[0]}")
    return phases


async def _settle(fleet: Fleet) -> None:
    """Wait until the worker has done what a start and the first fixes bring about."""
    ends_s = monotonic_s() + CALM_WITHIN_S
    while monotonic_s() < ends_s:
        if (await _phase(fleet, LOOK_S, drives=False)).cores("worker") < CALM_SHARE:
            return


async def _phase(fleet: Fleet, seconds: float, *, drives: bool = True, pages: int = 0) -> Phase:
    count = len(fleet.trucks)
    before, began = {name: spent_s(pids) for name, pids in fleet.pids().items()}, monotonic_s()
    fixes, events = sum(truck.fixes for truck in fleet.trucks), sum(page.events for page in fleet.pages)
    fleet.lags_s.clear()
    if drives:
        starts = [FIX_EVERY_S * number / count for number in range(count)]
        await asyncio.gather(
            *(fleet.drive(truck, seconds, delay_s) for truck, delay_s in zip(fleet.trucks, starts, strict=True))
        )
    else:
        await asyncio.sleep(seconds)
    used = {name: spent_s(pids) - before[name] for name, pids in fleet.pids().items()}
    lags_ms = sorted(lag_s * 1e3 for lag_s in fleet.lags_s) or [0.0]
    return Phase(
        trucks=count if drives else 0,
        pages=pages,
        lasted_s=monotonic_s() - began,
        web_s=used["web"],
        worker_s=used["worker"],
        fixes=sum(truck.fixes for truck in fleet.trucks) - fixes,
        events=sum(page.events for page in fleet.pages) - events,
        p50_ms=statistics.median(lags_ms),
        p99_ms=lags_ms[int(len(lags_ms) * 0.99)],
    )


def cost_of(phases: Sequence[Phase]) -> Cost:
    """Return the line that fits best: each step is the median over the sizes, so one disturbed size does no harm."""
    by_size = [phases[start : start + 3] for start in range(0, len(phases), 3)]
    at_rest = statistics.median(rest.share for rest, _, _ in by_size)
    truck = statistics.median((alone.share - rest.share) / alone.trucks for rest, alone, _ in by_size)
    viewer = statistics.median((seen.share - alone.share) / max(1, seen.pages) for _, alone, seen in by_size)
    return Cost(at_rest, truck, viewer)


def told(phase: Phase) -> str:
    """Return one phase's figures as a line."""
    text = (
        f"{phase.trucks:4} trucks, {phase.pages:4} pages: {phase.share:6.1%} of a core (web {phase.cores('web'):.1%}, "
        f"worker {phase.cores('worker'):.1%})"
    )
    if phase.fixes:
        text += f", {(phase.web_s + phase.worker_s) * 1e3 / phase.fixes:.1f} ms a fix"
    if phase.pages:
        text += f", {phase.events} events; POST to stream p50 {phase.p50_ms:.0f} ms, p99 {phase.p99_ms:.0f} ms"
    return text


def told_cost(cost: Cost) -> str:
    """Return what a truck and a viewer cost as lines."""
    return (
        f"at rest {cost.at_rest:.1%} of a core\n"
        f"a truck {cost.truck:.3%} of a core: {cost.truck * FIX_EVERY_S * 1e3:.1f} ms a fix, nobody watching\n"
        f"a viewer {cost.viewer:.3%} of a core: {cost.viewer * FIX_EVERY_S * 1e3:.1f} ms a fix more"
    )


def main() -> None:
    """Measure each size and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trucks", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--watched", type=int, default=2, help=f"people who watch, a truck; up to {STOPS}")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    allow_many_files()
    phases: list[Phase] = []
    for trucks in options.trucks:
        with (
            tempfile.TemporaryDirectory() as name,
            Fleet(Path(name) / "day", trucks=trucks, pages=trucks * options.watched) as fleet,
        ):
            found = asyncio.run(measure(fleet, options.seconds))
        phases += found
        for phase in found:
            print(told(phase), flush=True)
    cost = cost_of(phases)
    print(told_cost(cost))
    if options.plot:
        options.plot.write_text(plot(phases, told_cost(cost).splitlines()), encoding="utf-8")


if __name__ == "__main__":
    main()
