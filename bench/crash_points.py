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
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis import Redis
from sqlalchemy import select, update

from bench import chaos_day
from bench.crash_child import Errand, Point, run
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
PLANNED, NOW = "planned", "happening now"
KEPT = {"depots", "drivers", "routes", "stops", "deliveries"}  # tables of the one delivery all rows are about
KINDS = {PLANNED: Kind.REPLY, NOW: Kind.NEXT_STOP}


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing a provider does to the first message. ``takes``: it has the message then. ``is_final``: it says no
    for good. ``is_silent``: it says nothing.
    """

    words: str
    channel: Channel
    faults: tuple[tuple[str, dict[str, float]], ...] = ()
    takes: bool = False
    is_final: bool = False
    is_silent: bool = False
    is_away: bool = False


ANSWERS = (
    Answer("201", Channel.SMS, takes=True),
    Answer("400, no such number", Channel.SMS, is_final=True),
    Answer("429", Channel.SMS, (("too_many", {"seconds": 1.0}),)),
    Answer("500, not taken", Channel.SMS, (("error_before", {}),), is_silent=True),
    Answer("500, but taken", Channel.SMS, (("error_after", {}),), takes=True, is_silent=True),
    Answer("too slow, but taken", Channel.SMS, (("slow_after", {"seconds": 1.2}),), takes=True, is_silent=True),
    Answer("reset, not taken", Channel.SMS, (("reset_before", {}),), is_silent=True),
    Answer("reset, but taken", Channel.SMS, (("reset_after", {}),), takes=True, is_silent=True),
    Answer("connection refused", Channel.SMS, is_away=True),
    Answer("250", Channel.EMAIL, takes=True),
    Answer("550 to RCPT", Channel.EMAIL, is_final=True),
    Answer("450 to RCPT", Channel.EMAIL, (("mail_defer", {}),)),
    Answer("hung up after DATA, not kept", Channel.EMAIL, (("mail_drop", {}),), is_silent=True),
    Answer("hung up after DATA, but kept", Channel.EMAIL, (("mail_drop_after", {}),), takes=True, is_silent=True),
    Answer("too slow", Channel.EMAIL, (("mail_slow", {"seconds": 1.2}),), is_silent=True),
    Answer("connection refused", Channel.EMAIL, is_away=True),
)
SLOWLY = {Channel.SMS: ("slow_before", {"seconds": 0.25}), Channel.EMAIL: ("mail_slow", {"seconds": 0.25})}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    point: Point
    answer: Answer
    promise: str


@dataclass(frozen=True, slots=True)
class End:
    """How a row ended. ``came``: messages in the journal, a mail's Message-ID counted once; ``said``: each time."""

    came: int
    said: int
    is_listed: bool
    is_replaced: bool
    status: str

    def __str__(self) -> str:
        words = {0: "did not come", 1: "came once"}.get(self.came, f"CAME {self.came} TIMES")
        if self.said > self.came:
            words += f", said {self.said} times under one Message-ID"
        told = ", on the staff list" if self.is_listed else ""
        return f"{words}{told}{', a mail goes instead' if self.is_replaced else ''}"


def rows() -> Iterator[Row]:
    """Yield every row, in the order of the table."""
    for channel, promise in itertools.product(Channel, (PLANNED, NOW)):
        for answer, point in itertools.product(ANSWERS, Point):
            if answer.channel is channel:
                yield Row(point, answer, promise)


def wrong(row: Row, end: End) -> str:
    """Return what a row's end breaks of its promise; empty when it holds."""
    if end.came > 1:
        return "doubled"
    if row.answer.is_final:
        return "" if end.came == 0 and (end.is_listed or end.is_replaced) else "a refusal for good that nobody is told"
    if row.promise == NOW:
        if end.said > 1:
            return "said twice"
        return "" if end.came or end.is_listed else "lost without a word"
    if end.came == 0:
        return "lost"
    unseen = {Point.DURING_POST, Point.AFTER_POST, Point.BEFORE_RECORD}
    may_repeat = row.answer.channel is Channel.EMAIL and (row.answer.is_silent or row.point in unseen)
    return "" if end.said == 1 or may_repeat else "said twice though the answer was recorded"


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


def table(ends: list[tuple[Row, End]]) -> str:
    """Return the table as Markdown, one section for each channel and promise."""
    lines = [HEAD]
    for (channel, promise), group in itertools.groupby(ends, lambda one: (one[0].answer.channel, one[0].promise)):
        lines.append(f"\n## {title(channel, promise)}\n")
        lines.append("| the provider's answer | the sender dies | how it ended |\n|---|---|---|")
        lines += [f"| {row.answer.words} | {row.point} | {end} |" for row, end in group]
    return "\n".join(lines) + "\n"


def title(channel: Channel, promise: str) -> str:
    """Return the heading of one section of the table."""
    return f"{'SMS' if channel is Channel.SMS else 'Email'}, {promise}"


HEAD = """# Crash points

Made by `make crash-table`; a test compares it with what happens now. One message is queued. A sender process takes it,
meets the answer, and is killed with SIGKILL at the point named. Another worker finds what is left and finishes it. How
it ended is read from the journals of the stand-ins. Promises: a planned message comes exactly once; a happening-now one
comes at most once, and when nobody knows, staff have it on their list. The answer strikes the first request that gets
through, so a sender that died before it leaves it to the next.

"Said twice under one Message-ID": a mail server cannot be asked what it took. The receiver drops the repeat.
"""


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
