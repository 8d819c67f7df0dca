"""Wish steps: what asking and deciding share: the move, the staff's task, the thread's line, the driver's text."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, open_task, resolve_task
from messaging.chat_lines import plain_line
from messaging.conversations import note_event
from messaging.relay import tell_driver
from messaging.wish_texts import ACCEPTED_LINE, ASKED_LINE, WITHDRAWN_LINE, driver_words, line_of
from messaging.wishes import STATE_SENTENCES, WORDS_LENGTH, Wish, WishKind, WishRefused, WishStatus, advance
from tracking.deliveries import Delivery, DeliveryStatus, mark_plan_dirty

BY_RULE = "rule"
AT_HOME = frozenset({WishKind.SAFE_PLACE, WishKind.NEIGHBOUR})
_S, _K, _D = WishStatus, WishKind, DeliveryStatus
_POSSIBLE: dict[DeliveryStatus, frozenset[WishKind]] = {
    _D.SCHEDULED: frozenset(WishKind),
    _D.LOADED: frozenset(WishKind),
    _D.OUT_FOR_DELIVERY: AT_HOME,
    _D.ATTEMPT_FAILED: frozenset({_K.OTHER_DAY}),
    _D.RESCHEDULED: frozenset({_K.OTHER_DAY}),
}
WHY_NOT = {_D.ARRIVED: "at_door", _D.OUT_FOR_DELIVERY: "on_its_way", _D.ATTEMPT_FAILED: "not_handed_over"}


def possible(status: DeliveryStatus) -> frozenset[WishKind]:
    """Return what can be asked for in this state of a delivery."""
    return _POSSIBLE.get(status, frozenset())


def agree(
    session: Session,
    delivery: Delivery,
    wish: Wish,
    *,
    decided_by: str,
    words: str,
    now: datetime,
    ids: Callable[[], str],
) -> None:
    """Agree to a wish: the thread is told, and the driver of what concerns the door."""
    decided(session, wish, _S.ACCEPTED, decided_by=decided_by, words=words, now=now)
    line_id = note_event(
        session, delivery.id, line_of(ACCEPTED_LINE, wish, words), now, key=f"wish-{wish.id}-{wish.answers}"
    )
    if wish.kind in AT_HOME and line_id is not None:
        tell_driver(session, delivery, line_id, driver_words("driver_accepted", wish, delivery), now, ids)


def decided(session: Session, wish: Wish, status: WishStatus, *, decided_by: str, words: str, now: datetime) -> None:
    """Move a wish to a decision and settle its task. Raises ``WishRefused`` when somebody was first."""
    decided = {"decided_at": now, "decided_by": decided_by, "words": shown(words), "answers": Wish.answers + 1}
    if not advance(session, wish.id, status, **decided):
        session.refresh(wish)
        raise WishRefused("decided", STATE_SENTENCES[wish.status])
    session.refresh(wish)
    settle_task(session, wish, "Accepted." if status is _S.ACCEPTED else "Declined.", now)


def end(session: Session, delivery: Delivery, wish: Wish, now: datetime, ids: Callable[[], str]) -> None:
    """Withdraw a wish; a driver who was told is told again, and what was to be told to the recipient stays."""
    was_accepted = wish.status is _S.ACCEPTED
    if not advance(session, wish.id, _S.WITHDRAWN):
        session.refresh(wish)
        raise WishRefused("decided", STATE_SENTENCES[wish.status])
    session.refresh(wish)
    settle_task(session, wish, "The recipient took it back.", now)
    if was_accepted:
        text = driver_words("driver_withdrawn", wish, delivery)
        line_id = note_event(session, delivery.id, line_of(WITHDRAWN_LINE, wish), now, key=f"wish-{wish.id}-back")
        if line_id is not None:
            tell_driver(session, delivery, line_id, text, now, ids)


def list_for_staff(session: Session, delivery: Delivery, wish: Wish, now: datetime, ids: Callable[[], str]) -> None:
    """List a wish that waits for a decision."""
    open_task(
        session,
        key=f"wish/{wish.id}/{wish.answers}",
        kind=TaskKind.WISH,
        reason=line_of(ASKED_LINE, wish),
        now=now,
        ids=ids,
        delivery_id=delivery.id,
    )


def settle_task(session: Session, wish: Wish, resolution: str, now: datetime) -> None:
    """Take a wish off the list."""
    waiting = select(Task.id).where(Task.key.startswith(f"wish/{wish.id}/"), Task.resolved_at.is_(None))
    for task_id in session.scalars(waiting).all():
        resolve_task(session, task_id, resolved_by=wish.decided_by or "system", resolution=resolution, now=now)


def shown(words: str) -> str:
    """Return words of a decision as they are kept: on one line, cut short."""
    return plain_line(words)[:WORDS_LENGTH]


def has_changed(session: Session, delivery: Delivery, now: datetime) -> None:
    """Let pages show it."""
    mark_plan_dirty(session, [delivery.id], now)
    session.flush()
