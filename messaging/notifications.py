"""Notifications: anything we send by SMS or email, one row in the outbox, and the moves between its states."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, ForeignKey, Index, String, Text, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.kinds import Channel, Kind
from tracking.storage import Base, words


class NotificationStatus(StrEnum):
    """Where a notification is on its way (DESIGN 4)."""

    DUE = "due"
    SENDING = "sending"
    AMBIGUOUS = "ambiguous"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


_S = NotificationStatus
MOVES: dict[NotificationStatus, frozenset[NotificationStatus]] = {
    # A receipt for an attempt that was given up on proves that it went out after all: it is not sent again.
    _S.DUE: frozenset(
        {_S.SENDING, _S.SUPPRESSED, _S.EXPIRED, _S.WITHDRAWN, _S.FAILED}
        | {_S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.UNDELIVERED}
    ),
    # Receipts can overtake the provider's answer; a refusal for now goes back to due.
    _S.SENDING: frozenset(
        {_S.DUE, _S.AMBIGUOUS, _S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED, _S.SUPPRESSED, _S.EXPIRED}
    ),
    _S.AMBIGUOUS: frozenset({_S.DUE, _S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED, _S.EXPIRED}),
    _S.ACCEPTED: frozenset({_S.SENT, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED}),
    _S.SENT: frozenset({_S.DELIVERED, _S.UNDELIVERED, _S.FAILED}),
    _S.WITHDRAWN: frozenset({_S.DUE}),
    _S.DELIVERED: frozenset(),
    _S.UNDELIVERED: frozenset(),
    _S.FAILED: frozenset(),
    _S.SUPPRESSED: frozenset(),
    _S.EXPIRED: frozenset(),
}
ERASE = "erase"  # in ``context``: what of a message goes later, see ``erasing``
TERMINAL = frozenset({_S.DELIVERED, _S.UNDELIVERED, _S.FAILED, _S.SUPPRESSED, _S.EXPIRED})


def _index_of_known(name: str, *columns: str) -> Index:
    """Return an index of the rows whose last column is known: what was never posted need not be written into it."""
    known = text(f"{columns[-1]} IS NOT NULL")
    return Index(name, *columns, sqlite_where=known, postgresql_where=known)


class Notification(Base):
    """One message to one address. ``dedupe_key`` is what makes it impossible to send twice (DESIGN 6).

    ``due_at`` and ``useful_until`` are day time. ``lease_until``, ``posting_since``, ``retry_after`` are machine time
    in Unix seconds. ``posting_since`` is set while, or after, the provider may have seen the message.
    ``body`` and ``subject`` are what was rendered for the last attempt, kept so that ``find`` can look for it.
    ``planned_on``, ``planned_at_local`` and ``zone`` say in local words what ``due_at`` was computed from.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_delivery_id", "delivery_id"),
        Index("ix_notifications_due", "channel", "status", "lane", "due_at"),
        Index("ix_notifications_lease_until", "status", "lease_until"),
        _index_of_known("ix_notifications_provider_ref", "provider_ref"),
        _index_of_known("ix_notifications_posting_since", "channel", "posting_since"),
        Index("ix_notifications_to_address", "to_address", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[Kind] = mapped_column(words(Kind, "notification_kind"))
    channel: Mapped[Channel] = mapped_column(words(Channel, "notification_channel"))
    occasion: Mapped[str] = mapped_column(String(100))
    delivery_id: Mapped[str | None] = mapped_column(ForeignKey("deliveries.id"))
    route_id: Mapped[str | None] = mapped_column(ForeignKey("routes.id"))
    to_address: Mapped[str | None] = mapped_column(String(254))
    locale: Mapped[str] = mapped_column(String(16))
    lane: Mapped[int]
    status: Mapped[NotificationStatus] = mapped_column(words(NotificationStatus, "notification_status"))
    due_at: Mapped[datetime]
    useful_until: Mapped[datetime | None]
    planned_on: Mapped[date | None]
    planned_at_local: Mapped[str | None] = mapped_column(String(5))
    zone: Mapped[str | None] = mapped_column(String(64))
    context: Mapped[dict[str, Any]]
    subject: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[str] = mapped_column(Text, default="")
    segments: Mapped[int] = mapped_column(default=1)
    attempt: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[float | None]
    posting_since: Mapped[float | None]
    retry_after: Mapped[float | None]
    provider: Mapped[str | None] = mapped_column(String(16))
    provider_ref: Mapped[str | None] = mapped_column(String(120))
    error_code: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text, default="")
    instead_of: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]
    took_s: Mapped[float | None]  # machine seconds from handing over to the provider's last word

    @property
    def must_go(self) -> bool:
        """True for a message that was on its way when its person was erased: it goes once its fate is known."""
        return ERASE in self.context


def dedupe_key(*, subject: str, kind: Kind, channel: Channel, occasion: str) -> str:
    """Return the one key of a notification. ``subject`` is the id of a delivery, route, inbound message or case."""
    return f"{subject}/{kind}/{channel}/{occasion}"


def advance(session: Session, notification_id: str, target: NotificationStatus, **columns: Any) -> bool:
    """Move to ``target`` and set ``columns`` with it; False, and nothing changes, when that is no allowed move."""
    sources = [status for status, targets in MOVES.items() if target in targets]
    statement = (
        update(Notification)
        .where(Notification.id == notification_id, Notification.status.in_(sources))
        .values(status=target, **columns)
        .execution_options(synchronize_session="fetch")
    )
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1
