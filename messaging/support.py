"""Support in a thread: joins, takes over, hands back; who looks after it, and when nothing is left to answer."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.chat_log import append_event, locked
from messaging.relay import withdraw


def join(session: Session, delivery_id: str, staff_id: str, now: datetime) -> bool:
    """Let support into the thread, told by a line to all; False when support is in it already."""
    conversation = locked(session, delivery_id, now)
    if conversation.support_joined_at is not None:
        return False
    conversation.support_joined_at = now
    if conversation.assigned_to is None:
        conversation.assigned_to = staff_id
    append_event(session, conversation, "Support joined the conversation.", now)
    return True


def take_over(session: Session, delivery_id: str, staff_id: str, now: datetime) -> bool:
    """Let support answer instead of the driver, who sees it; False when this person has it already.

    Texts with the recipient's words that still wait to go to the driver's phone are taken back.
    """
    conversation = locked(session, delivery_id, now)
    if conversation.taken_over_by == staff_id:
        return False
    had_nobody = conversation.taken_over_by is None
    conversation.taken_over_by = conversation.assigned_to = staff_id
    conversation.support_joined_at = conversation.support_joined_at or now
    if had_nobody:
        append_event(session, conversation, "Support has taken over the conversation.", now)
    statement = select(ChatMessage.id).where(
        ChatMessage.conversation_id == delivery_id,
        ChatMessage.voice == Voice.RECIPIENT,
        ChatMessage.seen_by_driver_at.is_(None),
    )
    withdraw(session, delivery_id, list(session.scalars(statement)))
    return True


def was_taken_over(session: Session, delivery_id: str) -> bool:
    """True while support answers instead of the driver."""
    return session.scalar(select(Conversation.taken_over_by).where(Conversation.id == delivery_id)) is not None


def hand_back(session: Session, delivery_id: str, staff_id: str, now: datetime) -> bool:
    """Give the thread back to the driver, told by a line to all; False when nobody had taken it over."""
    conversation = locked(session, delivery_id, now)
    if conversation.taken_over_by is None:
        return False
    conversation.taken_over_by = None
    append_event(session, conversation, "Support handed the conversation back to the driver.", now)
    return True


def assign(session: Session, delivery_id: str, staff_id: str | None, now: datetime) -> None:
    """Say who of support looks after this thread; None for nobody."""
    locked(session, delivery_id, now).assigned_to = staff_id


def settle(session: Session, delivery_id: str, staff_id: str, now: datetime) -> bool:
    """Say that the recipient's words need no answer; False when nothing waited for one."""
    conversation = locked(session, delivery_id, now)
    if conversation.waiting_since is None:
        return False
    conversation.waiting_since = None
    conversation.assigned_to = conversation.assigned_to or staff_id
    return True
