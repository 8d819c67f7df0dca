"""Conversations: one thread per delivery, between recipient, driver and support."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base, words


class Voice(StrEnum):
    """Who speaks."""

    RECIPIENT = "recipient"
    DRIVER = "driver"
    SUPPORT = "support"
    SYSTEM = "system"


class Origin(StrEnum):
    """Where a line was written."""

    PAGE = "page"
    SMS = "sms"
    EMAIL = "email"
    SYSTEM = "system"


class Conversation(Base):
    """The thread of one delivery. ``version`` grows with each line and refuses the second of two agents.

    ``waiting_since`` is the time of the first recipient line that nobody on our side has answered.
    ``taken_over_by`` and ``assigned_to`` are staff account ids.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        Index("ix_conversations_waiting_since", "waiting_since"),
        Index("ix_conversations_last_message_at", "last_message_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    last_message_at: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]
    support_joined_at: Mapped[datetime | None]
    taken_over_by: Mapped[str | None] = mapped_column(String(32))
    assigned_to: Mapped[str | None] = mapped_column(String(32))
    closed_at: Mapped[datetime | None]


class ChatMessage(Base):
    """One line. ``id`` counts up and is the order. ``is_internal`` lines are notes among staff."""

    __tablename__ = "chat_messages"
    __table_args__ = (Index("ix_chat_messages_conversation_id", "conversation_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    voice: Mapped[Voice] = mapped_column(words(Voice, "chat_voice"))
    origin: Mapped[Origin] = mapped_column(words(Origin, "chat_origin"))
    actor_id: Mapped[str] = mapped_column(String(64), default="")
    body: Mapped[str] = mapped_column(Text)
    is_internal: Mapped[bool] = mapped_column(default=False)
    at: Mapped[datetime]
    inbound_id: Mapped[str | None] = mapped_column(String(32))
    request_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    seen_by_recipient_at: Mapped[datetime | None]
    seen_by_driver_at: Mapped[datetime | None]
    seen_by_staff_at: Mapped[datetime | None]
