"""The log of a conversation: its row, locked while somebody writes, and lines added to it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Conversation, Origin, Voice
from messaging.search_index import about_words, line_words
from tracking.deliveries import load


def locked(session: Session, delivery_id: str, now: datetime) -> Conversation:
    """Return the conversation's row, locked, made when it is not there; raises ``NotFound``."""
    statement = select(Conversation).where(Conversation.id == delivery_id).with_for_update()
    found = session.scalar(statement.execution_options(populate_existing=True))
    if found is not None:
        return found
    try:
        with session.begin_nested():
            session.add(Conversation(id=delivery_id, delivery_id=delivery_id, version=1, created_at=now))
    except IntegrityError:  # somebody else made it in the same moment, or there is no such delivery
        load(session, delivery_id)
    return session.scalars(statement).one()


def append(
    session: Session,
    conversation: Conversation,
    *,
    voice: Voice,
    origin: Origin,
    actor_id: str,
    body: str,
    is_internal: bool,
    at: datetime,
    inbound_id: str | None,
    request_id: str | None,
) -> ChatMessage:
    """Add a line and count the version up."""
    if not conversation.search_about:
        conversation.search_about = about_words(load(session, conversation.delivery_id))
    line = ChatMessage(
        conversation_id=conversation.id,
        voice=voice,
        origin=origin,
        actor_id=actor_id,
        body=body,
        is_internal=is_internal,
        at=at,
        inbound_id=inbound_id,
        request_id=request_id,
        search_words=line_words(voice, body, conversation.search_about),
    )
    session.add(line)
    conversation.version += 1
    conversation.last_message_at = at
    session.flush()
    return line


def append_event(
    session: Session, conversation: Conversation, text: str, now: datetime, request_id: str | None = None
) -> int:
    """Add a line of the system and return its id."""
    line = append(
        session,
        conversation,
        voice=Voice.SYSTEM,
        origin=Origin.SYSTEM,
        actor_id="",
        body=text,
        is_internal=False,
        at=now,
        inbound_id=None,
        request_id=request_id,
    )
    return line.id
