"""Catching up: the provider's own word on texts whose receipts never came (reference/messaging.md 1.3).

Callbacks can be missed for good: our side down for longer than they are tried, or one dropped on the way. So a text
that is not at its end some time after it was accepted is asked about, less and less often.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy import or_, select, update

from messaging.channels.base import CannotLook
from messaging.house import House
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus
from messaging.receipts import Word, record
from tracking.clocks import Clock
from tracking.storage import Database

log = structlog.get_logger()
_S = NotificationStatus

FIRST_AFTER_S = 600.0  # a text usually has its last word within a minute or two (our choice)
LAST_AFTER_S = 72 * 3600.0  # then "sent" is the last word there is (messaging.md 1.1)
MOST_A_RUN = 100
AT_ONCE = 5


class Teller(Protocol):
    """A provider that can say how one of its messages fares."""

    async def tell(self, provider_ref: str) -> Word | None:
        """Return the provider's word on one message; None when it has none. Raises ``CannotLook``."""


async def catch_up(*, database: Database, provider: Teller, clock: Clock, house: House) -> list[str]:
    """Ask about texts without a last word; return the ids of deliveries whose messages moved."""
    rows = await asyncio.to_thread(_unfinished, database, clock.elapsed())
    at_once = asyncio.Semaphore(AT_ONCE)

    async def ask(row: Notification) -> Word | None:
        async with at_once:
            try:
                return await provider.tell(row.provider_ref or "")
            except CannotLook as error:
                log.warning("provider could not be asked", notification_id=row.id, why=str(error))
                return None

    told = await asyncio.gather(*(ask(row) for row in rows))
    return await asyncio.to_thread(_record, database, clock, house, list(zip(rows, told, strict=True)))


def _unfinished(database: Database, elapsed: float) -> list[Notification]:
    statement = select(Notification).where(
        Notification.channel == Channel.SMS,
        Notification.status.in_((_S.ACCEPTED, _S.SENT)),
        Notification.provider_ref.is_not(None),
        Notification.posting_since <= elapsed - FIRST_AFTER_S,
        Notification.posting_since > elapsed - LAST_AFTER_S,
        or_(Notification.retry_after.is_(None), Notification.retry_after <= elapsed),
    )
    with database.reading() as session:
        return list(session.scalars(statement.order_by(Notification.posting_since).limit(MOST_A_RUN)))


def _record(
    database: Database, clock: Clock, house: House, answers: Sequence[tuple[Notification, Word | None]]
) -> list[str]:
    now, elapsed = clock.now(), clock.elapsed()
    moved: list[str] = []
    with database.writing() as session:
        for row, word in answers:
            age_s = elapsed - (row.posting_since or elapsed)
            later = update(Notification).where(Notification.id == row.id)
            session.execute(later.values(retry_after=elapsed + age_s).execution_options(synchronize_session=False))
            found = None if word is None else record(session, word, now=now, ids=house.ids, pepper=house.pepper)
            if found is not None and found.delivery_id is not None:
                moved.append(found.delivery_id)
    return moved
