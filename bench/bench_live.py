"""Thousands of viewers on one core: ``python -m bench.bench_live [--viewers 10000] [--rounds 3]``.

Each round measures, one after the other: nginx with nchan and ``auth_request``; ``portal web --only live``; the same
without conflation; and a C loop that only sends. The servers (and nchan's door) have one core, viewers, publisher and
Valkey the other; viewer i watches delivery i modulo a twentieth of their number. Steady: each truck tells its place
every 5 s. Waves: one place of every truck at once, five times. Overload: ten places of every truck back to back.
Everybody connects at once before that, 128 at a time, with a link of their own. nchan's is asked of Flask (``door.py``:
signature and row of the link, as our hub asks), which shares its core. Prints the medians of the rounds and the goals.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.live.goals import Goal, at_least, at_most, tell
from bench.live.house import (
    HERE,
    ONE_AND_ALL,
    PATIENCE_S,
    SERVER_CORE,
    House,
    Viewers,
    allow_many_files,
    compiled,
    cpu_s,
    ended,
    memory_kb,
    on_core,
)
from bench.live.publishing import ByPost, ByRedis
from sandbox.world import free_port

STEADY_S, EVERY_S, REST_S = 6.0, 5.0, 5.0
BURST = 10  # places of every truck, back to back
WAVES = 5  # of one place of every truck each, with nothing to conflate
Publish = Callable[[list[str]], None]


def measure(
    pids: list[int], port: int, paths: list[str], house: House, publish: Publish, work: Path, *, door: int | None = None
) -> dict[str, float]:
    """Return the figures of one server that listens on ``port``.

    ``door`` is the process that is asked about each newcomer, if that is another one: it sends no snapshots then.
    """
    letting_in = [*pids, door] if door else pids
    before_kb, cpu_before = memory_kb(pids), cpu_s(letting_in)
    with Viewers(work / "viewers", port, paths, work) as viewers:
        opened = viewers.ask("open")
        connect_us = (cpu_s(letting_in) - cpu_before) * 1e6 / len(paths)
        if opened["refused"]:
            raise RuntimeError(f"{opened['refused']} of {opened['opened']} viewers were refused")
        shown = {"snapshot_s": opened["connect_s"]} if door else viewers.until("snapshots", len(paths))
        time.sleep(1.0)
        memory = (memory_kb(pids) - before_kb) / len(paths)
        steady = _steady(pids, viewers, house.delivery_ids, publish)
        waves = _waves(pids, viewers, house.delivery_ids, publish)
        viewers.ask("zero")
        publish(house.delivery_ids * BURST)
        burst = viewers.until_quiet()
    return {
        "connects_s": len(paths) / opened["connect_s"],
        "connect_us": connect_us,
        "snapshots_s": len(paths) / max(shown["snapshot_s"], 0.001),
        "memory_kb": memory,
        **steady,
        **waves,
        "overload_events": burst["events"],
        "reached": burst["reached"],
        "stale_p99_ms": burst["p99_ms"],
    }


def _waves(pids: list[int], viewers: Viewers, delivery_ids: list[str], publish: Publish) -> dict[str, float]:
    """Return how fast places of every truck at once are delivered, and what one event costs.

    What the server uses anyway (its heartbeats, until a wave is known to be over) is taken off: the C loop has none.
    """
    at_rest = _at_rest(pids)
    events, span_s, cpu_before, began = 0, 0.0, cpu_s(pids), time.monotonic()
    for _ in range(WAVES):
        viewers.ask("zero")
        publish(delivery_ids)
        report = viewers.until_quiet()
        events, span_s = events + report["events"], span_s + report["span_s"]
    used_s = cpu_s(pids) - cpu_before - at_rest * (time.monotonic() - began)
    return {
        "events": events,
        "events_s": events / span_s,
        "cpu_us": used_s * 1e6 / events,
        "rest_percent": at_rest * 100,
    }


def _at_rest(pids: list[int]) -> float:
    """Return the share of a core that is used while nothing is published."""
    cpu_before = cpu_s(pids)
    time.sleep(REST_S)
    return (cpu_s(pids) - cpu_before) / REST_S


def _steady(pids: list[int], viewers: Viewers, delivery_ids: list[str], publish: Publish) -> dict[str, float]:
    viewers.ask("zero")
    began, cpu_before, sent = time.monotonic(), cpu_s(pids), 0
    while (passed_s := time.monotonic() - began) < STEADY_S:
        due = int(passed_s / EVERY_S * len(delivery_ids))
        if due > sent:
            publish([delivery_ids[index % len(delivery_ids)] for index in range(sent, due)])
            sent = due
        time.sleep(0.005)
    used = (cpu_s(pids) - cpu_before) / STEADY_S
    report = viewers.until_quiet()
    return {
        "p50_ms": report["p50_ms"],
        "p99_ms": report["p99_ms"],
        "cpu_percent": used * 100,
        "lost": sent * ONE_AND_ALL - report["events"],
    }


def measure_live(house: House, work: Path) -> dict[str, float]:
    """Return the figures of the product's hub."""
    return _measure_hub(house, work, "portal.cli")


def measure_eager(house: House, work: Path) -> dict[str, float]:
    """Return the figures of the same hub without conflation."""
    return _measure_hub(house, work, "bench.live.eager")


def _measure_hub(house: House, work: Path, module: str) -> dict[str, float]:
    port = free_port()
    house.freshen()
    with on_core(SERVER_CORE), (work / "live.log").open("ab") as log:
        command = [sys.executable, "-m", module, "web", "--only", "live", "--port", str(port)]
        process = subprocess.Popen(command, env=house.instance.environ, stderr=log)
    try:
        house.instance.wait_for_port(port)
        warm_up(port, house.paths[0], work)
        with closing(ByRedis(house.instance.environ["PORTAL_REDIS_URL"])) as publisher:
            return measure([process.pid], port, house.paths, house, publisher.publish, work)
    finally:
        process.kill()
        process.wait()


def warm_up(port: int, path: str, work: Path) -> None:
    """Let the server render once, so that what is imported late does not count as a viewer's memory."""
    with Viewers(work / "viewers", port, [path], work) as viewers:
        viewers.ask("open")
        viewers.until("snapshots", 1)
    time.sleep(0.5)


@contextmanager
def nchan(house: House, work: Path) -> Iterator[tuple[list[int], int, int]]:
    """Run nginx with nchan and its door on the servers' core; yield nginx's process ids, the port, the door's id."""
    folder, port, door_port = work / "nchan", free_port(), free_port()
    folder.mkdir(exist_ok=True)
    written = (HERE / "nchan.conf").read_text().replace("FOLDER", str(folder)).replace("DOORPORT", str(door_port))
    (folder / "nginx.conf").write_text(written.replace("PORT", str(port)))
    with on_core(SERVER_CORE):
        door = subprocess.Popen([sys.executable, "-m", "bench.live.door", str(door_port)], env=house.instance.environ)
        nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        house.instance.wait_for_port(door_port)
        house.instance.wait_for_port(port)
        children = Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()
        yield [nginx.pid, *map(int, children)], port, door.pid
    finally:
        for process in (nginx, door):
            process.terminate()
        for process in (nginx, door):
            ended(process)


def measure_nchan(house: House, work: Path) -> dict[str, float]:
    """Return the figures of nginx with nchan."""
    with nchan(house, work) as (pids, port, door), closing(ByPost(port)) as publisher:
        count = len(house.delivery_ids)
        paths = [f"{path}?room={house.delivery_ids[index % count]}" for index, path in enumerate(house.paths)]
        return measure(pids, port, paths, house, publisher.publish, work, door=door)


def measure_floor(house: House, work: Path) -> dict[str, float]:
    """Return what the kernel alone needs for one event, with as many viewers."""
    port, count = free_port(), len(house.paths)
    with on_core(SERVER_CORE):
        process = subprocess.Popen(
            [str(work / "floor"), str(port), str(count), str(count * BURST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        house.instance.wait_for_port(port)
        with Viewers(work / "viewers", port, ["/"] * count, work, in_flight=64) as viewers:
            viewers.ask("open")
            printed, _ = process.communicate("go\n", timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    figures: dict[str, float] = json.loads(printed)
    return figures


def main() -> None:
    """Run the rounds and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--json", type=Path, help="also add the rounds' figures to this file, and take the median of all"
    )
    options = parser.parse_args()
    allow_many_files()
    subjects: dict[str, list[dict[str, float]]] = {"nchan": [], "live": [], "eager": [], "floor": []}
    if options.json and options.json.exists():
        subjects = json.loads(options.json.read_text())
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        compiled("viewers", work)
        compiled("floor", work)
        with House(work / "house", deliveries=options.viewers // ONE_AND_ALL) as house:
            for _ in range(options.rounds):
                for subject, measured in (
                    ("floor", measure_floor),
                    ("nchan", measure_nchan),
                    ("live", measure_live),
                    ("eager", measure_eager),
                ):
                    figures = measured(house, work)
                    subjects[subject].append(figures)
                    print(told(subject, figures), flush=True)
    if options.json:
        options.json.write_text(json.dumps(subjects))
    report(subjects)


def told(name: str, figures: dict[str, float]) -> str:
    """Return one subject's figures as a line."""
    return f"{name:15} " + "  ".join(f"{key} {value:,.4g}" for key, value in figures.items())


def report(subjects: dict[str, list[dict[str, float]]]) -> None:
    """Print each subject's medians, and the ratios that are goals."""
    middle = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in subjects.items()
    }
    for name, figures in middle.items():
        print(told(f"{name} (median)", figures))
    tell(goals(middle))


def goals(middle: dict[str, dict[str, float]]) -> list[Goal]:
    """Return the ratios of the subjects' medians."""
    live, other, eager, floor = (middle[name] for name in ("live", "nchan", "eager", "floor"))

    def ratio(figure: str, against: dict[str, float]) -> float:
        return live[figure] / against[figure]

    return [
        at_least("delivered events/s, of nchan's", ratio("events_s", other), 1.0, stretch=1.5),
        at_most("memory per viewer, of nchan's", ratio("memory_kb", other), 0.75, stretch=0.25),
        at_most("processor per event, of the C loop's", ratio("cpu_us", floor), 2.0, stretch=1.75),
        at_most("steady p99, ms", live["p99_ms"], 50),
        at_most("p99 staleness under overload, of no conflation's", ratio("stale_p99_ms", eager), 0.4),
        at_least("authorised connects/s, of nchan's", ratio("connects_s", other), 5),
        Goal("processor per event, of nchan's", ratio("cpu_us", other)),
        Goal("processor per connect, of nchan's and its door's", ratio("connect_us", other)),
        Goal("viewers with their snapshot/s, of nchan's connects/s", live["snapshots_s"] / other["connects_s"]),
    ]


if __name__ == "__main__":
    main()
