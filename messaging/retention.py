"""How long words and messages are kept (reference/messaging.md 4.3). Each step does a part; call it until it says 0."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from messaging.cases import Task
from messaging.channels.names import TWILIO
from messaging.chat_lines import ChatMessage
from messaging.chat_pictures import ChatPicture
from messaging.doubts import Doubt
from messaging.inbound_texts import InboundMessage, Question
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus
from messaging.provider_days import ProviderDay
from messaging.receipts import Receipt
from messaging.redactions import Redaction, ask_redactions

_S = NotificationStatus

WORDS_KEPT = timedelta(days=30)
ROWS_KEPT = timedelta(days=395)  # 13 months
UNCOMPARED_KEPT = timedelta(days=5)  # so much longer, where that day was never compared with the provider (our choice)
A_DAY = timedelta(days=1)
GONE = "(no longer kept)"
ROWS_AT_ONCE = 1_000
_OPEN = (_S.DUE, _S.SENDING, _S.AMBIGUOUS)
_PLAIN_CONTEXT = ("to", "said", "is_wish")  # whose link it had, and the times it stated: no words of anybody


def count_past(session: Session, now: datetime) -> dict[str, int]:
    """Return how much of each sort is past its time."""
    wanted = {
        "texts and mails whose words go": (Notification, _old_words(session, now)),
        "inbound texts whose words go": (InboundMessage, _old_inbound(now)),
        "chat lines whose words go": (ChatMessage, _old_lines(now)),
        "rows of messages that go": (Notification, _old_rows(now)),
    }
    return {
        name: session.scalar(select(func.count()).select_from(table).where(where)) or 0
        for name, (table, where) in wanted.items()
    }


def forget_sent_words(session: Session, now: datetime) -> int:
    """Empty what was sent long ago, here and at the provider, once nobody need look for it there any more."""
    rows = _part(session, select(Notification).where(_old_words(session, now)).order_by(Notification.created_at))
    for row in rows:
        row.subject, row.body = "", ""
        row.context = {name: row.context[name] for name in _PLAIN_CONTEXT if name in row.context}
    refs = [row.provider_ref for row in rows if row.provider == TWILIO and row.provider_ref]
    ask_redactions(session, TWILIO, refs, is_whole=False, now=now)
    return len(rows)


def forget_inbound_words(session: Session, now: datetime) -> int:
    """Empty what came in long ago, here and at the provider."""
    rows = _part(session, select(InboundMessage).where(_old_inbound(now)).order_by(InboundMessage.received_at))
    for row in rows:
        row.body, row.assumed = "", ""
    refs = [row.provider_ref for row in rows if row.channel is Channel.SMS]
    ask_redactions(session, TWILIO, refs, is_whole=False, now=now)
    return len(rows)


def forget_lines(session: Session, now: datetime) -> tuple[int, set[str]]:
    """Empty old chat lines; return how many, and the hashes of the pictures they had."""
    ids = list(session.scalars(select(ChatMessage.id).where(_old_lines(now)).limit(ROWS_AT_ONCE)))
    pictures = select(ChatPicture.sha256, ChatPicture.public_sha256).where(ChatPicture.line_id.in_(ids))
    hashes = {sha256 for row in session.execute(pictures) for sha256 in row if sha256}
    session.execute(
        delete(ChatPicture).where(ChatPicture.line_id.in_(ids)).execution_options(synchronize_session=False)
    )
    emptied = update(ChatMessage).where(ChatMessage.id.in_(ids)).values(body=GONE, search_words="")
    session.execute(emptied.execution_options(synchronize_session=False))
    return len(ids), hashes


def forget_rows(session: Session, now: datetime) -> int:
    """Delete what is older than 13 months. The ledger of opt-outs, ratings and custody are not among it."""
    before = now - ROWS_KEPT
    old: tuple[tuple[Any, ColumnElement[bool]], ...] = (
        (Notification.id, _old_rows(now)),
        (Receipt.id, Receipt.at < before),
        (Doubt.id, Doubt.began_at < before),
        (Question.id, Question.asked_at < before),
        (InboundMessage.id, InboundMessage.received_at < before),
        (Task.id, and_(Task.resolved_at < before, Task.opened_at < before)),
    )
    gone = 0
    for key, where in old:
        part = select(key).where(where).limit(ROWS_AT_ONCE)
        gone += _rows(session, delete(key.class_).where(key.in_(part)))
    done = (Redaction.done_at < before, ProviderDay.ran_at < before)
    gone += _rows(session, delete(Redaction).where(done[0])) + _rows(session, delete(ProviderDay).where(done[1]))
    return gone


def _old_words(session: Session, now: datetime) -> ColumnElement[bool]:
    """What was sent long ago, and whose day was compared, or will not be any more: until then words are looked for."""
    newest = session.scalar(select(func.max(ProviderDay.ran_at)))
    before = now - WORDS_KEPT
    compared_before = before - UNCOMPARED_KEPT if newest is None else max(before - UNCOMPARED_KEPT, newest - A_DAY)
    return and_(
        Notification.created_at < before,
        Notification.body != "",
        Notification.status.not_in(_OPEN),
        or_(Notification.channel != Channel.SMS, Notification.created_at < compared_before),
    )


def _old_inbound(now: datetime) -> ColumnElement[bool]:
    return and_(InboundMessage.received_at < now - WORDS_KEPT, InboundMessage.body != "")


def _old_lines(now: datetime) -> ColumnElement[bool]:
    return and_(ChatMessage.at < now - WORDS_KEPT, ChatMessage.body != GONE)


def _old_rows(now: datetime) -> ColumnElement[bool]:
    return and_(Notification.created_at < now - ROWS_KEPT, Notification.status.not_in(_OPEN))


def _part(session: Session, statement: Select[Any]) -> Sequence[Any]:
    return session.scalars(statement.limit(ROWS_AT_ONCE).with_for_update()).all()


def _rows(session: Session, statement: Any) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount
