"""Versions of what staff may change about a kind: its texts and its rules. Append-only; version 0 is what ships.

A *part* is one thing with a history of its own: ``day_before/rules``, or ``day_before/sms/en`` for a text. Going back
is a new version too, so the history says who did that, when and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.errors import MessagingError
from messaging.inserts import insert_once
from messaging.kinds import Channel, Kind
from tracking.storage import Base

LONGEST_WHY = 200


class MessageVersion(Base):
    """One version of one part. An empty ``content`` is the shipped text or rule.

    ``spread_at`` is set once the plans of all open deliveries were marked for it; a text needs none, for it is put
    together when it goes out.
    """

    __tablename__ = "message_versions"
    __table_args__ = (UniqueConstraint("part", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    part: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    why: Mapped[str] = mapped_column(Text, default="")
    made_by: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    spread_at: Mapped[datetime | None]


class Overtaken(MessagingError):
    """Somebody else saved a version after this form was opened."""

    def __init__(self) -> None:
        super().__init__("Somebody saved another version meanwhile. Look at it, then save yours again.")


@dataclass(frozen=True, slots=True)
class Change:
    """Who makes a new version, when, why, and which version they looked at."""

    seen: int
    by: str
    at: datetime
    why: str = ""


def text_part(kind: Kind, channel: Channel, language: str) -> str:
    """Return the part that one text is."""
    return f"{kind}/{channel}/{language}"


def rules_part(kind: Kind) -> str:
    """Return the part that the rules of a kind are."""
    return f"{kind}/rules"


def newest(session: Session) -> dict[str, MessageVersion]:
    """Return the version in force of every part that was ever changed."""
    latest = select(func.max(MessageVersion.id)).group_by(MessageVersion.part)
    found = session.scalars(select(MessageVersion).where(MessageVersion.id.in_(latest)))
    return {version.part: version for version in found}


def history(session: Session, part: str, limit: int = 200) -> list[MessageVersion]:
    """Return the versions of a part, newest first. Version 0 is not among them."""
    statement = select(MessageVersion).where(MessageVersion.part == part)
    return list(session.scalars(statement.order_by(MessageVersion.number.desc()).limit(limit)))


def version(session: Session, part: str, number: int) -> Mapping[str, Any] | None:
    """Return the content of one version, empty for version 0; None when there is no such version."""
    if number == 0:
        return {}
    statement = select(MessageVersion.content).where(MessageVersion.part == part, MessageVersion.number == number)
    return session.scalar(statement)


def add_version(
    session: Session, part: str, content: Mapping[str, Any], change: Change, *, needs_spreading: bool = False
) -> int:
    """Add a version and return its number. Raises ``Overtaken``.

    ``needs_spreading`` says that open deliveries must be planned anew (see ``replanning``).
    """
    number = (session.scalar(select(func.max(MessageVersion.number)).where(MessageVersion.part == part)) or 0) + 1
    added = number == change.seen + 1 and insert_once(
        session,
        MessageVersion,
        part=part,
        number=number,
        content=dict(content),
        why=" ".join(change.why.split())[:LONGEST_WHY],
        made_by=change.by,
        made_at=change.at,
        spread_at=None if needs_spreading else change.at,
    )
    if not added:
        raise Overtaken
    return number
