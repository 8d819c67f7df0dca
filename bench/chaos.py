"""Everything is killed while messages go out: ``python -m bench.chaos [--number N] [--kills K] [--database ...]``.

N texts and N mails of planned kinds, links for drivers, and texts about the moment, while parts of the worker, the
worker, the pages, Valkey and PostgreSQL are killed with SIGKILL, parts are paused past their lease, the machine's clock
is set an hour forward and back, Valkey is emptied three times, and the stand-ins refuse, fail, stall and hang up. At
the end a judge compares the input list with what the stand-ins wrote down. It reads nothing of the product; what the
product says of itself is printed beside it.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from bench import chaos_day
from bench.chaos_report import LONGEST_RECOVERY_S, TIMES, Played, report
from messaging.kinds import Channel, Kind
from messaging.outbox import queue
from portal.services import Services, build
from portal.settings import read_settings
from sandbox.clock_steps import ClockSteps
from sandbox.havoc import Havoc
from sandbox.instance import Instance, ended_in_order
from sandbox.judge import SMS, Message, came, judge
from sandbox.machine import monotonic_s
from sandbox.postgres import Cluster, find_initdb
from tracking import imports
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery
from tracking.ids import new_id

SETTLED_S = 15.0  # lease, settle time and a little: what would still come a second time comes within it
PATIENCE_S = 4.0
KILLS_A_PAUSE = 6  # besides the pauses that come by chance
LONGEST_S = 560.0
FLUSHES = 3
# What the stand-ins do wrong (reference/messaging.md 6.3, and the mail server with it).
FAULTS: tuple[tuple[str, dict[str, float]], ...] = (
    ("too_many", {"probability": 0.05, "seconds": 1.0}),
    ("too_many_after", {"probability": 0.01}),
    ("proxy_before", {"probability": 0.01}),
    ("error_before", {"probability": 0.03}),
    ("error_after", {"probability": 0.04}),
    ("reset_after", {"probability": 0.01}),
    ("slow_after", {"probability": 0.04, "seconds": 2.5}),
    ("slow_before", {"probability": 0.3, "seconds": 0.2}),
    ("reset_before", {"probability": 0.01}),
    ("list_late", {"seconds": 0.3}),
    ("list_error", {"probability": 0.05}),
    ("callback_drop", {"probability": 0.1}),
    ("callback_repeat", {"probability": 0.05}),
    ("callback_disorder", {"probability": 0.05}),
    ("callback_early", {"probability": 0.02}),
    ("mail_slow", {"probability": 0.5, "seconds": 0.3}),
    ("mail_drop", {"probability": 0.02}),
    ("mail_drop_after", {"probability": 0.01}),
    ("mail_defer", {"probability": 0.02}),
)


@dataclass(slots=True)
class Wave:
    """One moment of the day at which messages become due, and the share of the blows that falls on it."""

    name: str
    begin: Callable[[], None]
    expected: set[Message]
    recovered_s: float = -1.0  # between the last blow and the last message; 0: all had come before


@dataclass(slots=True)
class Run:
    """One run: its instance, its blows, its waves in order."""

    instance: Instance
    havoc: Havoc
    rng: random.Random
    kills: int
    pause_s: float
    deadline: float
    waves: list[Wave] = field(default_factory=list)

    def play(self) -> None:
        """Begin each wave and strike until its share of kills is done and everything it planned has come."""
        for number, wave in enumerate(self.waves, start=1):
            wave.begin()
            self._strike(self.kills * number // len(self.waves), with_flush=number <= FLUSHES)
            self.havoc.calm()
            self.instance.world.clear_faults()
            last_blow = monotonic_s()
            self._wait_for(wave)
            wave.recovered_s = monotonic_s() - last_blow
            say(f"{wave.name}: {self.havoc.kills} kills, all had come {wave.recovered_s:.1f} s after the last blow")

    def _strike(self, until: int, *, with_flush: bool) -> None:
        for kind, fields in FAULTS:
            self.instance.world.fault(kind, **fields)
        first, flushed = self.havoc.kills, not with_flush
        while (self.havoc.kills < until or not flushed) and monotonic_s() < self.deadline:
            next_at = monotonic_s() + self.rng.uniform(0.2, 2 * self.pause_s - 0.2)
            while monotonic_s() < next_at:
                self.havoc.tend()
                time.sleep(0.02)
            self._hit()
            if self.havoc.kills % KILLS_A_PAUSE == 0:
                self.havoc.pause()
            if not flushed and self.havoc.kills > (first + until) // 2:
                flushed = self.havoc.flush()

    def _hit(self) -> None:
        """Strike one thing; when it is not there yet, wait for it a while, then choose another."""
        while monotonic_s() < self.deadline:
            chosen, until = self.havoc.choose(), monotonic_s() + PATIENCE_S
            while monotonic_s() < until:
                if self.havoc.strike(chosen):
                    return
                self.havoc.tend()
                time.sleep(0.02)

    def _wait_for(self, wave: Wave) -> None:
        limit = monotonic_s() + 2 * LONGEST_RECOVERY_S  # late is told apart from lost
        missing, seen = set(wave.expected), 0
        while True:
            fresh = self.instance.world.outside.journal.entries(after=seen)
            seen += len(fresh)
            missing -= {message for entry in fresh if (message := came(entry)) is not None}
            if not missing:
                return
            if monotonic_s() > limit:
                say(f"{wave.name}: {len(missing)} have not come, such as {sorted(missing)[:3]}")
                return
            time.sleep(0.2)


def say(words: str) -> None:
    """Print at once."""
    print(words, flush=True)


def again(work: Callable[[], None]) -> None:
    """Do what a dispatcher's system would: try until the record takes it."""
    deadline = monotonic_s() + 60.0
    while True:
        try:
            work()
        except OperationalError:
            if monotonic_s() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def import_routes(services: Services, deliveries: int) -> None:
    """Import every route, one transaction each."""
    defaults = imports.ImportDefaults(region="US", zone=chaos_day.ZONE.key, locale="en")
    for data in chaos_day.route_files(deliveries):
        rows = imports.parse_csv(data, defaults).rows

        def put(rows: Iterable[imports.Row] = rows) -> None:
            with services.database.writing() as session:
                imports.apply(session, list(rows), now=chaos_day.EVE, actor=SYSTEM, ids=new_id)

        again(put)
    services.wake.reconcile()


def tell_next(services: Services, count: int, now: datetime) -> None:
    """Queue "you are next" for the first ``count`` recipients: a happening-now kind."""

    def put() -> None:
        with services.database.writing() as session:
            wanted = [chaos_day.phone(number) for number in range(count)]
            for delivery in session.scalars(select(Delivery).where(Delivery.phone.in_(wanted))):
                queue(
                    session,
                    kind=Kind.NEXT_STOP,
                    channel=Channel.SMS,
                    subject=delivery.id,
                    occasion="chaos",
                    delivery_id=delivery.id,
                    to_address=delivery.phone or "",
                    locale="en",
                    context={},
                    now=now,
                    ids=new_id,
                )

    again(put)
    services.wake.send(Channel.SMS)


def main() -> int:
    """Run once; 0 when nothing was lost or doubled."""
    options = _options()
    with ExitStack() as stack:
        stack.enter_context(ended_in_order())  # nothing that was started here may stay
        folder = Path(options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        steps = ClockSteps(folder / "clock")
        pace = {"PORTAL_SEGMENTS_PER_SECOND": str(options.segments_per_s)}
        settings = {**TIMES, **steps.environment(), **pace}
        cluster = None
        if options.database == "postgres":
            initdb = find_initdb()
            if initdb is None:
                say("PostgreSQL is not installed here (no initdb was found)")
                return 2
            cluster = stack.enter_context(Cluster(initdb, durable=True))
            settings["PORTAL_DATABASE_URL"] = cluster.create("chaos")
        instance = stack.enter_context(Instance(folder, day=chaos_day.EVE, settings=settings))
        rng = random.Random(options.seed)
        havoc = Havoc(instance, rng, cluster, steps)
        stack.callback(havoc.end)
        return 0 if play(options, instance, havoc, rng) else 1


def play(options: argparse.Namespace, instance: Instance, havoc: Havoc, rng: random.Random) -> bool:
    """Play the day and judge it."""
    services = build(read_settings(instance.environ))
    deliveries, now_count = options.number // 2, options.number // 10
    started = monotonic_s()
    run = Run(instance, havoc, rng, options.kills, options.pause_s, started + LONGEST_S - 2 * LONGEST_RECOVERY_S)

    def start_day() -> None:
        instance.set_day(chaos_day.START)
        tell_next(services, now_count, chaos_day.START)

    run.waves = [
        Wave("eve", lambda: import_routes(services, deliveries), chaos_day.to_recipients(deliveries, "day_before")),
        Wave(
            "morning",
            lambda: instance.set_day(chaos_day.MORNING),
            chaos_day.to_recipients(deliveries, "morning_of"),
        ),
        Wave("start", start_day, chaos_day.to_drivers(deliveries)),
    ]
    run.play()
    time.sleep(SETTLED_S)
    entries = [json.loads(line) for line in (instance.folder / "world" / "journal.jsonl").read_text().splitlines()]
    moment_list = {Message(SMS, chaos_day.phone(number), "next_stop") for number in range(now_count)}
    of_moment = [entry for entry in entries if (message := came(entry)) and message.kind == "next_stop"]
    others = [entry for entry in entries if entry not in of_moment]
    planned = judge({message for wave in run.waves for message in wave.expected}, others)
    recovered_s = max(wave.recovered_s for wave in run.waves)
    played = Played(instance, havoc, options.kills, len(run.waves), recovered_s, monotonic_s() - started)
    holds = report(played, planned, judge(moment_list, of_moment), services)
    services.database.close()
    return holds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.chaos", description="Kill everything while messages go out.")
    parser.add_argument("--number", type=int, default=1000, help="texts, and as many mails, of planned kinds")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=1.6, help="between two blows, on average")
    parser.add_argument("--segments-per-s", type=int, default=40)
    parser.add_argument("--keep", help="folder for the logs and the journal; kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
