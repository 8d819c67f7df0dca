"""Sending: claim and commit, prepare and commit, hand over with no transaction open, record (DESIGN 6).

One ``Sender`` serves one channel inside one event loop. Its database work runs in threads, so that answers are taken
while others are on their way. A send is only begun while its lease outlasts the send's timeout: whoever finds the
lease expired later may then conclude what happened.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from messaging.channels.base import Handed, OutcomeUnknown, Outgoing, Provider, Refused
from messaging.consent import ConsentAction, contact_hash, note_consent
from messaging.fallback import after_failure
from messaging.kinds import Channel, Kind, Lane
from messaging.notifications import TERMINAL, Notification, NotificationStatus, advance
from messaging.outbox import Lease, claim, has_due, put_back
from messaging.pacing import Bucket
from messaging.preparing import House, Prepared, prepare
from tracking.actors import SYSTEM
from tracking.clocks import Clock
from tracking.deliveries import Delivery
from tracking.storage import Database

log = structlog.get_logger()
_S = NotificationStatus

BATCH, LEAST_BATCH = 200, 10  # rows claimed, prepared and sent side by side; at most 500 (DESIGN 6)
LEASE_MARGIN_S = 0.5  # between a send's timeout and the end of its lease
LONGEST_BACK_OFF_S = 300.0
MOST_ATTEMPTS = 60  # with the longest back-off, about four hours (messaging.md 1.6)
FIRST_LOOK_S = 2.0  # how long after an unknown outcome the provider is first asked
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


@dataclass(slots=True)
class Sent:
    """What one run did."""

    handed: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    moved: list[str] = field(default_factory=list)  # ids of deliveries whose messages changed

    def add(self, other: "Sent") -> None:
        """Count what ``other`` counted."""
        self.handed += other.handed
        self.refused += other.refused
        self.failed += other.failed
        self.unknown += other.unknown
        self.moved += other.moved


Outcome = Handed | Refused | OutcomeUnknown


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
        self._batch = BATCH
        self._at_once = asyncio.Semaphore(provider.at_once)
        self._outcomes: asyncio.Queue[tuple[Prepared, Outcome] | None] = asyncio.Queue()

    async def run(self, *, for_s: float, should_stop: Callable[[], bool]) -> Sent:
        """Send until nothing is due, for at most ``for_s`` seconds; raise what a provider should never raise."""
        sent = Sent()
        recording = asyncio.create_task(self._record_all(sent))
        try:
            await self._send_due(self._clock.elapsed() + for_s, lambda: should_stop() or recording.done())
        finally:
            self._outcomes.put_nowait(None)
            await recording
        return sent

    async def _send_due(self, until: float, should_stop: Callable[[], bool]) -> None:
        while not should_stop() and self._clock.elapsed() < until:
            lease = Lease(self._owner, self._clock.elapsed() + self._timing.lease_s)
            claimed = await asyncio.to_thread(self._claim, lease)
            if claimed:
                prepared, posting = await asyncio.to_thread(self._prepare, claimed)
                await asyncio.gather(*(self._send_one(one, posting) for one in prepared))
            elif not await self._may_wait():
                return

    async def _may_wait(self) -> bool:
        """Wait a little where only the bucket holds back; False when nothing is due."""
        if not await asyncio.to_thread(self._has_due):
            return False
        await asyncio.sleep(WAIT_S)
        return True

    def _has_due(self) -> bool:
        with self._database.reading() as session:
            return has_due(session, self._channel, now=self._clock.now(), elapsed=self._clock.elapsed())

    def _claim(self, lease: Lease) -> list[str]:
        """Take urgent rows, which may overdraw the bucket; when there are none, the others."""
        for lanes, urgent in ((URGENT, True), (OTHERS, False)):
            room = self._room(urgent=urgent)
            if urgent:  # what a dead sender leaves behind of these may be lost: hold no more than are on their way
                room = min(room, self._provider.at_once)
            if room <= 0:
                continue
            with self._database.writing() as session:
                taken = claim(
                    session,
                    channel=self._channel,
                    lanes=lanes,
                    limit=room,
                    now=self._clock.now(),
                    elapsed=self._clock.elapsed(),
                    lease=lease,
                )
            if taken:
                return taken
        return []

    def _room(self, *, urgent: bool) -> int:
        if self._bucket is None:
            return self._batch
        return min(self._batch, self._bucket.room(self._clock.elapsed(), urgent=urgent))

    def _outlasts(self, lease: Lease) -> bool:
        return self._clock.elapsed() + self._timing.send_timeout_s + LEASE_MARGIN_S <= lease.until

    def _prepare(self, ids: Sequence[str]) -> tuple[list[Prepared], Lease]:
        lease_s = self._timing.lease_s
        with self._database.writing() as session:
            prepared, lease = prepare(
                session, ids, owner=self._owner, lease_s=lease_s, house=self._house, clock=self._clock
            )
        if self._bucket is not None and prepared:
            self._bucket.take(self._clock.elapsed(), sum(one.segments for one in prepared))
        return prepared, lease

    async def _send_one(self, one: Prepared, lease: Lease) -> None:
        async with self._at_once:
            if not self._outlasts(lease):
                self._batch = max(LEAST_BATCH, self._batch // 2)  # this machine is slow today
                self._outcomes.put_nowait((one, Refused("lease", "its turn came too late", permanent=False)))
                return
            self._outcomes.put_nowait((one, await self._outcome(one.outgoing, lease)))

    async def _outcome(self, outgoing: Outgoing, lease: Lease) -> Outcome:
        left_s = lease.until - self._clock.elapsed() - self._timing.send_timeout_s
        timed = replace(outgoing, begin_by=asyncio.get_running_loop().time() + left_s)
        try:
            return await asyncio.wait_for(self._provider.send(timed), self._timing.send_timeout_s)
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
        until = self._clock.elapsed() + KEEP_TRYING_S
        while True:
            try:
                return await asyncio.to_thread(self._record, outcomes)
            except (OperationalError, InterfaceError) as error:
                if self._clock.elapsed() > until:
                    raise
                log.warning("outcomes wait for the database", error=type(error).__name__)
                await asyncio.sleep(WAIT_S)

    def _record(self, outcomes: list[tuple[Prepared, Outcome]]) -> Sent:
        sent = Sent()
        with self._database.writing() as session:
            recorder = Recorder(self._house, self._clock, self._provider.name, self._owner, self._bucket)
            for one, outcome in outcomes:
                recorder.record(session, one, outcome, sent)
        return sent


class Recorder:
    """Writes down what became of sends. A receipt that was faster is never overwritten."""

    def __init__(self, house: House, clock: Clock, provider: str, owner: str, bucket: Bucket | None) -> None:
        self._house, self._clock, self._provider = house, clock, provider
        self._owner, self._bucket = owner, bucket

    def record(self, session: Session, one: Prepared, outcome: Outcome, sent: Sent) -> None:
        """Record one outcome and count it."""
        row = session.get_one(Notification, one.outgoing.reference)
        if isinstance(outcome, Handed):
            sent.handed += 1
            self._handed(session, row, outcome)
        elif isinstance(outcome, OutcomeUnknown):
            sent.unknown += 1
            log.warning("outcome unknown", notification_id=row.id, provider=self._provider, why=str(outcome))
            look_at = self._clock.elapsed() + FIRST_LOOK_S
            advance(session, row.id, _S.AMBIGUOUS, reason=str(outcome), retry_after=look_at, provider=self._provider)
        elif outcome.permanent or row.attempt >= MOST_ATTEMPTS:
            sent.failed += 1
            self._failed(session, row, outcome)
        else:
            sent.refused += 1
            self._refused(session, row, outcome)
        if row.delivery_id is not None:
            sent.moved.append(row.delivery_id)

    def _handed(self, session: Session, row: Notification, handed: Handed) -> None:
        now = self._clock.now()
        columns = {"provider": self._provider, "provider_ref": handed.provider_ref, "retry_after": None}
        final_at = now if handed.status in TERMINAL else None
        if not advance(session, row.id, handed.status, accepted_at=now, final_at=final_at, reason="", **columns):
            adopt = update(Notification).where(Notification.id == row.id, Notification.provider_ref.is_(None))
            session.execute(adopt.values(**columns).execution_options(synchronize_session=False))
        if row.kind is Kind.DELIVERED and row.delivery_id is not None:
            # Whether the question went with it is known only now: the plan may need a rating request.
            dirty = update(Delivery).where(Delivery.id == row.delivery_id, Delivery.plan_dirty_at.is_(None))
            session.execute(dirty.values(plan_dirty_at=now).execution_options(synchronize_session=False))

    def _failed(self, session: Session, row: Notification, refused: Refused) -> None:
        now = self._clock.now()
        if refused.opted_out:
            note_consent(
                session,
                contact=contact_hash(row.to_address or "", self._house.pepper),
                channel=row.channel,
                action=ConsentAction.OPT_OUT,
                source="provider",
                actor=SYSTEM,
                now=now,
                evidence=row.id,
            )
        columns = {"error_code": refused.code, "reason": str(refused), "provider": self._provider}
        if advance(session, row.id, _S.FAILED, final_at=now, **columns):
            session.refresh(row)
            after_failure(session, row, now=now, ids=self._house.ids, pepper=self._house.pepper)

    def _refused(self, session: Session, row: Notification, refused: Refused) -> None:
        elapsed = self._clock.elapsed()
        wait_s = back_off_s(row.attempt, row.id) if refused.retry_after_s is None else refused.retry_after_s
        if refused.code == "lease":
            wait_s = 0.0
        if refused.is_too_many and self._bucket is not None:
            self._bucket.stop_for(elapsed, wait_s)
        put_back(
            session,
            row.id,
            owner=self._owner,
            retry_after=elapsed + wait_s,
            error_code=refused.code,
            reason=str(refused),
        )


def back_off_s(attempt: int, notification_id: str) -> float:
    """Return how many seconds to wait after this attempt: doubling to five minutes, spread by the row's own id."""
    spread = 0.5 + int(notification_id[:4], 16) / 0xFFFF / 2
    return min(LONGEST_BACK_OFF_S, float(2 ** min(attempt, 10))) * spread
