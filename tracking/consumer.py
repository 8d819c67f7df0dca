"""The fix consumer: waits on the stream of fixes, brings routes up to date, acknowledges, then tells the pages.

One loop is active, under a lease in Redis. Two at once would do no harm, only work: a route's rows are locked while it
is looked at, and the same fix twice changes nothing. A killed one leaves its entries pending; the next one, who bears
the same name in the group, begins with them. What has been committed but not acknowledged comes twice.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from tracking.batches import Batches, Told, routes_to_look_at
from tracking.clocks import Clock
from tracking.eta import EtaHistory
from tracking.eta_learned import learned_at, read_history
from tracking.facts import FLEET_CHANNEL, publish, without_places
from tracking.fix_entries import count_fixes, read_batch
from tracking.fix_stream import STREAM
from tracking.live_state import DEFAULT_RULES
from tracking.nearness import USUAL_NEARNESS, Nearness
from tracking.storage import Database
from tracking.visibility import VisibilityRules

GROUP = "tracker"
NAME = "consumer"
LEASE_KEY = "portal:consumer:lease"
ASIDE = "portal:fixes:aside"  # entries that stopped the loop again and again, kept for a person to look at
# A killed consumer is followed by the next one within this: the lease is made longer at every step, so that it must
# only outlast one transaction, and losing it to another consumer does no harm.
LEASE_MS = 4_000
BLOCK_MS = 1_000
BATCH = 500  # entries read at once
MOST_FIXES = 300  # taken in one transaction; a device may send 500 in one entry (our choice)
TICK_S = 30.0
DAY_TICK = timedelta(minutes=1)  # of day time, where a demo runs it faster than the machine's
LEAST_TICK_S = 2.0
RETRY_S = 0.5  # between two tries to reach Redis or the database, or to take the lease
# An entry read this often without an acknowledgement is read alone; a few times more, and it is put aside.
SUSPECT_READS = 3
MOST_READS = 6

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

Entries = list[tuple[bytes, Mapping[bytes, bytes] | None]]

log = structlog.get_logger()


class Consumer:
    """One fix consumer. ``wake`` is called after a commit that left plans of notifications to be made.

    ``nearness`` reads what counts as near now; it is asked at every tick.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        clock: Clock,
        ids: Callable[[], str],
        *,
        wake: Callable[[], None],
        history: EtaHistory | None = None,
        rules: VisibilityRules = DEFAULT_RULES,
        nearness: Callable[[Session], Nearness] = lambda _session: USUAL_NEARNESS,
    ) -> None:
        self._database = database
        self._redis = redis
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._batches = Batches(ids, history=history, rules=rules)
        self._is_given = history is not None
        self._nearness = nearness
        self._learned_at: datetime | None = None
        self._token = ids().encode()
        self._hold = redis.register_script(_HOLD)
        self._has_pending = True
        self._is_record_doubtful = False
        self._ticked_s = float("-inf")
        self._ticked_at: datetime | None = None
        self._to_look_at: deque[str] = deque()  # routes that the tick under way has still to come to

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. A Redis or database that is away is waited for."""
        while not stop.is_set():
            try:
                if not self.hold_lease():
                    self._begin_anew()
                    stop.wait(RETRY_S)
                    continue
                self._look_for_record()
                self.step()
            except (RedisError, OperationalError, InterfaceError) as error:
                log.warning("fix consumer waits", error=type(error).__name__)
                self._is_record_doubtful |= not isinstance(error, RedisError)
                self._begin_anew()
                stop.wait(RETRY_S)
        self._give_lease_back()

    def _look_for_record(self) -> None:
        """After an error of the database, ask it first: entries read while it is away would count as bad ones."""
        if self._is_record_doubtful:
            with self._database.reading() as session:
                session.execute(select(1))
            self._is_record_doubtful = False

    def step(self, block_ms: int = BLOCK_MS) -> int:
        """Take what waits on the stream, go on with the tick, and return how many entries were taken.

        A tick looks at one route a step: a fix then waits for one look, not for as many as there are trucks. The stream
        is waited on only between two ticks.
        """
        if self._ticked_at is None:
            self._learn_anew()
        entries = self._read(None if self._to_look_at else block_ms)
        if entries:
            self._take(entries)
        if not self._to_look_at and self._is_tick_due():
            self._begin_tick()
        if self._to_look_at:
            self._look_again(self._to_look_at.popleft())
        return len(entries)

    def tick(self) -> None:
        """Bring every route under way up to now, each in a transaction of its own."""
        self._begin_tick()
        while self._to_look_at:
            self.hold_lease()
            self._look_again(self._to_look_at.popleft())

    def _begin_tick(self) -> None:
        now = self._clock.now()
        self._learn_anew()
        self._ticked_s, self._ticked_at = self._clock.elapsed(), now
        with self._database.reading() as session:
            self._to_look_at = deque(routes_to_look_at(session, now))

    def _look_again(self, route_id: str) -> None:
        begun_s = self._clock.elapsed()
        with self._database.writing() as session:
            told = self._batches.look_again(session, route_id, now=self._clock.now())
        self._tell(told, begun_s)

    def _learn_anew(self) -> None:
        """Take over what staff set, and what the night has learned if it is new; a history handed in stays."""
        with self._database.reading() as session:
            self._batches.tell_near(self._nearness(session))
            if self._is_given:
                return
            newest_at = learned_at(session)
            history = read_history(session) if newest_at != self._learned_at else None
        self._learned_at = newest_at
        if history is not None:
            self._batches.use(history)

    def hold_lease(self) -> bool:
        """Take the lease or make it last longer; False while another consumer has it."""
        return bool(self._hold(keys=[LEASE_KEY], args=[self._token, LEASE_MS]))

    def _begin_anew(self) -> None:
        self._has_pending = True
        self._batches.forget()

    def _give_lease_back(self) -> None:
        try:
            if self._redis.get(LEASE_KEY) == self._token:
                self._redis.delete(LEASE_KEY)
        except RedisError as error:
            log.warning("lease of the fix consumer runs out by itself", error=type(error).__name__)

    def _is_tick_due(self) -> bool:
        passed_s = self._clock.elapsed() - self._ticked_s
        if not 0 <= passed_s < TICK_S or self._ticked_at is None:  # below 0: the machine's clock was set back
            return True
        return passed_s >= LEAST_TICK_S and abs(self._clock.now() - self._ticked_at) >= DAY_TICK

    def _read(self, block_ms: int | None) -> Entries:
        """Return entries left pending first, then new ones; after a flush the group is made again."""
        try:
            if self._has_pending:
                entries = self._read_group("0", self._pending_count(), None)
                self._has_pending = bool(entries)
                if entries:
                    return entries
            return self._read_group(">", BATCH, block_ms)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._make_group()
            return self._read_group(">", BATCH, block_ms)

    def _read_group(self, since: str, count: int, block_ms: int | None) -> Entries:
        answer: Any = self._redis.xreadgroup(GROUP, NAME, {STREAM: since}, count=count, block=block_ms)
        if isinstance(answer, dict):
            found = answer.get(STREAM.encode()) or answer.get(STREAM) or []
            return [entry for part in found for entry in part]
        return list(answer[0][1]) if answer else []

    def _make_group(self) -> None:
        """Start from the first entry there is: what came in between a flush and now is not lost."""
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _pending_count(self) -> int:
        """Return how many pending entries to read: one alone when they have stopped the loop before."""
        pending: Any = self._redis.xpending_range(STREAM, GROUP, min="-", max="+", count=BATCH, consumername=NAME)
        tired = [entry["message_id"] for entry in pending if entry["times_delivered"] >= MOST_READS]
        for entry_id in tired[:1]:
            self._put_aside(entry_id)
        return 1 if any(entry["times_delivered"] >= SUSPECT_READS for entry in pending) else BATCH

    def _put_aside(self, entry_id: bytes) -> None:
        found: Any = self._redis.xrange(STREAM, min=entry_id, max=entry_id)
        pipe = self._redis.pipeline(transaction=True)
        for _, fields in found:
            pipe.xadd(ASIDE, fields, maxlen=1000)
        pipe.xack(STREAM, GROUP, entry_id)
        pipe.execute()
        log.error("fix put aside", entry=entry_id.decode())

    def _take(self, entries: Entries) -> None:
        """Take entries in the order of receipt, a transaction for so many fixes."""
        part: Entries = []
        fixes = 0
        for entry in entries:
            part.append(entry)
            fixes += count_fixes(entry[1])
            if fixes >= MOST_FIXES:
                self._take_part(part)
                part, fixes = [], 0
                self.hold_lease()
        if part:
            self._take_part(part)

    def _take_part(self, entries: Entries) -> None:
        batch = read_batch(entries)
        begun_s = self._clock.elapsed()
        with self._database.writing() as session:
            told = self._batches.take(session, batch, now=self._clock.now())
        self._redis.xack(STREAM, GROUP, *batch.entry_ids)
        self._tell(told, begun_s)

    def _tell(self, told: Told, begun_s: float) -> None:
        """Tell the pages. Who was held up for longer than the lease gives no place: the record says where it is now.

        Meanwhile the delivery may have been handed over or given to another truck, or a later place been told.
        """
        is_late = not 0 <= self._clock.elapsed() - begun_s < LEASE_MS / 1000
        publish(self._redis, without_places(told.facts) if is_late else told.facts, is_from_consumer=True)
        try:
            for line in told.fleet:
                self._redis.publish(FLEET_CHANNEL, line)
        except RedisError as error:
            log.warning("fleet not told", error=type(error).__name__)
        if told.is_dirty:
            self._wake()
