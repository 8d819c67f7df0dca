"""Quick replies: short lines to tap, edited by staff in every language; each change is a new version.

A reply has one text a language. Whoever taps it reads their own language, and the other side gets theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, bindparam, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.errors import MessagingError
from messaging.fixed_lines import fixed_in
from messaging.reply_texts import language_of
from tracking.storage import Base, words

LONGEST = 120  # characters; our choice: it fits a button and one SMS segment with a name before it
MOST = 8
LANGUAGES = ("en", "es")


class Audience(StrEnum):
    """Who taps, and when: ``near`` is a recipient whose driver comes next or is at the door."""

    RECIPIENT_NEAR = "recipient_near"
    RECIPIENT = "recipient"
    DRIVER = "driver"


class QuickReplyVersion(Base):
    """One version of an audience's replies; the newest counts."""

    __tablename__ = "quick_reply_versions"
    __table_args__ = (Index("ix_quick_reply_versions_audience", "audience", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "quick_reply_audience"))
    replies: Mapped[list[Any]]
    saved_at: Mapped[datetime]
    saved_by: Mapped[str] = mapped_column(String(32))


# Built once: these are read for every page.
_NEWEST = (
    select(QuickReplyVersion.replies)
    .where(QuickReplyVersion.audience == bindparam("audience"))
    .order_by(QuickReplyVersion.id.desc())
    .limit(1)
)
_NEWEST_OF_EACH = select(QuickReplyVersion.audience, QuickReplyVersion.replies).where(
    QuickReplyVersion.id.in_(select(func.max(QuickReplyVersion.id)).group_by(QuickReplyVersion.audience))
)


class BadReplies(MessagingError):
    """A reply is missing in a language, or too long. The text says which."""


@dataclass(frozen=True, slots=True)
class QuickReply:
    """One reply in every language we speak."""

    texts: Mapping[str, str]

    def text(self, locale: str) -> str:
        """Return the reply in the language of ``locale``."""
        return self.texts[language_of(locale)]


def _reply(english: str, spanish: str) -> QuickReply:
    return QuickReply({"en": english, "es": spanish})


_RING = _reply("Please ring the bell", "Toque el timbre, por favor")
_LEAVE = _reply("Please leave it at the door", "Déjelo en la puerta, por favor")
DEFAULTS: dict[Audience, tuple[QuickReply, ...]] = {
    Audience.RECIPIENT_NEAR: (_reply("I'm coming to the door", "Voy a la puerta"), _RING, _LEAVE),
    Audience.RECIPIENT: (_RING, _LEAVE, _reply("Please call me on arrival", "Llámeme al llegar, por favor")),
    Audience.DRIVER: (
        _reply("I am on my way to you.", "Voy de camino."),
        _reply("I will be there in about 5 minutes.", "Llego en unos 5 minutos."),
        _reply("I am at the door.", "Estoy en la puerta."),
        _reply("I am running a little late, sorry.", "Voy con un poco de retraso, disculpe."),
        _reply("OK, thank you!", "De acuerdo, ¡gracias!"),
    ),
}


def quick_replies(session: Session, audience: Audience) -> tuple[QuickReply, ...]:
    """Return what this audience can tap now."""
    newest = session.execute(_NEWEST, {"audience": audience}).scalar()
    return DEFAULTS[audience] if newest is None else _replies(newest)


def save_replies(
    session: Session, audience: Audience, replies: Sequence[Mapping[str, str]], *, staff_id: str, now: datetime
) -> None:
    """Let these replies count from now on; empty rows are left out. Raises ``BadReplies``."""
    kept = [
        {language: " ".join(reply.get(language, "").split()) for language in LANGUAGES}
        for reply in replies
        if any(reply.get(language, "").strip() for language in LANGUAGES)
    ]
    for number, reply in enumerate(kept, start=1):
        if not all(reply.values()):
            raise BadReplies(f"Reply {number} has no text in one of the languages.")
        if any(len(text) > LONGEST for text in reply.values()):
            raise BadReplies(f"Reply {number} is longer than {LONGEST} letters.")
    if not kept or len(kept) > MOST:
        raise BadReplies(f"Keep between 1 and {MOST} replies.")
    for language in LANGUAGES:
        texts = [reply[language] for reply in kept]
        if len(set(texts)) < len(texts):
            raise BadReplies("Two replies have the same text.")
    session.add(QuickReplyVersion(audience=audience, replies=kept, saved_at=now, saved_by=staff_id))
    session.flush()


def in_language_of(replies: Sequence[QuickReply], body: str, locale: str) -> str | None:
    """Return a line that was one of ``replies`` in the language of ``locale``; None when it is no such line."""
    for reply in replies:
        if body in reply.texts.values():
            return reply.text(locale)
    return None


def words_for(session: Session, body: str, locale: str) -> str:
    """Return a line in the reader's language when it was tapped or is a sentence of ours, else as it was written."""
    fixed = fixed_in(body, locale)
    if fixed is not None or len(body) > LONGEST:
        return fixed or body
    return in_language_of(all_replies(session), body, locale) or body


def all_replies(session: Session) -> tuple[QuickReply, ...]:
    """Return every reply that anybody can tap now, to tell a tapped line in the reader's language."""
    saved = {row.audience: row.replies for row in session.execute(_NEWEST_OF_EACH)}
    found = [_replies(saved[audience]) if audience in saved else DEFAULTS[audience] for audience in Audience]
    return tuple(reply for replies in found for reply in replies)


def _replies(saved: Sequence[Mapping[str, Any]]) -> tuple[QuickReply, ...]:
    return tuple(QuickReply({language: str(reply[language]) for language in LANGUAGES}) for reply in saved)
