"""Looking: what a provider has that is one of our messages and belongs to no other row."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.channels.base import Handed, Outgoing, Provider
from messaging.notifications import Notification, NotificationStatus
from tracking.storage import Database

LOOK_BACK_S = 3600.0  # an earlier attempt of the same row may be what is found


async def look(provider: Provider, outgoing: Outgoing, *, posted_at: float) -> Sequence[Handed]:
    """Return what the provider has of this message since about ``posted_at`` (Unix seconds). Raises ``CannotLook``."""
    if not provider.can_find:
        return []
    return await provider.find(outgoing, datetime.fromtimestamp(posted_at - LOOK_BACK_S, UTC))


async def look_first(provider: Provider, database: Database, outgoing: Outgoing, *, now_s: float) -> Handed | None:
    """Return what a provider took of a message it said it had no time for; None when it has none of it.

    A 429 says that nothing was taken, yet something between us and the provider may have said it. Raises
    ``CannotLook``.
    """
    found = await look(provider, outgoing, posted_at=now_s)
    return await asyncio.to_thread(_first_unowned, database, found, outgoing.reference) if found else None


def first_unowned(session: Session, found: Sequence[Handed], notification_id: str) -> Handed | None:
    """Return the first of what was found that is not already another row's."""
    refs = [handed.provider_ref for handed in found]
    owned = select(Notification.provider_ref).where(
        Notification.provider_ref.in_(refs), Notification.id != notification_id
    )
    taken = set(session.scalars(owned))
    return next((handed for handed in found if handed.provider_ref not in taken), None)


def is_contested(session: Session, row: Notification) -> bool:
    """Tell whether the same words are on their way to the same address for another row: what is listed may be its."""
    rival = select(Notification.id).where(
        Notification.to_address == row.to_address,
        Notification.id != row.id,
        Notification.status == NotificationStatus.SENDING,
        Notification.posting_since.is_not(None),
        Notification.body == row.body,
    )
    return bool(session.scalar(select(rival.exists())))


def _first_unowned(database: Database, found: Sequence[Handed], notification_id: str) -> Handed | None:
    with database.reading() as session:
        return first_unowned(session, found, notification_id)
