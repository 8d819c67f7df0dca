"""A morning's texts, all due at once: their order, what overtakes them, what comes too late, and what is too much.

``BURST_TEXTS=5000 pytest tests/messaging/test_morning_burst.py`` is the full size.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from redis import Redis
from sqlalchemy import event, func, insert, select

from messaging.channels.base import Handed, Outgoing, Refused
from messaging.house import House
from messaging.kinds import Channel, Kind, Lane
from messaging.notifications import Notification, NotificationStatus
from messaging.pacing import Bucket
from messaging.segments import segment_count
from messaging.sending import Sender, Timing
from messaging.wording import Company
from tests.builders import local
from tracking.ids import new_id
from tracking.links import LinkSigner
from tracking.storage import Database

TEXTS = int(os.environ.get("BURST_TEXTS", "400"))
RATE = 10.0  # segments a second, of the steered clock
TICK_S, PASSES_S = 0.01, 0.2  # so much of ours to so much of that clock's, while nobody is at the record
OVERTAKEN = 40  # texts that two senders may have claimed before the urgent one came
CARRIER_HOLDS_S = 8.0  # so much above the rate a carrier takes at once before it says 429
MORNING = local("08:00")
SHORT, LONG = "On its way.", "Your delivery comes today, between ten and twelve. " * 4
LANES = ((Lane.MORNING, 0.6), (Lane.DAY_BEFORE, 0.3), (Lane.RATING, 0.1))


class FastClock:
    """Day time and machine time, both running fast from eight in the morning.

    They stand while somebody is at the record or the event loop is held up, so that a busy machine makes nothing late.
    """

    def __init__(self, database: Database) -> None:
        self.passed_s = 0.0
        self._users = 0
        event.listen(database.engine, "checkout", lambda *_: self._use(1))
        event.listen(database.engine, "checkin", lambda *_: self._use(-1))
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return its day time."""
        return MORNING + timedelta(seconds=self.passed_s)

    def elapsed(self) -> float:
        """Return its machine time."""
        return 1_000_000.0 + self.passed_s

    async def run(self) -> None:
        """Let time pass, until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            if not self._users:
                self.passed_s += PASSES_S

    def _use(self, change: int) -> None:
        with self._lock:
            self._users += change


@dataclass
class Carrier:
    """Takes texts as a carrier does: segments drain at a rate, and above what it holds it says 429."""

    clock: FastClock
    name: str = "twilio"
    at_once: int = 50
    can_find: bool = False
    taken: list[tuple[float, Outgoing]] = field(default_factory=list)
    refused: int = 0
    _held: float = 0.0
    _at: float = 0.0

    async def send(self, message: Outgoing) -> Handed:
        """Take a text, or refuse it for now."""
        now, segments = self.clock.passed_s, segment_count(message.body)
        self._held, self._at = max(0.0, self._held - (now - self._at) * RATE), now
        if self._held + segments > RATE * CARRIER_HOLDS_S:
            self.refused += 1
            raise Refused("429", "slow down", permanent=False, retry_after_s=1.0, is_too_many=True)
        self._held += segments
        self.taken.append((now, message))
        return Handed(f"SM{message.reference}", NotificationStatus.ACCEPTED)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Nobody asks."""
        return []

    async def close(self) -> None:
        """There is nothing to close."""


def row(lane: Lane, number: int, *, due_at: datetime, useful_until: datetime | None = None) -> dict[str, object]:
    return {
        "id": new_id(),
        "dedupe_key": new_id(),
        "kind": Kind.REPLY,
        "channel": Channel.SMS,
        "occasion": "1",
        "to_address": f"+1201555{number:04d}",
        "locale": "en",
        "lane": lane,
        "status": NotificationStatus.DUE,
        "due_at": due_at,
        "useful_until": useful_until,
        "context": {"text": LONG if number % 3 == 0 else SHORT},
        "subject": "",
        "body": "",
        "segments": 1,
        "attempt": 0,
        "reason": "",
        "created_at": MORNING,
    }


def the_morning() -> list[dict[str, object]]:
    """Return the texts of a morning; every tenth is of use for a few minutes only."""
    made = []
    for lane, share in LANES:
        for number in range(round(TEXTS * share)):
            short_lived = MORNING + timedelta(seconds=TEXTS / RATE / 4) if number % 10 == 9 else None
            made.append(row(lane, number, due_at=MORNING, useful_until=short_lived))
    return made


def add(database: Database, rows: list[dict[str, object]]) -> None:
    with database.writing() as session:
        session.execute(insert(Notification), rows)


def senders(database: Database, redis: Redis, carrier: Carrier, clock: FastClock) -> list[Sender]:
    """Return two, as two instances of the worker would be."""
    links = LinkSigner(("key-0123456789abcdef",))
    house = House(Company("Juniper & Sons", "", "", "http://127.0.0.1:8000"), links, "pepper", new_id)
    return [
        Sender(
            database=database,
            provider=carrier,
            channel=Channel.SMS,
            clock=clock,
            house=house,
            timing=Timing(send_timeout_s=60.0, lease_s=600.0, settle_s=600.0),
            bucket=Bucket(redis, "+12125550100", RATE),
            owner=owner,
        )
        for owner in ("here", "there")
    ]


async def play(database: Database, redis: Redis, carrier: Carrier, clock: FastClock) -> deque[tuple[str, int]]:
    """Let both send until nothing is due; three times an urgent text comes in between.

    Return those, each with how many texts the carrier had when it was committed.
    """
    urgent: deque[tuple[str, int]] = deque()

    async def interrupt() -> None:
        for part in (0.2, 0.4, 0.6):
            while len(carrier.taken) < TEXTS * part:
                await asyncio.sleep(0.01)
            one = row(Lane.NOW, 9_000 + len(urgent), due_at=clock.now())
            await asyncio.to_thread(add, database, [one])
            urgent.append((str(one["id"]), len(carrier.taken)))

    both = senders(database, redis, carrier, clock)
    time = asyncio.create_task(clock.run())
    await asyncio.gather(interrupt(), *(one.run(for_s=600.0, should_stop=lambda: False) for one in both))
    time.cancel()
    return urgent


def test_a_morning_burst_keeps_its_order_and_urgent_texts_overtake(sqlite_database: Database, redis: Redis) -> None:
    add(sqlite_database, the_morning())
    clock = FastClock(sqlite_database)
    carrier = Carrier(clock)
    urgent = asyncio.run(play(sqlite_database, redis, carrier, clock))

    with sqlite_database.reading() as session:
        kept = {found.id: found for found in session.scalars(select(Notification))}
        left = session.scalar(
            select(func.count()).where(
                Notification.status == NotificationStatus.DUE,
                Notification.useful_until.is_(None),
            )
        )
    at = {message.reference: passed for passed, message in carrier.taken}
    assert left == 0
    assert len(carrier.taken) == len(at)  # nobody twice, from two senders
    late = [one for one in kept.values() if one.useful_until is not None]
    too_late = [one for one in late if at.get(one.id, 0.0) > (one.useful_until - MORNING).total_seconds() + 10]  # type: ignore[operator]
    assert too_late == []
    assert any(one.id not in at for one in late)  # some could not be reached in time, and stayed here
    places = {message.reference: place for place, (_, message) in enumerate(carrier.taken)}
    assert [reference for reference, taken in urgent if places[reference] - taken > OVERTAKEN] == []
    assert order_broken(carrier, kept) <= carrier.at_once
    assert carrier.refused <= len(carrier.taken) * 0.01
    assert {message.useful_s for _, message in carrier.taken if kept[message.reference].useful_until is None} == {
        36_000
    }
    print(f"{len(at)} texts in {max(at.values()):.0f} s, {carrier.refused} times too many")


def order_broken(carrier: Carrier, kept: dict[str, Notification]) -> int:
    """Return how many places any text of a morning stands before one of a more urgent lane."""
    lanes = [kept[message.reference].lane for _, message in carrier.taken if kept[message.reference].lane != Lane.NOW]
    wanted = sorted(range(len(lanes)), key=lambda place: (lanes[place], place))
    return max(abs(place - is_at) for place, is_at in enumerate(wanted))
