"""Thousands of viewers on one core: ``python -m bench.bench_live [--viewers 10000] [--rounds 3]``.

Each round measures, one after the other: nginx with nchan and ``auth_request``; ``portal web --only live``; the same
without conflation; and a C loop that only sends. The servers (and nchan's door) have one core, viewers, publisher and
Valkey the other; viewer i watches delivery i modulo a twentieth of their number. Steady: each truck tells its place
every 5 s. Waves: one place of every truck at once, five times. Overload: ten places of every truck back to back.
Prints the medians of the rounds and the ratios that are goals.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from bench.live.house import (
    HERE,
    ONE_AND_ALL,
    SERVER_CORE,
    House,
    Viewers,
    compiled,
    cpu_s,
    memory_kb,
    on_core,
)
from sandbox.world import free_port
from tracking.clocks import SystemClock
from tracking.facts import CHANNEL, place_moved

STEADY_S, EVERY_S = 6.0, 5.0
BURST = 10  # places of every truck, back to back
WAVES = 5  # of one place of every truck each, with nothing to conflate
POSTS_IN_FLIGHT = 50
Publish = Callable[[list[str]], None]


def place_fact(delivery_id: str, number: int) -> dict[str, Any]:
    """Return where a truck is as the consumer tells it, with the instant it was told in nanoseconds."""
    place = {
        "lat": round(40.7 + number % 1000 / 10_000, 4),
        "lon": -74.3456,
        "heading": 48,
        "at": SystemClock().now().isoformat(timespec="seconds"),
        "stale": False,
        "at_other_stop": False,
        "line": True,
        "t": time.monotonic_ns(),
    }
    return dict(place_moved(delivery_id, place))


class ByRedis:
    """Publishes facts as the product does."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._number = 0

    def publish(self, delivery_ids: list[str]) -> None:
        """Tell a new place of each."""
        pipe = self._redis.pipeline(transaction=False)
        for delivery_id in delivery_ids:
            self._number += 1
            pipe.publish(CHANNEL, json.dumps(place_fact(delivery_id, self._number), separators=(",", ":")))
        pipe.execute()


class ByPost:
    """Publishes to nchan, 50 requests in flight, each on its kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def publish(self, delivery_ids: list[str]) -> None:
        """Tell a new place of each."""
        self._loop.run_until_complete(self._publish(iter(enumerate(delivery_ids))))

    async def _publish(self, left: Iterator[tuple[int, str]]) -> None:
        while len(self._open) < POSTS_IN_FLIGHT:
            self._open.append(await asyncio.open_connection("127.0.0.1", self._port))
        await asyncio.gather(*(self._post(reader, writer, left) for reader, writer in self._open))

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: Iterator[tuple[int, str]]
    ) -> None:
        for number, delivery_id in left:
            body = json.dumps(place_fact(delivery_id, number)["place"], separators=(",", ":")).encode()
            head = f"POST /publish/{delivery_id} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            await reader.readexactly(length)


def measure(
    pids: list[int], port: int, paths: list[str], house: House, publish: Publish, work: Path
) -> dict[str, float]:
    """Return the figures of one server that listens on ``port``."""
    before_kb = memory_kb(pids)
    with Viewers(work / "viewers", port, paths, work) as viewers:
        opened = viewers.ask("open")
        if opened["refused"]:
            raise RuntimeError(f"{opened['refused']} of {opened['opened']} viewers were refused")
        has_snapshots = not isinstance(getattr(publish, "__self__", None), ByPost)
        shown = viewers.until("snapshots", len(paths)) if has_snapshots else {"snapshot_s": opened["connect_s"]}
        time.sleep(1.0)
        memory = (memory_kb(pids) - before_kb) / len(paths)
        steady = _steady(pids, viewers, house.delivery_ids, publish)
        waves = _waves(pids, viewers, house.delivery_ids, publish)
        viewers.ask("zero")
        publish(house.delivery_ids * BURST)
        burst = viewers.until_quiet()
    return {
        "connects_s": len(paths) / opened["connect_s"],
        "snapshots_s": len(paths) / max(shown["snapshot_s"], 0.001),
        "memory_kb": memory,
        **steady,
        **waves,
        "overload_events": burst["events"],
        "reached": burst["reached"],
        "stale_p99_ms": burst["p99_ms"],
    }


def _waves(pids: list[int], viewers: Viewers, delivery_ids: list[str], publish: Publish) -> dict[str, float]:
    """Return how fast places of every truck at once are delivered, and what one event costs."""
    events, span_s, cpu_before = 0, 0.0, cpu_s(pids)
    for _ in range(WAVES):
        viewers.ask("zero")
        publish(delivery_ids)
        report = viewers.until_quiet()
        events, span_s = events + report["events"], span_s + report["span_s"]
    return {"events": events, "events_s": events / span_s, "cpu_us": (cpu_s(pids) - cpu_before) * 1e6 / events}


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
        publisher = ByRedis(house.instance.environ["PORTAL_REDIS_URL"])
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
def nchan(house: House, work: Path) -> Iterator[tuple[list[int], int]]:
    """Run nginx with nchan and its door on the servers' core; yield the process ids of nginx, and the port."""
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
        yield [nginx.pid, *map(int, children)], port
    finally:
        for process in (nginx, door):
            process.terminate()
            process.wait(timeout=20)


def measure_nchan(house: House, work: Path) -> dict[str, float]:
    """Return the figures of nginx with nchan."""
    with nchan(house, work) as (pids, port):
        count = len(house.delivery_ids)
        paths = [f"{path}?room={house.delivery_ids[index % count]}" for index, path in enumerate(house.paths)]
        return measure(pids, port, paths, house, ByPost(port).publish, work)


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
    house.instance.wait_for_port(port)
    with Viewers(work / "viewers", port, ["/"] * count, work, in_flight=64) as viewers:
        viewers.ask("open")
        printed, _ = process.communicate("go\n", timeout=120)
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
    live, other, eager, floor = (middle[name] for name in ("live", "nchan", "eager", "floor"))
    for words, value, goal in (
        ("delivered events/s / nchan", live["events_s"] / other["events_s"], ">= 1.0, stretch 1.5"),
        ("processor per event / nchan", live["cpu_us"] / other["cpu_us"], ""),
        ("memory per viewer / nchan", live["memory_kb"] / other["memory_kb"], "<= 0.75, stretch 0.25"),
        ("processor per event / C loop", live["cpu_us"] / floor["cpu_us"], "<= 2, stretch 1.75"),
        ("steady p99, ms", live["p99_ms"], "<= 50"),
        ("p99 staleness under overload / without conflation", live["stale_p99_ms"] / eager["stale_p99_ms"], "<= 0.4"),
        ("authorised connects/s / nchan", live["connects_s"] / other["connects_s"], ">= 5"),
        ("viewers with their snapshot/s / nchan's connects/s", live["snapshots_s"] / other["connects_s"], ""),
    ):
        print(f"{words:52} {value:8.2f}  {goal}")


if __name__ == "__main__":
    main()
