"""Receipts: what providers tell us of a notification, kept as events and folded by rank into its status."""

from datetime import datetime

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base


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
