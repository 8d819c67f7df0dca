"""Settling: what to do about a send whose outcome nobody saw (reference/messaging.md 1.4).

A callback may have brought the answer already; then the row has moved on by itself. Else the provider is asked what it
has. Found: accepted. Not found, and the settle time is over: a planned kind goes out again, a happening-now kind does
not: it is counted as possibly lost and listed for staff. Until then, wait. Where a provider cannot be asked (SMTP) the
repeated mail carries the same Message-ID.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.channels.base import CannotLook, Handed, Outgoing, Provider
from messaging.doubts import DoubtEnded, end_doubt
from messaging.fallback import after_failure, list_lost
from messaging.house import House
from messaging.kinds import RULES, Channel, Promise
from messaging.looking import first_unowned, is_contested, look
from messaging.notifications import TERMINAL, Notification, NotificationStatus, advance
from messaging.outbox import LEASE_SLACK_S, may_retry
from messaging.sending import Timing
from tracking.clocks import Clock
from tracking.storage import Database

log = structlog.get_logger()
_S = NotificationStatus

MOST_AT_ONCE = 10
MOST_A_RUN = 200
LOOK_AGAIN_S = 5.0  # when the provider could not be asked
MOST_VAIN_LOOKS = 3  # in a row; the others of a run then wait too, not one timeout each (our choice)


@dataclass(slots=True)
class Settled:
    """What one run did with unknown outcomes."""

    found: int = 0
    resent: int = 0
    lost: int = 0
    waiting: int = 0


class Settler:
    """Settles the unknown outcomes of one channel."""

    def __init__(
        self,
        *,
        database: Database,
        provider: Provider,
        channel: Channel,
        clock: Clock,
        house: House,
        timing: Timing,
    ) -> None:
        self._database, self._provider, self._channel = database, provider, channel
        self._clock, self._house, self._timing = clock, house, timing
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._vain_looks = 0

    async def run(self) -> Settled:
        """Look at what is ambiguous and due to be looked at, once."""
        settled = Settled()
        rows = await asyncio.to_thread(self._rows)
        await asyncio.gather(*(self._settle(row, settled) for row in rows))
        return settled

    def _rows(self) -> list[Notification]:
        statement = select(Notification).where(
            Notification.channel == self._channel,
            Notification.status == _S.AMBIGUOUS,
            may_retry(self._clock.elapsed()),
        )
        with self._database.reading() as session:
            return list(session.scalars(statement.order_by(Notification.posting_since).limit(MOST_A_RUN)))

    async def _settle(self, row: Notification, settled: Settled) -> None:
        async with self._at_once:
            try:
                is_silent = self._vain_looks >= MOST_VAIN_LOOKS
                found: Sequence[Handed] | None = None if is_silent else await self._look(row)
                self._vain_looks = self._vain_looks if is_silent else 0
            except CannotLook as error:
                log.warning("provider could not be asked", notification_id=row.id, why=str(error))
                self._vain_looks, found = self._vain_looks + 1, None
        await asyncio.to_thread(self._conclude, row, found, settled)

    async def _look(self, row: Notification) -> Sequence[Handed]:
        outgoing = Outgoing(row.id, row.to_address or "", row.body, 0, subject=row.subject)
        return await look(self._provider, outgoing, posted_at=row.posting_since or 0.0)

    def _conclude(self, row: Notification, found: Sequence[Handed] | None, settled: Settled) -> None:
        elapsed, now = self._clock.elapsed(), self._clock.now()
        with self._database.writing() as session:
            is_open = row.id in self._locked(session, row)
            handed = first_unowned(session, found, row.id) if found else None
            if handed is not None and is_contested(session, row):
                found, handed = None, None  # looked at again when the other one has its answer
            if handed is not None:
                settled.found += self._accept(session, row, handed, now)
                return
            if not is_open:
                return
            if found is None or elapsed < self._settled_at(row):
                columns = self._waiting(row, is_asked=found is not None, elapsed=elapsed)
                wait = update(Notification).where(Notification.id == row.id, Notification.status == _S.AMBIGUOUS)
                session.execute(wait.values(**columns).execution_options(synchronize_session=False))
                settled.waiting += 1
            elif RULES[row.kind].promise is Promise.PLANNED:
                fresh = {"retry_after": None, "lease_owner": None, "lease_until": None, "posting_since": None}
                if advance(session, row.id, _S.DUE, **fresh):
                    settled.resent += 1
                    end_doubt(session, row.id, DoubtEnded.RESENT, now=now)
                    log.warning("sent again after looking", notification_id=row.id, provider=self._provider.name)
            elif advance(session, row.id, _S.FAILED, reason="possibly lost", final_at=now):
                settled.lost += 1
                end_doubt(session, row.id, DoubtEnded.GIVEN_UP, now=now)
                list_lost(session, row, now=now, ids=self._house.ids)
                log.warning("possibly lost", notification_id=row.id, provider=self._provider.name)

    def _locked(self, session: Session, row: Notification) -> set[str]:
        """Lock the rows to this address that are in doubt, and return those still on the attempt that was looked up.

        Two that settle at once would else adopt the same message, or take back a row that is being sent again.
        """
        doubted = select(Notification.id, Notification.attempt).where(
            Notification.to_address == row.to_address, Notification.status == _S.AMBIGUOUS
        )
        found = session.execute(doubted.order_by(Notification.id).with_for_update()).all()
        return {found_id for found_id, attempt in found if found_id != row.id or attempt == row.attempt}

    def _accept(self, session: Session, row: Notification, handed: Handed, now: datetime) -> bool:
        """Adopt what was found, also when the row has been given back meanwhile: else it would go out twice."""
        is_adopted = advance(
            session,
            row.id,
            handed.status,
            provider=self._provider.name,
            provider_ref=handed.provider_ref,
            accepted_at=now,
            final_at=now if handed.status in TERMINAL else None,
            reason="found at the provider",
            retry_after=None,
        )
        if not is_adopted:
            return False
        end_doubt(session, row.id, DoubtEnded.FOUND, now=now)
        log.info("found at the provider", notification_id=row.id, provider=self._provider.name)
        if handed.status in {_S.UNDELIVERED, _S.FAILED}:
            current = session.get_one(Notification, row.id)
            after_failure(session, current, now=now, ids=self._house.ids, pepper=self._house.pepper)
        return True

    def _settled_at(self, row: Notification) -> float:
        """Return the machine second from which a message that is not found counts as never taken."""
        last_byte = (row.posting_since or 0.0) + self._timing.send_timeout_s
        return max(row.lease_until or 0.0, last_byte) + self._timing.settle_s

    def _waiting(self, row: Notification, *, is_asked: bool, elapsed: float) -> dict[str, float]:
        """Return the columns of a row that waits: until it is settled, or until the provider can be asked.

        A time further ahead than any wait was written before the clock was set back: the wait begins anew.
        """
        settled_at = self._settled_at(row)
        timing = self._timing
        if settled_at > elapsed + timing.lease_s + timing.send_timeout_s + timing.settle_s + LEASE_SLACK_S:
            return {"retry_after": elapsed, "lease_until": elapsed, "posting_since": elapsed}
        return {"retry_after": settled_at if is_asked else elapsed + LOOK_AGAIN_S}
