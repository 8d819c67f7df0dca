"""Conversations: one thread per delivery, between recipient, driver and support."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.chat_lines import (
    ChatMessage,
    Conversation,
    ConversationClosed,
    EmptyMessage,
    MessageTooLong,
    Origin,
    VersionConflict,
    Voice,
    WrittenLine,
    clean_body,
)
from messaging.chat_log import append, append_event, locked
from messaging.chat_states import ChatState, chat_state, driver_can_write, facts_of
from messaging.inbox import InboxRow, inbox, inbox_counts
from messaging.relay import carry, withdraw, withdraw_told
from messaging.support import assign, hand_back, join, settle, take_over
from messaging.threads import ChatLine, Thread, thread, thread_of
from tracking.deliveries import load
from tracking.ids import new_id

__all__ = [
    "ChatLine",
    "ChatMessage",
    "ChatState",
    "Conversation",
    "ConversationClosed",
    "EmptyMessage",
    "InboxRow",
    "MessageTooLong",
    "Origin",
    "Thread",
    "VersionConflict",
    "Voice",
    "assign",
    "chat_state",
    "hand_back",
    "inbox",
    "inbox_counts",
    "join",
    "mark_seen",
    "note_event",
    "say",
    "settle",
    "take_over",
    "thread",
    "thread_of",
]


def say(
    session: Session,
    *,
    delivery_id: str,
    voice: Voice,
    origin: Origin,
    actor_id: str,
    body: str,
    now: datetime,
    request_id: str | None = None,
    expected_version: int | None = None,
    is_internal: bool = False,
    inbound_id: str | None = None,
    even_when_closed: bool = False,
    wants_answer: bool = True,
    contact: str = "",
    ids: Callable[[], str] = new_id,
) -> ChatMessage:
    """Add a line, plan the text or mail that carries it to the other side, and return it.

    A repeated ``request_id`` returns the first line and adds nothing. Raises ``EmptyMessage``, ``MessageTooLong``,
    ``NotFound``, ``ConversationClosed`` (not with ``even_when_closed``: late texts are for support) and
    ``VersionConflict`` when somebody else wrote since ``expected_version``. ``contact`` is told to who comes too late.
    A line we answered by ourselves (``wants_answer`` false) makes nobody wait.
    """
    text = clean_body(body)
    delivery = load(session, delivery_id)
    conversation = locked(session, delivery_id, now)
    key = f"{delivery_id}/{voice}/{request_id[:50]}" if request_id else None
    repeated = session.scalar(select(ChatMessage).where(ChatMessage.request_id == key)) if key else None
    if repeated is not None:
        return repeated
    facts = facts_of(delivery, is_taken_over=conversation.taken_over_by is not None)
    state = chat_state(facts, audience=voice, now=now, contact=contact)
    if not state.is_open and not even_when_closed:
        raise ConversationClosed(state.sentence)
    _refuse_second(session, conversation, expected_version, actor_id)
    line = append(
        session,
        conversation,
        voice=voice,
        origin=origin,
        actor_id=actor_id,
        body=text,
        is_internal=is_internal,
        at=now,
        inbound_id=inbound_id,
        request_id=key,
    )
    if wants_answer:
        _count_waiting(conversation, line, now)
    if voice is Voice.RECIPIENT and delivery.seen_at is None:
        delivery.seen_at = now
    to_driver = driver_can_write(facts) and not facts.is_taken_over
    carry(session, delivery=delivery, line=line, to_driver=to_driver, now=now, ids=ids)
    session.flush()
    return line


def note_event(session: Session, delivery_id: str, text: str, now: datetime, *, key: str | None = None) -> int | None:
    """Add a line of the system and return its id: arrived, delivered, what was agreed.

    The same ``key`` is noted once only: None when it was before.
    """
    conversation = locked(session, delivery_id, now)
    request_id = f"{delivery_id}/{Voice.SYSTEM}/{key[:50]}" if key else None
    if request_id and session.scalar(select(ChatMessage.id).where(ChatMessage.request_id == request_id)) is not None:
        return None
    return append_event(session, conversation, clean_body(text), now, request_id)


def mark_seen(session: Session, delivery_id: str, *, reader: Voice, now: datetime) -> bool:
    """Note that ``reader`` has the thread in view; texts still waiting to carry those lines are taken back.

    True when a line was not seen before, so that the other side's page has something to show.
    """
    column = _SEEN_COLUMNS[reader]
    statement = select(ChatMessage.id, ChatMessage.voice).where(
        ChatMessage.conversation_id == delivery_id, ChatMessage.voice != reader, column.is_(None)
    )
    if reader is not Voice.SUPPORT:
        statement = statement.where(ChatMessage.is_internal.is_(False))
    fresh = session.execute(statement).all()
    if not fresh:
        return False
    line_ids = [line_id for line_id, _ in fresh]
    session.execute(
        update(ChatMessage)
        .where(ChatMessage.id.in_(line_ids), column.is_(None))
        .values({column.key: now})
        .execution_options(synchronize_session="fetch")
    )
    # A text to the driver carries the recipient's words; a text to the recipient everybody else's.
    mine = [line_id for line_id, voice in fresh if (voice is Voice.RECIPIENT) == (reader is Voice.DRIVER)]
    if reader is not Voice.SUPPORT:
        withdraw(session, delivery_id, mine)
    if reader is Voice.DRIVER:
        withdraw_told(session, delivery_id, [line_id for line_id, voice in fresh if voice is Voice.SYSTEM])
    return any(voice is not Voice.SYSTEM for _, voice in fresh)


_SEEN_COLUMNS = {
    Voice.RECIPIENT: ChatMessage.seen_by_recipient_at,
    Voice.DRIVER: ChatMessage.seen_by_driver_at,
    Voice.SUPPORT: ChatMessage.seen_by_staff_at,
}


def _refuse_second(session: Session, conversation: Conversation, expected: int | None, actor_id: str) -> None:
    if expected is None or expected >= conversation.version:
        return
    statement = select(ChatMessage).where(ChatMessage.conversation_id == conversation.id)
    newest = session.scalars(statement.order_by(ChatMessage.id.desc()).limit(conversation.version - expected))
    theirs = [
        WrittenLine(line.id, line.voice, line.actor_id, line.body, line.at)
        for line in list(newest)[::-1]
        if line.voice is not Voice.SYSTEM and line.actor_id != actor_id
    ]
    if theirs:
        raise VersionConflict(tuple(theirs), conversation.version)


def _count_waiting(conversation: Conversation, line: ChatMessage, now: datetime) -> None:
    if line.is_internal or line.voice is Voice.SYSTEM:
        return
    if line.voice is Voice.RECIPIENT:
        conversation.waiting_since = conversation.waiting_since or now
        conversation.closed_at = None
        return
    conversation.waiting_since = None
    if line.voice is Voice.SUPPORT and conversation.support_joined_at is None:
        conversation.support_joined_at = now
