"""Moving a line: a text that was put in the wrong thread is said again in the right one."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.conversations import say
from messaging.relay import withdraw
from tracking.ids import new_id


def move_line(
    session: Session,
    line_id: int,
    *,
    to_delivery_id: str,
    staff_id: str,
    now: datetime,
    ids: Callable[[], str] = new_id,
) -> ChatMessage | None:
    """Say a recipient's text again in the thread it was meant for, and mark it in the wrong one; None for no such line.

    The wrong thread keeps a note for staff in place of the words, and texts waiting to carry them are taken back.
    """
    line = session.get(ChatMessage, line_id)
    if line is None or line.voice is not Voice.RECIPIENT or line.conversation_id == to_delivery_id:
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
    return moved
