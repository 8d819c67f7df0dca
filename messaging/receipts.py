"""Receipts: what providers tell us of a notification, kept as events and folded by rank into its status."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Index, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.doubts import DoubtEnded, end_doubt
from messaging.fallback import after_failure
from messaging.inserts import insert_once
from messaging.notifications import TERMINAL, Notification, NotificationStatus, advance
from tracking.storage import Base

log = structlog.get_logger()
_UNSURE = frozenset({NotificationStatus.SENDING, NotificationStatus.AMBIGUOUS})


class Receipt(Base):
    """One status a provider reported. ``status`` is the provider's word; the same word twice is one row."""

    __tablename__ = "receipts"
    __table_args__ = (
        UniqueConstraint("provider_ref", "status", "error_code"),
        Index("ix_receipts_notification_id", "notification_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    notification_id: Mapped[str | None] = mapped_column(String(32))
    provider: Mapped[str] = mapped_column(String(16))
    provider_ref: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(32))
    error_code: Mapped[str] = mapped_column(String(32), default="")
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Word:
    """One thing a provider said about one message. ``status`` is what its word means here; None says nothing.

    ``notification_id`` is what our own callback address carried; it may be missing, or somebody's invention.
    """

    provider: str
    provider_ref: str
    raw_status: str
    status: NotificationStatus | None
    error_code: str = ""
    reason: str = ""
    notification_id: str | None = None


def record(
    session: Session,
    word: Word,
    *,
    now: datetime,
    ids: Callable[[], str],
    pepper: str,
    elapsed: float | None = None,
) -> Notification | None:
    """Keep what a provider said and fold it into the notification; return that when its status moved.

    A repeated word changes nothing, nor does one that comes too late: a terminal status never regresses, and an error
    code once known stays. A word may come before our own call has returned; it then brings the provider's id with it.
    ``elapsed`` (machine seconds) is when it was heard by itself; None when we asked, which says nothing of the time.
    """
    notification = _find(session, word)
    is_new = insert_once(
        session,
        Receipt,
        notification_id=None if notification is None else notification.id,
        provider=word.provider,
        provider_ref=word.provider_ref,
        status=word.raw_status,
        error_code=word.error_code,
        at=now,
    )
    status = None if notification is None else _status(notification, word)
    if not is_new or notification is None or status is None:
        return None
    if notification.provider_ref not in {None, word.provider_ref}:
        log.warning("receipt of another attempt", notification_id=notification.id, status=word.raw_status)
        return None
    columns: dict[str, Any] = {"provider": word.provider, "provider_ref": word.provider_ref}
    if notification.accepted_at is None:
        columns["accepted_at"] = now
    if status in TERMINAL:
        columns["final_at"] = now
        if elapsed is not None and notification.posting_since is not None:
            columns["took_s"] = max(0.0, elapsed - notification.posting_since)
    if word.error_code:
        columns |= {"error_code": word.error_code, "reason": word.reason}
    was_ambiguous = notification.status is NotificationStatus.AMBIGUOUS
    if not advance(session, notification.id, status, **columns):
        return None
    if was_ambiguous:
        end_doubt(session, notification.id, DoubtEnded.RECEIPT, now=now)
    session.refresh(notification)
    if status in {NotificationStatus.UNDELIVERED, NotificationStatus.FAILED}:
        after_failure(session, notification, now=now, ids=ids, pepper=pepper)
    return notification


def _status(notification: Notification, word: Word) -> NotificationStatus | None:
    """Return what a word means here. One nobody knows still proves that the provider has what we were unsure of."""
    if word.status is None and word.notification_id == notification.id and notification.status in _UNSURE:
        return NotificationStatus.ACCEPTED
    return word.status


def _find(session: Session, word: Word) -> Notification | None:
    """Return the notification a word is about, locked: by our own id, else by the provider's."""
    locked = select(Notification).with_for_update().execution_options(populate_existing=True)
    found: Notification | None = None
    if word.notification_id is not None:
        found = session.scalar(locked.where(Notification.id == word.notification_id))
    if found is None:
        by_ref = locked.where(Notification.provider_ref == word.provider_ref, Notification.provider == word.provider)
        found = session.scalar(by_ref.limit(1))
    return found
