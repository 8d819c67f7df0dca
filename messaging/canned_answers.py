"""Canned answers: sentences staff say often, kept in each language, with ((words)) of the delivery put in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.chat_lines import MAX_LENGTH, clean_body
from messaging.errors import MessagingError
from messaging.inserts import insert_once
from messaging.texts import put_in
from tracking.storage import Base

# The closed list of words, and what each stands for as staff read it. DESIGN 6: never Jinja.
WORDS: dict[str, str] = {
    "name": "the recipient's first name",
    "driver": "the driver's first name",
    "company": "our name",
    "reference": "the order's reference",
    "items": "the goods",
    "window": "the promised window, such as 10:00–12:00",
    "expected": "when it is expected now, such as 11:20-11:50 am",
    "me": "the first name of who answers",
}
LONGEST_NAME = 60
_WORD = re.compile(r"\(\(([^()]*)\)\)")


class CannedAnswer(Base):
    """One answer in one language; ``name`` is the same in all of them."""

    __tablename__ = "canned_answers"
    __table_args__ = (UniqueConstraint("name", "locale"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    locale: Mapped[str] = mapped_column(String(16))
    body: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(32))


class BadAnswer(MessagingError):
    """An answer that cannot be kept; the text says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer ready to be put into the box; not ``is_own_language`` where English stands in for theirs."""

    id: str
    name: str
    text: str
    is_own_language: bool


def keep(
    session: Session,
    *,
    answer_id: str | None,
    name: str,
    locale: str,
    body: str,
    staff_id: str,
    now: datetime,
    ids: Callable[[], str],
) -> str:
    """Add an answer, or change the one with ``answer_id``, and return its id.

    Raises ``BadAnswer`` for no name, an unknown word, and a name that this language has already; ``EmptyMessage`` and
    ``MessageTooLong`` as for a line.
    """
    name, text = " ".join(name.split())[:LONGEST_NAME], clean_body(body)
    if not name:
        raise BadAnswer("Give the answer a short name.")
    for word in _WORD.findall(text):
        if word not in WORDS:
            raise BadAnswer(f"There is no word (({word})). Choose from: {', '.join(WORDS)}.")
    same = session.scalar(select(CannedAnswer).where(CannedAnswer.name == name, CannedAnswer.locale == locale))
    kept = session.get(CannedAnswer, answer_id) if answer_id else None
    if same is not None and same is not kept:
        raise BadAnswer("There is an answer of this name in this language already.")
    if kept is not None:
        kept.name, kept.locale, kept.body, kept.changed_at, kept.changed_by = name, locale, text, now, staff_id
        return kept.id
    made = ids()
    values = {"id": made, "name": name, "locale": locale, "body": text, "changed_at": now, "changed_by": staff_id}
    if not insert_once(session, CannedAnswer, **values):
        raise BadAnswer("There is an answer of this name in this language already.")
    return made


def remove(session: Session, answer_id: str) -> bool:
    """Take an answer away; False when it is gone already."""
    statement = delete(CannedAnswer).where(CannedAnswer.id == answer_id).returning(CannedAnswer.id)
    return session.scalar(statement) is not None


def answers(session: Session) -> list[CannedAnswer]:
    """Return every answer by name and language."""
    return list(session.scalars(select(CannedAnswer).order_by(CannedAnswer.name, CannedAnswer.locale)))


def offers(session: Session, locale: str, words: Mapping[str, str]) -> list[Offer]:
    """Return what may be said to somebody of ``locale``, by name: in their language, else in English.

    ``words`` gives a value for each of ``WORDS``. An answer too long once its words are in is cut to a line's length.
    """
    language = locale.replace("_", "-").partition("-")[0].lower()
    best: dict[str, CannedAnswer] = {}
    for answer in answers(session):
        if answer.locale == language or (answer.locale == "en" and answer.name not in best):
            best[answer.name] = answer
    return [
        Offer(answer.id, answer.name, put_in(answer.body, words)[:MAX_LENGTH], answer.locale == language)
        for answer in best.values()
    ]
