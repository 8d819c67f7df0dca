"""Moving a line: a text that was put in the wrong thread is said again in the right one."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, resolve_task
from messaging.chat_lines import MAX_LENGTH, ChatMessage, Conversation, Origin, Voice
from messaging.chat_pictures import ChatPicture
from messaging.conversations import say
from messaging.inbound_texts import InboundMessage, ReadAs
from messaging.kinds import Channel
from messaging.relay import withdraw
from tracking.ids import new_id


def move_line(
    session: Session,
    line_id: int,
    *,
    from_delivery_id: str,
    to_delivery_id: str,
    staff_id: str,
    now: datetime,
    ids: Callable[[], str] = new_id,
) -> ChatMessage | None:
    """Say a recipient's text again in the thread it was meant for, and mark it in the wrong one; None for no such line.

    The wrong thread keeps a note for staff in place of the words, and texts waiting to carry them are taken back.
    """
    line = session.get(ChatMessage, line_id)
    if line is None or line.conversation_id != from_delivery_id or line.voice is not Voice.RECIPIENT:
        return None
    if from_delivery_id == to_delivery_id:
        return None
    moved = say(
        session,
        delivery_id=to_delivery_id,
        voice=Voice.RECIPIENT,
        origin=line.origin,
        actor_id=line.actor_id,
        body=line.body,
        now=now,
        request_id=f"moved-{line_id}",
        inbound_id=line.inbound_id,
        even_when_closed=True,
        ids=ids,
    )
    withdraw(session, line.conversation_id, [line.id])
    line.voice, line.origin, line.is_internal = Voice.SYSTEM, Origin.SYSTEM, True
    line.actor_id, line.body = staff_id, "A message was moved to the thread it was meant for."
    line.search_words = ""
    session.execute(update(ChatPicture).where(ChatPicture.line_id == line.id).values(line_id=moved.id))
    inbound = session.get(InboundMessage, line.inbound_id) if line.inbound_id else None
    if inbound is not None:
        inbound.delivery_id, inbound.assumed = to_delivery_id, "moved here by staff"
    _stop_waiting(session, from_delivery_id)
    return moved


def _stop_waiting(session: Session, delivery_id: str) -> None:
    """Take a thread off the unanswered ones when nothing the recipient said in it is left to answer."""
    session.flush()
    spoken = select(ChatMessage.voice).where(
        ChatMessage.conversation_id == delivery_id,
        ChatMessage.voice != Voice.SYSTEM,
        ChatMessage.is_internal.is_(False),
    )
    if session.scalar(spoken.order_by(ChatMessage.id.desc()).limit(1)) is not Voice.RECIPIENT:
        session.get_one(Conversation, delivery_id).waiting_since = None


def attach(
    session: Session,
    inbound_id: str,
    *,
    delivery_id: str,
    staff_id: str,
    now: datetime,
    ids: Callable[[], str] = new_id,
) -> bool:
    """Put a text that matched no delivery, or waits for an answer, into a thread, and settle its task.

    False when the text is in a thread already.
    """
    inbound = session.get(InboundMessage, inbound_id, with_for_update=True)
    if inbound is None or inbound.delivery_id is not None:
        return False
    say(
        session,
        delivery_id=delivery_id,
        voice=Voice.RECIPIENT,
        origin=Origin.SMS if inbound.channel is Channel.SMS else Origin.EMAIL,
        actor_id="",
        body=inbound.body[:MAX_LENGTH],
        now=now,
        request_id=f"inbound-{inbound_id}-0",
        inbound_id=inbound_id,
        even_when_closed=True,
        ids=ids,
    )
    inbound.delivery_id, inbound.read_as, inbound.assumed = delivery_id, ReadAs.CHAT, "put here by staff"
    tasks = select(Task).where(Task.inbound_id == inbound_id, Task.kind == TaskKind.UNMATCHED_INBOUND)
    for task in session.scalars(tasks):
        resolve_task(session, task.id, resolved_by=staff_id, resolution="Put into a thread.", now=now)
    return True
