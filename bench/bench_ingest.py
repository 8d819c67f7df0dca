"""Positions a second, against what the machine's Redis can take at all: ``make bench-ingest``.

In turns, ``--rounds`` times: redis-benchmark (Debian's redis-tools) sends ``XADD`` of one fix, 20 a pipeline; then wrk
posts batches of 20 fixes to ``/ingest/positions`` of real ``portal web --only live`` processes. The same Redis with its
append-only file on, every fix new, loopback; the consumer does not run. Each run of ours is held against the mean of
the ``XADD`` before and after it, so that a machine that slows down meanwhile slows both. Prints each run, and one
verdict by the median ratio.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from sandbox.instance import Instance
from tracking.drivers import Driver, issue_device_token
from tracking.fix_stream import STREAM
from tracking.ids import new_id
from tracking.storage import Database

LOAD = Path(__file__).with_name("ingest_load.lua")
DAY = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
DRIVERS = 200
SECONDS_A_ROUND = 2_000  # day seconds of fixes a driver may send in one run, before the next run's begin
PIPELINE = 20
ANCHOR_KEY = "bench:anchor"
_RATE = re.compile(r"([\d.]+) requests per second")
_RESULT = re.compile(r"RESULT requests=(\d+) seconds=([\d.]+) bad=(\d+) p50_ms=([\d.]+) p99_ms=([\d.]+)")


@dataclass(frozen=True, slots=True)
class Taken:
    """One run of the product: fixes a second over all processes, answers that were not 200, the worst p50 and p99."""

    fixes_per_s: float
    bad: int
    p50_ms: float
    p99_ms: float


def anchor(redis_port: int, *, number: int) -> float:
    """Return how many XADD of one fix a second redis-benchmark gets answered, 20 a pipeline."""
    fix = (
        *("driver", "0123456789abcdef0123456789abcdef", "at", "2026-03-05T15:00:00+00:00"),
        *("received", "2026-03-05T15:00:00.123456+00:00", "lat", "52.123456", "lon", "13.123456", "acc", "8.5"),
        *("speed", "9.25", "heading", "91.0", "source", "json", "sent", "2026-03-05T15:00:00+00:00"),
    )
    command = ["redis-benchmark", "-p", str(redis_port), "-n", str(number), "-c", "50", "-P", str(PIPELINE)]
    xadd = ["XADD", ANCHOR_KEY, "MAXLEN", "~", "500000", "*", *fix]
    done = subprocess.run([*command, *xadd], capture_output=True, text=True, check=True, timeout=120)
    found = _RATE.findall(done.stdout)
    if not found:
        raise RuntimeError(f"redis-benchmark said nothing of use: {done.stdout[-500:]}{done.stderr[-500:]}")
    return float(found[-1])


def rested_anchor(redis: Redis, *, number: int) -> float:
    """Return ``anchor`` of an empty Redis, which is empty again afterwards."""
    redis.delete(ANCHOR_KEY, STREAM)
    time.sleep(0.5)
    found = anchor(redis.connection_pool.connection_kwargs["port"], number=number)
    redis.delete(ANCHOR_KEY)
    time.sleep(0.5)
    return found


def post(ports: Sequence[int], tokens: Path, *, first_s: int, size: int, seconds: int) -> Taken:
    """Let one wrk a process post batches for ``seconds`` and return what was taken."""
    clients = [
        subprocess.Popen(
            [
                *("wrk", "-t1", f"-c{32 // len(ports)}", f"-d{seconds}s", "-s", str(LOAD)),
                f"http://127.0.0.1:{port}/ingest/positions",
                *("--", f"{tokens}.{number}", str(first_s), str(size)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, port in enumerate(ports)
    ]
    rate, bad, p50_ms, p99_ms = 0.0, 0, 0.0, 0.0
    for client in clients:
        said, _ = client.communicate(timeout=seconds + 60)
        found = _RESULT.search(said)
        if found is None:
            raise RuntimeError(f"wrk said nothing of use: {said[-500:]}")
        rate += int(found[1]) * size / float(found[2])
        bad += int(found[3])
        p50_ms, p99_ms = max(p50_ms, float(found[4])), max(p99_ms, float(found[5]))
    return Taken(rate, bad, p50_ms, p99_ms)


def add_tokens(instance: Instance, folder: Path, clients: int) -> Path:
    """Add drivers with a device token each, and share the tokens out to the load generators' files."""
    database = Database(instance.environ["PORTAL_DATABASE_URL"])
    tokens = []
    with database.writing() as session:
        for number in range(DRIVERS):
            driver = Driver(id=new_id(), name=f"Driver {number}", phone=f"+1646555{number:04d}", locale="en")
            session.add(driver)
            session.flush()
            tokens.append(
                issue_device_token(
                    session, token_id=new_id(), driver_id=driver.id, label="bench", now=DAY, expires_at=None
                )
            )
    database.close()
    path = folder / "tokens"
    for client in range(clients):
        Path(f"{path}.{client}").write_text("\n".join(tokens[client::clients]) + "\n")
    return path


def measure(options: argparse.Namespace, folder: Path) -> list[tuple[float, Taken]]:
    """Return one pair of anchor and product a round; the anchor is the mean of the one before and the one after."""
    pairs = []
    with Instance(folder / "instance", day=DAY) as instance:
        instance.stop("worker")
        instance.stop("web")
        ports = list(range(instance.port, instance.port + options.processes))
        for number, port in enumerate(ports):
            instance.start(f"web{number}", "web", "--only", "live", "--port", str(port))
        for port in ports:
            instance.wait_for_port(port)
        tokens = add_tokens(instance, folder, len(ports))
        redis = Redis.from_url(instance.environ["PORTAL_REDIS_URL"])
        first_s = int(DAY.timestamp()) - 20 * 3600
        post(ports, tokens, first_s=first_s, size=options.size, seconds=1)  # tokens are read once, code is warm
        before = rested_anchor(redis, number=options.anchor)
        for turn in range(options.rounds):
            first_s += SECONDS_A_ROUND
            taken = post(ports, tokens, first_s=first_s, size=options.size, seconds=options.seconds)
            after = rested_anchor(redis, number=options.anchor)
            physical, before = (before + after) / 2, after
            print(
                f"round {turn + 1}: redis-benchmark XADD -P {PIPELINE} {physical:,.0f}/s; "
                f"ingest {taken.fixes_per_s:,.0f} fixes/s ({taken.fixes_per_s / physical:.2f}x), "
                f"p50 {taken.p50_ms:.1f} ms, p99 {taken.p99_ms:.1f} ms, not 200: {taken.bad}",
                flush=True,
            )
            pairs.append((physical, taken))
        redis.close()
    return pairs


def main() -> int:
    """Measure, print the medians, and return 1 when the goal is missed or anything was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6, help="how long each run of ingest takes")
    parser.add_argument("--size", type=int, default=20, help="fixes a batch")
    parser.add_argument("--processes", type=int, default=2, help="processes that take positions")
    parser.add_argument("--anchor", type=int, default=1_000_000, help="XADD a run of redis-benchmark")
    parser.add_argument("--goal", type=float, default=0.4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        pairs = measure(options, Path(folder))
    ratio = statistics.median(taken.fixes_per_s / physical for physical, taken in pairs)
    bad = sum(taken.bad for _, taken in pairs)
    is_met = ratio >= options.goal and not bad
    print(
        f"median of {len(pairs)}: redis-benchmark {statistics.median(physical for physical, _ in pairs):,.0f} XADD/s, "
        f"ingest {statistics.median(taken.fixes_per_s for _, taken in pairs):,.0f} fixes/s in batches of "
        f"{options.size} by {options.processes} processes: {ratio:.2f}x, not 200: {bad}"
    )
    print(f"goal {options.goal}x: {'met' if is_met else 'missed'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
