"""Chat lines and the thread they belong to: the tables of a conversation, and what may be written in a line."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.errors import MessagingError
from tracking.storage import Base, words

MAX_LENGTH = 1000  # characters, messaging.md 5.2
_INVISIBLE = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}


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

    There is one thread a delivery, so its id is the delivery's.
    ``waiting_since`` is the time of the first recipient line that nobody on our side has answered.
    ``taken_over_by`` and ``assigned_to`` are staff account ids. ``search_about`` is what its lines are found by besides
    their own words (``search_index``).
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
    search_about: Mapped[str] = mapped_column(Text, default="", server_default="")


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
    search_words: Mapped[str] = mapped_column(Text, default="", server_default="")


class EmptyMessage(MessagingError):
    """There was nothing in the message that could be read."""

    def __init__(self) -> None:
        super().__init__("Write something first.")


class MessageTooLong(MessagingError):
    """The message has more than ``limit`` characters."""

    def __init__(self, limit: int = MAX_LENGTH) -> None:
        super().__init__(f"A message can have {limit:,} characters at most. Please make it shorter.")
        self.limit = limit


class ConversationClosed(MessagingError):
    """This person cannot write in the thread any more, or not yet. ``sentence`` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line as plain values, good after its transaction has ended."""

    id: int
    voice: Voice
    actor_id: str
    body: str
    at: datetime


class VersionConflict(MessagingError):
    """Somebody wrote since the page was read. ``lines`` are theirs, oldest first; ``version`` is the one to send with.

    What was written has not been sent.
    """

    def __init__(self, lines: tuple[WrittenLine, ...], version: int) -> None:
        super().__init__("Somebody else wrote in the meantime. Your message was not sent; read theirs first.")
        self.lines = lines
        self.version = version


def clean_body(text: str) -> str:
    """Return ``text`` as it is kept: line ends as newline, no other control characters, no half surrogates.

    Right-to-left text and its marks stay; pages isolate them. Raises ``EmptyMessage`` when nothing visible is left, and
    ``MessageTooLong`` over 1,000 characters.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    kept = "".join(letter for letter in lines if letter == "\n" or unicodedata.category(letter) not in {"Cc", "Cs"})
    kept = kept.strip()
    if all(letter == "\n" or unicodedata.category(letter) in _INVISIBLE for letter in kept):
        raise EmptyMessage
    if len(kept) > MAX_LENGTH:
        raise MessageTooLong
    return kept


def pieces_of(text: str) -> list[str]:
    """Return a long text as the lines it is kept in, each of 1,000 characters at most and none of them blank."""
    pieces = [text[start : start + MAX_LENGTH] for start in range(0, len(text), MAX_LENGTH)]
    return [piece for piece in pieces if piece.strip()] or [""]


def plain_line(text: str) -> str:
    """Return ``text`` on one line without marks that turn the writing direction: fit to stand behind our own words."""
    kept = "".join(
        letter for letter in text if unicodedata.category(letter) not in {"Cf", "Cc"} or letter in "\n\u200d"
    )
    return " ".join(kept.split())


def first_name(name: str) -> str:
    """Return the part of a name that strangers are told."""
    return plain_line(name).partition(" ")[0]
