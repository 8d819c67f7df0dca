"""Recipient acts: what a recipient can do by page or by text alike, so that both do the same."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.conversations import say
from messaging.errors import MessagingError
from messaging.fixed_lines import CALL_ME, late_line
from messaging.wish_texts import wish_text
from messaging.wishes import WishRefused
from tracking.deliveries import OPEN, load
from tracking.ids import new_id

MAX_LATE_MINUTES = 240  # our choice: beyond it another day is meant
LATE_CHOICES = (10, 20, 30, 60)  # minutes offered on the page


class NoMinutes(MessagingError):
    """A recipient is late by no number of minutes that we take."""

    def __init__(self) -> None:
        super().__init__(f"Say how many minutes, {MAX_LATE_MINUTES} at most.")


def come_late(
    session: Session,
    delivery_id: str,
    minutes: int | None,
    *,
    origin: Origin,
    now: datetime,
    request_id: str | None = None,
    inbound_id: str | None = None,
    ids: Callable[[], str] = new_id,
) -> ChatMessage:
    """Tell the driver that the recipient is late. Raises ``NoMinutes``, or ``WishRefused`` when it is over."""
    if minutes is None or not 1 <= minutes <= MAX_LATE_MINUTES:
        raise NoMinutes
    delivery = load(session, delivery_id)
    if delivery.status not in OPEN:
        raise WishRefused("over", wish_text("over", "en"))
    return say(
        session,
        delivery_id=delivery_id,
        voice=Voice.RECIPIENT,
        origin=origin,
        actor_id="",
        body=late_line(minutes, delivery.locale),
        now=now,
        request_id=request_id,
        inbound_id=inbound_id,
        even_when_closed=True,
        wants_answer=False,
        ids=ids,
    )


def ask_for_call(
    session: Session,
    delivery_id: str,
    *,
    origin: Origin,
    now: datetime,
    request_id: str | None = None,
    inbound_id: str | None = None,
    ids: Callable[[], str] = new_id,
) -> ChatMessage:
    """Ask to be called back; somebody of ours has to answer."""
    return say(
        session,
        delivery_id=delivery_id,
        voice=Voice.RECIPIENT,
        origin=origin,
        actor_id="",
        body=CALL_ME.text(load(session, delivery_id).locale),
        now=now,
        request_id=request_id,
        inbound_id=inbound_id,
        even_when_closed=True,
        wants_answer=True,
        ids=ids,
    )
