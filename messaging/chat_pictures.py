"""Pictures in a chat: sent from a page, or by MMS and fetched later; shown only in the copy without camera data."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.chat_lines import ChatMessage
from messaging.fixed_lines import PICTURE
from tracking.files import FileStore
from tracking.pictures import Picture
from tracking.storage import Base, words

MOST_IN_A_LINE = 10  # Twilio's limit for one MMS
NO_WORDS = PICTURE.text("en")  # what stands in a line that holds a picture only


class PictureStatus(StrEnum):
    """Whether there is something to show."""

    WAITING = "waiting"  # its address is known, it was not fetched yet
    READY = "ready"
    REFUSED = "refused"  # no picture we take; ``reason`` says why
    FAILED = "failed"  # could not be fetched for a day


class ChatPicture(Base):
    """One picture of a line. One that came by MMS is of ``inbound_id``, and belongs to the first line made of it.

    ``retry_after`` is machine seconds. ``sha256`` names the file as it came, ``public_sha256`` the copy for people.
    """

    __tablename__ = "chat_pictures"
    __table_args__ = (
        Index("ix_chat_pictures_line_id", "line_id"),
        Index("ix_chat_pictures_inbound_id", "inbound_id"),
        Index("ix_chat_pictures_status", "status", "retry_after"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    line_id: Mapped[int | None] = mapped_column(ForeignKey("chat_messages.id"))
    inbound_id: Mapped[str | None] = mapped_column(String(32))
    position: Mapped[int] = mapped_column(default=0)
    source_url: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[PictureStatus] = mapped_column(words(PictureStatus, "chat_picture_status"))
    reason: Mapped[str] = mapped_column(Text, default="")
    sha256: Mapped[str | None] = mapped_column(String(64))
    public_sha256: Mapped[str | None] = mapped_column(String(64))
    content_type: Mapped[str | None] = mapped_column(String(64))
    width: Mapped[int | None]
    height: Mapped[int | None]
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    retry_after: Mapped[float | None]


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as a page shows it: with its size when there is one, else a word on why not."""

    id: str
    status: PictureStatus
    width: int | None
    height: int | None


def add_picture(
    session: Session, line: ChatMessage, picture: Picture, *, files: FileStore, now: datetime, ids: Callable[[], str]
) -> None:
    """Put a picture that was checked already into a line."""
    row = ChatPicture(id=ids(), line_id=line.id, status=PictureStatus.WAITING, created_at=now)
    keep(row, picture, files)
    session.add(row)
    session.flush()


def keep(row: ChatPicture, picture: Picture, files: FileStore) -> None:
    """Store the picture's files and let ``row`` show it."""
    row.sha256, row.public_sha256 = files.put(picture.original), files.put(picture.public)
    row.content_type, row.width, row.height = picture.content_type, picture.width, picture.height
    row.status, row.reason = PictureStatus.READY, ""


def expect_pictures(
    session: Session, inbound_id: str, urls: Sequence[str], *, now: datetime, ids: Callable[[], str]
) -> None:
    """Note where the pictures of a message that came in wait to be fetched."""
    for position, url in enumerate(urls[:MOST_IN_A_LINE]):
        session.add(
            ChatPicture(
                id=ids(),
                inbound_id=inbound_id,
                position=position,
                source_url=url,
                status=PictureStatus.WAITING,
                created_at=now,
            )
        )
    session.flush()


def has_pictures(session: Session, inbound_id: str) -> bool:
    """True when a message that came in had pictures with it."""
    return session.scalar(select(ChatPicture.id).where(ChatPicture.inbound_id == inbound_id).limit(1)) is not None


def pictures_of(session: Session, lines: Iterable[ChatMessage]) -> dict[int, tuple[Shown, ...]]:
    """Return the pictures of some lines of one thread, by line. A message cut into lines shows them with the first."""
    first_of: dict[str, int] = {}
    ids = []
    for line in sorted(lines, key=lambda one: one.id):
        ids.append(line.id)
        if line.inbound_id:
            first_of.setdefault(line.inbound_id, line.id)
    if not ids:
        return {}
    theirs = or_(ChatPicture.line_id.in_(ids), ChatPicture.inbound_id.in_(list(first_of)))
    found: dict[int, list[Shown]] = {}
    for row in session.scalars(select(ChatPicture).where(theirs).order_by(ChatPicture.position, ChatPicture.id)):
        line_id = row.line_id or first_of[row.inbound_id or ""]
        found.setdefault(line_id, []).append(Shown(row.id, row.status, row.width, row.height))
    return {line_id: tuple(shown) for line_id, shown in found.items()}


def picture_in(session: Session, picture_id: str, delivery_id: str, *, with_notes: bool = False) -> ChatPicture | None:
    """Return a picture that may be shown in the thread of a delivery; None for any other.

    ``with_notes`` also gives those of internal notes, for staff.
    """
    row = session.get(ChatPicture, picture_id)
    if row is None or row.status is not PictureStatus.READY:
        return None
    statement = select(ChatMessage.id).where(
        ChatMessage.conversation_id == delivery_id,
        ChatMessage.id == row.line_id if row.line_id else ChatMessage.inbound_id == row.inbound_id,
    )
    if not with_notes:
        statement = statement.where(ChatMessage.is_internal.is_(False))
    return row if session.scalar(statement.limit(1)) is not None else None
