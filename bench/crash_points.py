"""Every crash point of a sender, times every answer of its provider: ``python -m bench.crash_points [--every N]``.

For each row one message is queued, a sender process sends it and dies at the named point, and what is left is found and
finished by another worker. How it ended is read from the stand-ins' journal, and compared with the promise of its kind:
planned exactly once, happening-now at most once and a loss listed. ``--write FILE`` keeps the table.
"""

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import structlog
from redis import Redis
from sqlalchemy import select, update

from bench import chaos_day
from bench.crash_child import Errand, Point, run
from bench.crash_table import NOW, PLANNED, End, Row, rows, table, wrong
from messaging.cases import Task
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from portal.services import Services, build
from portal.settings import read_settings
from portal.workshop import Workshop
from sandbox.instance import ended_in_order
from sandbox.world import World, free_port, start_valkey
from tracking import imports
from tracking.actors import SYSTEM
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_id
from tracking.storage import Base

_S = NotificationStatus
TIMES = {"PORTAL_SEND_TIMEOUT_S": "0.6", "PORTAL_LEASE_S": "6", "PORTAL_SETTLE_S": "3"}
ROUNDS_S = (4.0,) * 6 + (60.0,) * 6  # machine seconds between two looks of the other worker
KEPT = {"depots", "drivers", "routes", "stops", "deliveries"}  # tables of the one delivery all rows are about
KINDS = {PLANNED: Kind.REPLY, NOW: Kind.NEXT_STOP}


SLOWLY = {Channel.SMS: ("slow_before", {"seconds": 0.25}), Channel.EMAIL: ("mail_slow", {"seconds": 0.25})}


class Bed:
    """One record, one Valkey and the stand-ins, used for row after row."""

    def __init__(self, folder: Path, redis_url: str, world: World, runner: asyncio.Runner) -> None:
        self._world, self._runner = world, runner
        self._environ = {
            **world.environment(),
            **TIMES,
            "PORTAL_DATABASE_URL": f"sqlite:///{folder / 'portal.db'}",
            "PORTAL_REDIS_URL": redis_url,
            "PORTAL_SECRET_KEYS": "crash-key-0123456789abcdef0123456789abcdef",
            "PORTAL_PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
            "PORTAL_DATA_DIR": str(folder / "data"),
            "PORTAL_COMPANY_NAME": "Juniper & Sons",
        }
        self._clock = SetClock(chaos_day.START)
        self._services: Services = build(read_settings(self._environ), clock=self._clock)
        Base.metadata.create_all(self._services.database.engine)
        defaults = imports.ImportDefaults(region="US", zone=chaos_day.ZONE.key, locale="en")
        (data,) = chaos_day.route_files(1)
        with self._services.database.writing() as session:
            parsed = imports.parse_csv(data, defaults).rows
            imports.apply(session, list(parsed), now=chaos_day.EVE, actor=SYSTEM, ids=new_id)
            self._delivery_id = session.scalars(select(Delivery.id)).one()
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(["bench.crash_child"])
        self._number = 0

    def close(self) -> None:
        """Give the connections back."""
        self._services.database.close()
        self._services.redis.close()

    def play(self, row: Row) -> End:
        """Queue one message, let its sender die, let another worker finish; return how it ended."""
        self._clear()
        to = self._address(row)
        row_id = self._queue(row, to)
        for kind, fields in row.answer.faults:
            self._world.fault(kind, times=1, to=to, **fields)
        if row.point is Point.DURING_POST and not row.answer.is_away:
            kind, fields = SLOWLY[row.answer.channel]
            self._world.fault(kind, times=1, to=to, **fields)
        self._send_and_die(row)
        self._world.clear_faults()
        return self._finish(row, row_id, to)

    def _clear(self) -> None:
        self._number += 1
        Redis.from_url(self._environ["PORTAL_REDIS_URL"]).flushall()
        with self._services.database.writing() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name not in KEPT:
                    session.execute(table.delete())
            session.execute(update(Delivery).values(plan_dirty_at=None))

    def _address(self, row: Row) -> str:
        if row.answer.channel is Channel.SMS:
            return "+15005550001" if row.answer.is_final else chaos_day.phone(self._number)
        return f"{'bounce-' if row.answer.is_final else ''}{self._number}@example.net"

    def _queue(self, row: Row, to: str) -> str:
        with self._services.database.writing() as session:
            queued = queue(
                session,
                kind=KINDS[row.promise],
                channel=row.answer.channel,
                subject=self._delivery_id,
                occasion="crash",
                delivery_id=self._delivery_id,
                to_address=to,
                locale="en",
                context={"text": f"Message {self._number}"},
                now=self._clock.now(),
                ids=new_id,
            )
        assert queued is not None
        return queued

    def _send_and_die(self, row: Row) -> None:
        away = {}
        if row.answer.is_away:
            nobody = free_port()
            away = {
                "PORTAL_TWILIO_API_URL": f"http://127.0.0.1:{nobody}",
                "PORTAL_SMTP_URL": f"smtp://127.0.0.1:{nobody}",
            }
        machine_s = self._clock.elapsed()
        errand = Errand({**self._environ, **away}, self._clock.now(), machine_s, row.answer.channel, row.point)
        sender = self._fork.Process(target=run, args=(errand,))
        sender.start()
        sender.join(60)
        expected = 0 if row.point is Point.NOWHERE else -signal.SIGKILL
        if sender.exitcode != expected:
            raise RuntimeError(f"{row}: the sender ended with {sender.exitcode}, not {expected}")

    def _finish(self, row: Row, row_id: str, to: str) -> End:
        looks = itertools.count()
        workshop = Workshop(self._services, self._runner, should_stop=lambda: next(looks) % 4 == 3)
        for seconds in ROUNDS_S:
            self._clock.machine_s += seconds
            workshop.sweep()
            workshop.settle()
            workshop.send(row.answer.channel)
            if self._status(row_id) not in {_S.DUE, _S.SENDING, _S.AMBIGUOUS}:
                break
        workshop.close()
        return self._end(row, row_id, to)

    def _status(self, row_id: str) -> NotificationStatus:
        with self._services.database.reading() as session:
            return session.get_one(Notification, row_id).status

    def _end(self, row: Row, row_id: str, to: str) -> End:
        with self._services.database.reading() as session:
            is_listed = bool(session.scalar(select(Task.id).where(Task.notification_id == row_id).limit(1)))
            instead = select(Notification.id).where(Notification.instead_of == row_id)
            is_replaced = bool(session.scalar(instead.limit(1)))
        if row.answer.channel is Channel.SMS:
            said = came = len(self._world.texts(to))
        else:
            mails = self._world.mails(to)
            said, came = len(mails), len({mail.id for mail in mails})
        return End(came, said, is_listed, is_replaced, str(self._status(row_id)))


def main() -> int:
    """Play every row, or every N-th; 0 when all promises held."""
    parser = argparse.ArgumentParser(prog="bench.crash_points", description="Kill a sender at every point.")
    parser.add_argument("--every", type=int, default=1, help="play every N-th row only")
    parser.add_argument("--write", type=Path, help="keep the table in this file")
    options = parser.parse_args()
    chosen = list(rows())[:: options.every]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ends, broken = play_all(chosen)
    if options.write is not None:
        options.write.write_text(table(ends))
    for row, end, why in broken:
        print(f"BROKEN: {why}: {row.answer.words}, {row.promise}, {row.point}: {end}")
    print(f"{len(ends)} rows, {len(broken)} broken; timeout / lease / settle {'/'.join(TIMES.values())} s")
    return 1 if broken else 0


def play_all(chosen: list[Row]) -> tuple[list[tuple[Row, End]], list[tuple[Row, End, str]]]:
    """Play rows one after another; return how each ended, and those that broke their promise."""
    with ExitStack() as stack:
        stack.enter_context(ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crash-")))
        redis_url = stack.enter_context(start_valkey(folder / "valkey"))
        world = stack.enter_context(World(data_dir=folder / "world", pace=0.0))
        bed = Bed(folder, redis_url, world, stack.enter_context(asyncio.Runner()))
        stack.callback(bed.close)
        ends = [(row, bed.play(row)) for row in chosen]
    broken = [(row, end, why) for row, end in ends if (why := wrong(row, end))]
    return ends, broken


if __name__ == "__main__":
    sys.exit(main())
