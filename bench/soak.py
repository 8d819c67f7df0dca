"""Hours in minutes: ``python -m bench.soak [--minutes 10] [--pages 2000] [--trucks 200]`` (``make soak``).

Every truck posts a fix each 5 s, every page holds its stream. Prints errors, each process's memory and open files after
a minute and at the end, the time from a fix's POST to the bytes on a stream, and how many pages show the newest state.
Ends with status 1 when anything went wrong: an error, memory up by 5 %, more open files, or a page that is behind.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from bench.live.fleet import FIX_EVERY_S, Fleet
from bench.live.house import memory_kb

MOST_GROWTH = 0.05
SPARE_FILES = 5  # connections of pools that come and go
SETTLE_S = 12.0
LOOKS = 12


async def look(fleet: Fleet) -> dict[str, tuple[float, int]]:
    """Return memory in MB and open files of web and of the worker with all it started.

    The least of some looks: jobs run in processes that come and go.
    """
    found: dict[str, tuple[float, int]] = {}
    for _ in range(LOOKS):
        with suppress(OSError, StopIteration):  # one has just ended
            for name, pids in fleet.pids().items():
                seen = (memory_kb(pids) / 1024, sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids))
                found[name] = min(found.get(name, seen), seen)
        await asyncio.sleep(0.4)
    return found


async def run(fleet: Fleet, seconds: float) -> bool:
    """Soak for so long, and print; True when nothing went wrong."""
    watching = [asyncio.create_task(fleet.watch(page)) for page in fleet.pages]
    count = len(fleet.trucks)
    driving = [
        asyncio.create_task(fleet.drive(truck, seconds, FIX_EVERY_S * number / count))
        for number, truck in enumerate(fleet.trucks)
    ]
    await asyncio.sleep(min(60.0, seconds / 2))
    before = await look(fleet)
    await asyncio.gather(*driving)
    await asyncio.sleep(SETTLE_S)
    after = await look(fleet)
    behind = [page for page in fleet.pages if not await fleet.is_newest(page)]
    fleet.is_over = True
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return report(fleet, before, after, len(behind))


def report(
    fleet: Fleet, before: dict[str, tuple[float, int]], after: dict[str, tuple[float, int]], behind: int
) -> bool:
    """Print what happened; True when nothing went wrong."""
    is_well = not fleet.errors and not behind
    for name, (memory, files) in after.items():
        grown = memory / before[name][0] - 1
        is_well &= grown < MOST_GROWTH and files <= before[name][1] + SPARE_FILES
        print(f"{name:7} {before[name][0]:7.1f} -> {memory:7.1f} MB ({grown:+.1%}), files {before[name][1]} -> {files}")
    fixes, events = sum(truck.fixes for truck in fleet.trucks), sum(page.events for page in fleet.pages)
    lags = sorted(fleet.lags_s)
    print(f"{fixes} fixes, {events} events, {sum(page.breaks for page in fleet.pages)} streams broke off")
    if lags:
        p50_ms, p99_ms = statistics.median(lags) * 1e3, lags[int(len(lags) * 0.99)] * 1e3
        print(f"POST to stream: p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms")
    print(f"{len(fleet.errors)} errors; {behind} of {len(fleet.pages)} pages are behind")
    for error in fleet.errors[:10]:
        print(f"  {error}")
    return is_well


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--trucks", type=int, default=200)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        Fleet(Path(name) / "soak", trucks=options.trucks, pages=options.pages) as fleet,
    ):
        is_well = asyncio.run(run(fleet, options.minutes * 60))
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
