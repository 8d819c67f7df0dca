"""Hours in minutes: ``python -m bench.soak [--minutes 10] [--pages 2000] [--trucks 200]`` (``make soak``).

Every truck posts a fix each 5 s, every page holds its stream. Prints the time from a fix's POST to the bytes on a
stream, and a verdict on each goal: no error, no stream that broke, every page at the newest state, memory up by less
than 5 % and no more open files, of web and worker, between the first minute and the end. Ends with status 1 when one
was missed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from bench.live.fleet import FIX_EVERY_S, Fleet
from bench.live.goals import Goal, at_most, tell
from bench.live.house import allow_many_files, memory_kb

MOST_GROWTH_PERCENT = 4.99
SPARE_FILES = 5  # connections of pools that come and go
SETTLE_S = 12.0
LOOKS = 12

Look = dict[str, tuple[float, int]]  # by process: MB and open files


async def look(fleet: Fleet) -> Look:
    """Return memory in MB and open files of web and of the worker with all it started.

    The least of some looks: jobs run in processes that come and go.
    """
    found: Look = {}
    for _ in range(LOOKS):
        with suppress(OSError, StopIteration):  # one has just ended
            for name, pids in fleet.pids().items():
                seen = (memory_kb(pids) / 1024, sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids))
                known = found.get(name, seen)
                found[name] = (min(known[0], seen[0]), min(known[1], seen[1]))
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
    behind = fleet.pages
    for _ in range(2):  # a page may have changed while it was looked at
        behind = [page for page in behind if not await fleet.is_newest(page)]
    silent = sum(not page.events for page in fleet.pages)
    fleet.is_over = True
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    report(fleet)
    return tell(goals(fleet, before, after, behind=len(behind), silent=silent))


def report(fleet: Fleet) -> None:
    """Print what happened."""
    fixes, events = sum(truck.fixes for truck in fleet.trucks), sum(page.events for page in fleet.pages)
    print(f"{fixes} fixes, {events} events on {len(fleet.pages)} streams")
    lags = sorted(fleet.lags_s)
    if lags:
        p50_ms, p99_ms = statistics.median(lags) * 1e3, lags[int(len(lags) * 0.99)] * 1e3
        print(f"POST to stream: p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms")
    for error in fleet.errors[:10]:
        print(f"  {error}")


def goals(fleet: Fleet, before: Look, after: Look, *, behind: int, silent: int) -> list[Goal]:
    """Return what must hold at the end."""
    found = [
        at_most("errors", len(fleet.errors), 0),
        at_most("streams that broke off", sum(page.breaks for page in fleet.pages), 0),
        at_most("pages that never heard anything", silent, 0),
        at_most("pages that do not show the newest state", behind, 0),
    ]
    for name, (memory, files) in after.items():
        memory_before, files_before = before[name]
        grown = f"{name}: memory grew, % ({memory_before:.1f} to {memory:.1f} MB)"
        more = f"{name}: more open files ({files_before} to {files})"
        found.append(at_most(grown, round((memory / memory_before - 1) * 100, 2), MOST_GROWTH_PERCENT))
        found.append(at_most(more, files - files_before, SPARE_FILES))
    return found


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--trucks", type=int, default=200)
    options = parser.parse_args()
    allow_many_files()
    with (
        tempfile.TemporaryDirectory() as name,
        Fleet(Path(name) / "soak", trucks=options.trucks, pages=options.pages) as fleet,
    ):
        is_well = asyncio.run(run(fleet, options.minutes * 60))
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
