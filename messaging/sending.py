"""Sending: claim and commit, prepare and commit, hand over with no transaction open, record (DESIGN 6).

One ``Sender`` serves one channel inside one event loop. Its database work runs in threads, so that answers are taken
while others are on their way. A send is only begun while its lease outlasts the send's timeout: whoever finds the
lease expired later may then conclude what happened.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from messaging.breakers import is_resting, note_health, release_probe, room
from messaging.channels.base import BUSY, LATE, CannotLook, OutcomeUnknown, Provider, Refused
from messaging.house import House
from messaging.kinds import Channel, Lane
from messaging.looking import look_first
from messaging.outbox import Lease, claim, has_due
from messaging.pacing import Bucket
from messaging.preparing import Prepared, prepare
from messaging.recording import Outcome, Recorder, Sent, health_of
from tracking.clocks import Clock
from tracking.storage import Database

__all__ = ["Sender", "Sent", "Timing"]

log = structlog.get_logger()

BATCH, LEAST_BATCH, FIRST_BATCH = 200, 10, 50  # rows claimed at a time; at most 500 (DESIGN 6)
LEAST_PART = 24  # rows prepared together, where so many wait: their statements cost as much for one row (our choice)
# A batch that takes longer is halved, a shorter one doubled: urgent rows overtake between two batches (our choice).
LONG_BATCH_S, SHORT_BATCH_S = 2.0, 0.5
LEASE_MARGIN_S = 0.5  # between a send's timeout and the end of its lease
WAIT_S = 0.1  # while the bucket fills
KEEP_TRYING_S = 30.0  # to record what went out, while the database is away (our choice)
URGENT = (Lane.NOW,)
OTHERS = (Lane.CONVERSATION, Lane.MORNING, Lane.DAY_BEFORE, Lane.RATING)


@dataclass(frozen=True, slots=True)
class Timing:
    """``send_timeout_s`` is shorter than ``lease_s``; machine seconds."""

    send_timeout_s: float
    lease_s: float
    settle_s: float


class Sender:
    """Sends what is due on one channel. ``owner`` names this process in leases."""

    def __init__(
        self,
        *,
        database: Database,
        provider: Provider,
        channel: Channel,
        clock: Clock,
        house: House,
        timing: Timing,
        bucket: Bucket | None,
        owner: str,
    ) -> None:
        self._database, self._provider, self._channel = database, provider, channel
        self._clock, self._house, self._timing = clock, house, timing
        self._bucket, self._owner = bucket, owner
        self._batch = FIRST_BATCH
        self._is_probing = False
        self._at_once = asyncio.Semaphore(provider.at_once)
        self._outcomes: asyncio.Queue[tuple[Prepared, Outcome] | None] = asyncio.Queue()

    async def run(self, *, for_s: float, should_stop: Callable[[], bool]) -> Sent:
        """Send until nothing is due, for at most ``for_s`` seconds; raise what a provider should never raise."""
        sent = Sent()
        recording = asyncio.create_task(self._record_all(sent))
        try:
            until_s = asyncio.get_running_loop().time() + for_s
            await self._send_due(until_s, lambda: should_stop() or recording.done())
        finally:
            self._outcomes.put_nowait(None)
            await recording
        return sent

    async def _send_due(self, until_s: float, should_stop: Callable[[], bool]) -> None:
        """Claim and send in turn; the next claim is made while the last messages of the one before are on their way."""
        loop, flying = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        try:
            while not should_stop() and loop.time() < until_s:
                lease = Lease(self._owner, self._clock.elapsed() + self._timing.lease_s)
                claimed = await asyncio.to_thread(self._claim, lease)
                if claimed:
                    began_s = loop.time()
                    await self._send_claimed(claimed, flying)
                    self._learn(len(claimed), loop.time() - began_s)
                elif flying:
                    await _landed(flying)
                elif not await self._may_wait():
                    return
        finally:
            if flying:
                await asyncio.wait(flying)
        for one in flying:
            one.result()

    async def _send_claimed(self, claimed: list[str], flying: set[asyncio.Task[None]]) -> None:
        """Post a few rows at a time, the next while half of those before are on their way; these go on in ``flying``.

        So a sender that is killed leaves no more rows in doubt than a part has, and half as many again; the rest are
        only claimed, and wait for a lease to end. Urgent rows come as few as the provider takes side by side.
        """
        loop = asyncio.get_running_loop()
        part_of = max(self._provider.at_once, min(len(claimed), LEAST_PART))
        waiting = deque(claimed)
        while waiting:
            while len(flying) > part_of // 2:
                await _landed(flying)
            part = [waiting.popleft() for _ in range(min(part_of, len(waiting)))]
            prepared, posting, begin_by = await asyncio.to_thread(self._prepare, part, loop)
            flying |= {asyncio.create_task(self._send_one(one, posting, begin_by)) for one in prepared}
        while len(flying) > part_of // 2:
            await _landed(flying)

    def _learn(self, claimed: int, took_s: float) -> None:
        """Take fewer at a time when they took long, more when they did not."""
        if took_s > LONG_BATCH_S:
            self._batch = max(LEAST_BATCH, self._batch // 2)
        elif took_s < SHORT_BATCH_S and claimed >= self._batch:
            self._batch = min(BATCH, self._batch * 2)

    async def _may_wait(self) -> bool:
        """Wait a little where only the bucket holds back; False when nothing is due, or the provider rests."""
        if not await asyncio.to_thread(self._has_due):
            return False
        await asyncio.sleep(WAIT_S)
        return True

    def _has_due(self) -> bool:
        now, elapsed = self._clock.now(), self._clock.elapsed()
        with self._database.reading() as session:
            if is_resting(session, self._provider.name, elapsed):
                return False
            return has_due(session, self._channel, now=now, elapsed=elapsed)

    def _claim(self, lease: Lease) -> list[str]:
        """Take urgent rows, which may overdraw the bucket; when there are none, the others."""
        for lanes, urgent in ((URGENT, True), (OTHERS, False)):
            wished = self._room(urgent=urgent)
            if urgent:  # what a dead sender leaves behind of these may be lost: hold no more than are on their way
                wished = min(wished, self._provider.at_once)
            if wished <= 0:
                continue
            with self._database.writing() as session:
                taken = self._claimed(session, lanes, wished, lease)
            if taken:
                return taken
        return []

    def _claimed(self, session: Session, lanes: Sequence[Lane], wished: int, lease: Lease) -> list[str]:
        """Claim as many as the provider's breaker lets through."""
        name, elapsed = self._provider.name, self._clock.elapsed()
        probe_s = self._timing.lease_s
        limit, is_probe = room(session, name, wished=wished, owner=self._owner, elapsed=elapsed, probe_s=probe_s)
        if limit == 0:
            return []
        now = self._clock.now()
        if is_probe:  # what may be lost is not what one tries with, if there is something else
            lanes = (*OTHERS, *URGENT)
        taken = claim(session, channel=self._channel, lanes=lanes, limit=limit, now=now, elapsed=elapsed, lease=lease)
        if is_probe and not taken:
            release_probe(session, name, self._owner)
        self._is_probing = is_probe and bool(taken)
        return taken

    def _room(self, *, urgent: bool) -> int:
        if self._bucket is None:
            return self._batch
        return min(self._batch, self._bucket.room(self._clock.elapsed(), urgent=urgent))

    def _outlasts(self, lease: Lease) -> bool:
        return self._clock.elapsed() + self._timing.send_timeout_s + LEASE_MARGIN_S <= lease.until

    def _prepare(self, ids: Sequence[str], loop: asyncio.AbstractEventLoop) -> tuple[list[Prepared], Lease, float]:
        """Return what goes out, under which lease, and the loop's second by which the last of it must begin.

        That second is counted from before the lease was written, on a clock that nobody can set.
        """
        lease_s = self._timing.lease_s
        begin_by = loop.time() + lease_s - self._timing.send_timeout_s - LEASE_MARGIN_S
        with self._database.writing() as session:
            prepared, lease = prepare(
                session, ids, owner=self._owner, lease_s=lease_s, house=self._house, clock=self._clock
            )
            if self._is_probing and not prepared:
                release_probe(session, self._provider.name, self._owner)
        if self._bucket is not None and prepared:
            self._bucket.take(self._clock.elapsed(), sum(one.segments for one in prepared))
        return prepared, lease, begin_by

    async def _send_one(self, one: Prepared, lease: Lease, begin_by: float) -> None:
        async with self._at_once:
            if not self._outlasts(lease):
                self._batch = max(LEAST_BATCH, self._batch // 2)  # this machine is slow today
                self._outcomes.put_nowait((one, Refused(LATE, "its turn came too late", permanent=False)))
                return
            self._outcomes.put_nowait((one, await self._outcome(one, begin_by)))

    async def _outcome(self, one: Prepared, begin_by: float) -> Outcome:
        outgoing = replace(one.outgoing, begin_by=begin_by)
        try:
            if one.said_before:
                before = replace(one.outgoing, body=one.said_before)
                taken = await look_first(self._provider, self._database, before, now_s=self._clock.elapsed())
                if taken is not None:
                    return taken
            return await asyncio.wait_for(self._provider.send(outgoing), self._timing.send_timeout_s)
        except CannotLook as error:
            return Refused(BUSY, f"it could not be asked what it took: {error}", permanent=False, is_down=True)
        except (Refused, OutcomeUnknown) as outcome:
            return outcome
        except TimeoutError:
            return OutcomeUnknown("no answer in time")

    async def _record_all(self, sent: Sent) -> None:
        """Record outcomes as they come, those that wait together in one transaction."""
        while True:
            waiting = [await self._outcomes.get()]
            while not self._outcomes.empty():
                waiting.append(self._outcomes.get_nowait())
            outcomes = [one for one in waiting if one is not None]
            if outcomes:
                sent.add(await self._kept(outcomes))
            if None in waiting:
                return

    async def _kept(self, outcomes: list[tuple[Prepared, Outcome]]) -> Sent:
        """Record, trying again while the database is away: what is forgotten here may go out twice as mail."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + KEEP_TRYING_S
        while True:
            try:
                return await asyncio.to_thread(self._record, outcomes)
            except (OperationalError, InterfaceError) as error:
                if loop.time() > until_s:
                    raise
                log.warning("outcomes wait for the database", error=type(error).__name__)
                await asyncio.sleep(WAIT_S)

    def _record(self, outcomes: list[tuple[Prepared, Outcome]]) -> Sent:
        sent = Sent()
        with self._database.writing() as session:
            recorder = Recorder(self._house, self._clock, self._provider.name, self._owner, self._bucket)
            recorder.record(session, outcomes, sent)
            told = [health_of(outcome) for _, outcome in outcomes]
            now, elapsed = self._clock.now(), self._clock.elapsed()
            note_health(session, self._provider.name, told, owner=self._owner, now=now, elapsed=elapsed)
        return sent


async def _landed(flying: set[asyncio.Task[None]]) -> None:
    """Wait until one of these has ended, and take out all that have; raises what one of them raised."""
    done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
    flying -= done
    for one in done:
        one.result()
