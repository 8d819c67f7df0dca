"""Real vehicles through the whole product: ``python -m bench.real_day FILE [--rate 60] [--runs N]``.

FILE holds one real run a line (``{"run_id", "points": [[t_s, lat, lon], ...], "stops": [{lat, lon, arrive_s, depart_s},
...]}``). Each run becomes one route of one day, loaded through the API. Every fix is posted to ``/ingest/positions`` at
its demo time. The driver's "delivered" is tapped when the real vehicle left the stop; arrivals are left to the product.
Prints notifications by kind, arrivals noticed against the truth, ETA error, fixes accepted a second, and the time from
POST of a fix to the bytes on a recipient's stream.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.notifications import Notification
from portal.accounts import issue_api_key
from sandbox.instance import Instance
from tracking import driver_day
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery, EstimateMade
from tracking.drivers import Driver, issue_device_token
from tracking.ids import new_id, new_link_id
from tracking.links import Audience, LinkSigner, recipient_link
from tracking.positions import Position
from tracking.routes import Route
from tracking.stops import Stop
from tracking.storage import Database
from tracking.taps import Tap

ZONE = ZoneInfo("America/New_York")
DAY = date(2026, 3, 5)
START = datetime(2026, 3, 5, 10, 0, tzinfo=ZONE)
STEP_S = 2.0  # seconds of machine time between two looks at which taps are due
NEAR_TRUTH = timedelta(minutes=2)  # an arrival noticed within this of the truth counts as right


@dataclass
class Run:
    """One vehicle's day: what really happened, and what it is called in the product."""

    name: str
    fixes: list[tuple[float, float, float]]
    stops: list[dict[str, Any]]
    token: str = ""
    stop_ids: list[str] = field(default_factory=list)
    delivery_ids: list[str] = field(default_factory=list)
    tapped: set[int] = field(default_factory=set)


def read_runs(path: Path, most: int | None) -> list[Run]:
    """Return the runs of a file."""
    runs = []
    for line in path.read_text().splitlines()[:most]:
        told = json.loads(line)
        fixes = told.get("points") or [fix[1:4] for fix in told["points_recv_t_lat_lon_acc"]]
        runs.append(Run(told["run_id"], [(float(t), lat, lon) for t, lat, lon in fixes], told["stops"]))
    return runs


def route_document(number: int, run: Run) -> dict[str, Any]:
    """Return one run as the API takes it: a route with one delivery at each stop, its window around the truth."""
    stops = []
    for index, stop in enumerate(run.stops):
        middle = START + timedelta(seconds=stop["arrive_s"])
        opens = middle.replace(minute=0, second=0, microsecond=0)
        stops.append(
            {
                "sequence": index + 1,
                "address": f"{index + 1} Real Street",
                "lat": stop["lat"],
                "lon": stop["lon"],
                "deliveries": [
                    {
                        "reference": f"{run.name}-{index + 1}",
                        "recipient": f"Person {number}-{index + 1}",
                        "phone": f"+1{201 + number:03d}555{index + 100:04d}",
                        "email": f"r{number}s{index}@example.net",
                        "window_start": f"{opens:%H:%M}",
                        "window_end": f"{opens + timedelta(hours=2):%H:%M}",
                        "zone": ZONE.key,
                    }
                ],
            }
        )
    return {
        "date": DAY.isoformat(),
        "route": run.name,
        "depot": {"name": f"Depot {number}", "lat": run.fixes[0][1], "lon": run.fixes[0][2]},
        "planned_start": f"{START:%H:%M}",
        "driver": {"name": f"Driver {number}", "phone": f"+1646555{number + 100:04d}"},
        "vehicle": f"Van {number}",
        "stops": stops,
    }


def prepare(database: Database, runs: list[Run], now: datetime) -> None:
    """Find each route's ids, give its driver a device token, and start it; a short transaction each."""
    for run in runs:
        with database.writing() as session:
            _prepare_one(session, run, now)


def _prepare_one(session: Session, run: Run, now: datetime) -> None:
    route = session.scalars(select(Route).where(Route.name == run.name)).one()
    stops = session.scalars(select(Stop).where(Stop.route_id == route.id).order_by(Stop.sequence)).all()
    run.stop_ids = [stop.id for stop in stops]
    by_stop = {d.stop_id: d.id for d in session.scalars(select(Delivery).where(Delivery.stop_id.in_(run.stop_ids)))}
    run.delivery_ids = [by_stop[stop_id] for stop_id in run.stop_ids]
    driver = session.get_one(Driver, route.driver_id)
    run.token = issue_device_token(
        session, token_id=new_id(), driver_id=driver.id, label="bench", now=now, expires_at=None
    )
    for delivery_id in run.delivery_ids:
        driver_day.load(session, delivery_id, _tap(now))
    driver_day.start_route(session, route.id, _tap(now))


def _tap(now: datetime) -> Tap:
    return Tap(actor=SYSTEM, now=now, ids=new_id, request_id=new_id())


def recipient_tokens(database: Database, signer: LinkSigner, runs: list[Run], now: datetime) -> dict[str, str]:
    """Return a recipient's token for one delivery late in each run: their pages follow most of the drive."""
    tokens = {}
    with database.writing() as session:
        for run in runs:
            delivery_id = run.delivery_ids[-1]
            link = recipient_link(
                session, delivery_id=delivery_id, link_id=new_link_id(), now=now, expires_at=now + timedelta(days=7)
            )
            tokens[run.name] = signer.token(link.id, Audience.RECIPIENT)
    return tokens


class Stopwatch:
    """When each fix was posted, and when it showed on a stream. Machine seconds."""

    def __init__(self) -> None:
        self.posted: dict[tuple[str, int], float] = {}
        self.lags_s: list[float] = []
        self.accepted = 0
        self.post_s: list[float] = []
        self.refused: Counter[str] = Counter()

    def seen(self, run: str, at: datetime) -> None:
        """Note that a stream showed the fix of this instant."""
        posted = self.posted.pop((run, round(at.timestamp())), None)
        if posted is not None:
            self.lags_s.append(time.monotonic() - posted)


async def follow(http: aiohttp.ClientSession, url: str, run: str, watch: Stopwatch) -> None:
    """Follow one recipient's stream until it is cancelled or hung up."""
    event = ""
    async with http.get(url, timeout=aiohttp.ClientTimeout(total=None, sock_read=None)) as answer:
        async for line in answer.content:
            text = line.decode().rstrip("\n")
            if text.startswith("event:"):
                event = text.removeprefix("event:").strip()
            elif text.startswith("data:") and event == "place":
                place = json.loads(text.removeprefix("data:"))
                if place and place.get("at"):
                    watch.seen(run, datetime.fromisoformat(place["at"]))
            elif not text:
                event = ""


async def drive(http: aiohttp.ClientSession, instance: Instance, run: Run, started: datetime, watch: Stopwatch) -> None:
    """Post a run's fixes, each when day time reaches it."""
    headers = {"Authorization": f"Bearer {run.token}"}
    rate = instance.rate
    for t, lat, lon in run.fixes:
        at = started + timedelta(seconds=t)
        wait_s = (at - instance.now()).total_seconds() / rate
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        body = {"positions": [{"lat": lat, "lon": lon, "at": at.isoformat(), "accuracy_m": 8.0}]}
        posted = time.monotonic()
        watch.posted[(run.name, round(at.timestamp()))] = posted
        async with http.post(f"{instance.url}/ingest/positions", json=body, headers=headers) as answer:
            said = await answer.json()
            watch.post_s.append(time.monotonic() - posted)
            for result in said if isinstance(said, list) else []:
                watch.refused[result["status"]] += 1
                watch.accepted += result["status"] in {"stored", "clamped"}


async def tap_delivered(instance: Instance, database: Database, runs: list[Run], started: datetime) -> None:
    """Tap "delivered" for each stop when the real vehicle left it."""
    while not all(len(run.tapped) == len(run.stops) for run in runs):
        now = instance.now()
        due = [
            (run, index)
            for run in runs
            for index, stop in enumerate(run.stops)
            if index not in run.tapped and started + timedelta(seconds=stop.get("depart_s") or stop["arrive_s"]) <= now
        ]
        if due:
            await asyncio.to_thread(_tap_all, database, due, now)
        await asyncio.sleep(STEP_S / 4)


def _tap_all(database: Database, due: list[tuple[Run, int]], now: datetime) -> None:
    with database.writing() as session:
        for run, index in due:
            driver_day.deliver(session, run.delivery_ids[index], _tap(now))
            run.tapped.add(index)


def percentile(values: list[float], part: float) -> float:
    """Return the value below which ``part`` of the values lie; nan for none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def eta_errors_min(session: Session, runs: list[Run], started: datetime) -> tuple[list[float], list[bool]]:
    """Return the error of every published estimate in minutes, and whether the truth lay in its 80 % interval."""
    errors, covered = [], []
    for run in runs:
        for index, stop_id in enumerate(run.stop_ids):
            truth = started + timedelta(seconds=run.stops[index]["arrive_s"])
            for made in session.scalars(select(EstimateMade).where(EstimateMade.stop_id == stop_id)):
                if made.made_at >= truth or made.made_at < started:
                    continue
                errors.append(abs((made.eta_at - truth).total_seconds()) / 60)
                covered.append(made.lo_at <= truth <= made.hi_at)
    return errors, covered


def report(database: Database, runs: list[Run], started: datetime, watch: Stopwatch, took_s: float) -> None:
    """Print the figures."""
    with database.reading() as session:
        counted = select(Notification.kind, Notification.channel, Notification.status, func.count())
        rows = session.execute(counted.group_by(Notification.kind, Notification.channel, Notification.status)).all()
        print("notifications:")
        for kind, channel, status, count in sorted((str(k), str(c), str(s), n) for k, c, s, n in rows):
            print(f"  {kind:16} {channel:6} {status:12} {count}")
        _report_arrivals(session, runs, started)
        errors, covered = eta_errors_min(session, runs, started)
        if errors:
            print(
                f"ETA: {len(errors)} estimates, mean absolute error {statistics.mean(errors):.2f} min, "
                f"median {statistics.median(errors):.2f}, in the 80 % interval {sum(covered) / len(covered):.2f}"
            )
        stored = session.scalar(select(func.count()).select_from(Position)) or 0
    print(f"positions: {watch.accepted} accepted, {stored} on record, answers {dict(watch.refused)}")
    print(f"  {watch.accepted / took_s:.0f} a second over the whole drive; POST {_p50_p99_ms(watch.post_s)}")
    print(f"from POST of a fix to the bytes on a stream: {len(watch.lags_s)} seen, {_p50_p99_ms(watch.lags_s)}")


def _p50_p99_ms(values_s: list[float]) -> str:
    return f"p50 {percentile(values_s, 0.5) * 1e3:.0f} ms, p99 {percentile(values_s, 0.99) * 1e3:.0f} ms"


def _report_arrivals(session: Session, runs: list[Run], started: datetime) -> None:
    noticed, right, errors_s, total = 0, 0, [], 0
    for run in runs:
        for index, stop_id in enumerate(run.stop_ids):
            total += 1
            stop = session.get_one(Stop, stop_id)
            if stop.arrived_at is None or stop.arrived_source != "position":
                continue
            noticed += 1
            error = stop.arrived_at - (started + timedelta(seconds=run.stops[index]["arrive_s"]))
            right += abs(error) <= NEAR_TRUTH
            errors_s.append(abs(error.total_seconds()))
    print(f"arrivals: {noticed} of {total} noticed, {right} within 2 min; error p90 {percentile(errors_s, 0.9):.0f} s")


async def play(instance: Instance, runs: list[Run], rate: float) -> None:
    """Import the runs, let the day before and the morning pass, and drive."""
    database = Database(instance.environ["PORTAL_DATABASE_URL"])
    signer = LinkSigner([instance.environ["PORTAL_SECRET_KEYS"]])
    with database.writing() as session:
        key = issue_api_key(session, key_id=new_id(), name="bench", now=instance.now(), created_by=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": new_id()}
        document = {"routes": [route_document(number, run) for number, run in enumerate(runs)]}
        async with http.post(f"{instance.url}/api/v1/routes", json=document, headers=headers) as answer:
            print(f"import: {answer.status}, {(await answer.text())[:200]}")
            answer.raise_for_status()
        for hour, minute, day in ((18, 1, DAY - timedelta(days=1)), (8, 1, DAY)):
            instance.set_day(datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE))
            await asyncio.to_thread(_wait_until_sent, database, instance)
        instance.set_day(START, rate)
        started = instance.now()
        await asyncio.to_thread(prepare, database, runs, started)
        tokens = recipient_tokens(database, signer, runs, started)
        stopwatch = Stopwatch()
        watchers = [
            asyncio.create_task(follow(http, f"{instance.url}/t/{token}/live", name, stopwatch))
            for name, token in tokens.items()
        ]
        taps = asyncio.create_task(tap_delivered(instance, database, runs, started))
        began = time.monotonic()
        await asyncio.gather(*(drive(http, instance, run, started, stopwatch) for run in runs))
        took_s = time.monotonic() - began
        await asyncio.wait_for(taps, timeout=120)
        await asyncio.to_thread(_wait_until_sent, database, instance)
        for task in watchers:
            task.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
    report(database, runs, started, stopwatch, took_s)
    database.close()


def _wait_until_sent(database: Database, instance: Instance) -> None:
    """Wait until nothing that is due waits any more, two minutes at most."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(1.0)
        with database.reading() as session:
            waiting = (
                select(func.count())
                .select_from(Notification)
                .where(Notification.status.in_(["due", "sending"]), Notification.due_at <= instance.now())
            )
            dirty = select(func.count()).select_from(Delivery).where(Delivery.plan_dirty_at.is_not(None))
            if not session.scalar(waiting) and not session.scalar(dirty):
                return


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=float, default=60.0, help="day seconds a machine second")
    parser.add_argument("--runs", type=int, default=None, help="only the first N")
    options = parser.parse_args()
    runs = read_runs(options.file, options.runs)
    first = datetime(DAY.year, DAY.month, DAY.day - 1, 17, 30, tzinfo=ZONE)
    with (
        tempfile.TemporaryDirectory(prefix="portal-bench-") as folder,
        Instance(Path(folder), day=first, settings={"PORTAL_SEGMENTS_PER_SECOND": "1000"}) as instance,
    ):
        asyncio.run(play(instance, runs, options.rate))


if __name__ == "__main__":
    main()
