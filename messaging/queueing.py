"""Queueing a message that somebody's word asks for, now or a little later: one row in the outbox."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.kinds import RULES, Channel, Kind
from messaging.notifications import Notification, NotificationStatus, dedupe_key


def queue_at(
    session: Session,
    *,
    kind: Kind,
    channel: Channel,
    subject: str,
    occasion: str,
    delivery_id: str | None,
    to_address: str,
    locale: str,
    context: dict[str, Any],
    now: datetime,
    due_at: datetime,
    useful_until: datetime | None,
    ids: Callable[[], str],
) -> str | None:
    """Add one row that is due at ``due_at`` and return its id; None when this occasion has one already."""
    key = dedupe_key(subject=subject, kind=kind, channel=channel, occasion=occasion)
    if session.scalar(select(Notification.id).where(Notification.dedupe_key == key)) is not None:
        return None
    notification = Notification(
        id=ids(),
        dedupe_key=key,
        kind=kind,
        channel=channel,
        occasion=occasion,
        delivery_id=delivery_id,
        to_address=to_address,
        locale=locale,
        lane=RULES[kind].lane,
        status=NotificationStatus.DUE,
        due_at=due_at,
        useful_until=useful_until,
        context=context,
        created_at=now,
    )
    session.add(notification)
    session.flush()
    return notification.id
