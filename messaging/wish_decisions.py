"""Wish decisions: accepted, declined, and taken back while the recipient has not been told; and everybody told.

Another day moves the delivery by the house's own way (``tracking.rescheduling``), so the promise and every message
follow by themselves. A safe place or a neighbour stands on the driver's stop, and in a text when the page is closed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.conversations import note_event
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, dedupe_key
from messaging.notifications import advance as advance_notification
from messaging.outbox import queue
from messaging.relay import tell_driver
from messaging.wish_steps import BY_RULE, WHY_NOT, agree, decided, has_changed, list_for_staff, possible, shown
from messaging.wish_texts import DECLINED_LINE, UNDECIDED_LINE, driver_words, line_of, short_wish, sms_text, wish_text
from messaging.wishes import (
    STATE_SENTENCES,
    Wish,
    WishKind,
    WishRefused,
    WishStatus,
    advance,
    wish_in_force,
)
from tracking.actors import Actor
from tracking.deliveries import Delivery, load
from tracking.errors import NotFound
from tracking.ids import new_id
from tracking.rescheduling import reschedule
from tracking.route_changes import Changed

TOLD_AFTER = timedelta(seconds=30)  # so long a decision can be undone: the recipient has not been told (our choice)
_S, _K = WishStatus, WishKind


def accept(
    session: Session, wish_id: str, *, words: str, actor: Actor, now: datetime, ids: Callable[[], str] = new_id
) -> Changed:
    """Accept a wish and tell everybody. Raises ``WishRefused``, ``NotFound``, and what ``reschedule`` raises."""
    wish, delivery = _found(session, wish_id)
    _require_open(wish)
    if wish.kind is not _K.OTHER_DAY and wish.kind not in possible(delivery.status):
        code = WHY_NOT.get(delivery.status, "over")
        raise WishRefused(code, wish_text(code, "en"))
    changed = Changed((delivery.id,), (delivery.stop.route_id,))
    if wish.wanted_on is not None:
        zone = ZoneInfo(delivery.zone)
        changed = reschedule(
            session,
            delivery.id,
            service_on=wish.wanted_on,
            window_start=delivery.window_start_at.astimezone(zone).time(),
            window_end=delivery.window_end_at.astimezone(zone).time(),
            now=now,
            actor=actor,
            ids=ids,
        )
        delivery = load(session, delivery.id)
    agree(session, delivery, wish, decided_by=actor.id, words=words, now=now, ids=ids)
    if wish.kind is not _K.OTHER_DAY or words.strip():
        said = sms_text("accepted", delivery.locale, wish=short_wish(wish, delivery.locale))
        _tell_recipient(session, delivery, wish, f"{said} {shown(words)}".strip(), now, ids)
    has_changed(session, delivery, now)
    return changed


def decline(
    session: Session, wish_id: str, *, words: str, actor: Actor, now: datetime, ids: Callable[[], str] = new_id
) -> Changed:
    """Decline a wish and tell everybody. Raises ``WishRefused`` or ``NotFound``."""
    wish, delivery = _found(session, wish_id)
    _require_open(wish)
    decided(session, wish, _S.DECLINED, decided_by=actor.id, words=words, now=now)
    note_event(session, delivery.id, line_of(DECLINED_LINE, wish, words), now, key=f"wish-{wish.id}-{wish.answers}")
    said = sms_text("declined", delivery.locale, wish=short_wish(wish, delivery.locale), words=shown(words))
    _tell_recipient(session, delivery, wish, said, now, ids)
    has_changed(session, delivery, now)
    return Changed((delivery.id,), (delivery.stop.route_id,))


def can_undo(session: Session, wish: Wish, now: datetime) -> bool:
    """True while a decision has not gone out to the recipient. A move to another day is out at once."""
    is_moved = wish.status is _S.ACCEPTED and wish.kind is _K.OTHER_DAY
    is_decided = wish.status in {_S.ACCEPTED, _S.DECLINED} and wish.decided_by not in {"", BY_RULE}
    if is_moved or not is_decided or wish.decided_at is None or now - wish.decided_at > TOLD_AFTER:
        return False
    return _answer_due(session, wish) is not None


def undo(session: Session, wish_id: str, *, now: datetime, ids: Callable[[], str] = new_id) -> Changed:
    """Take a decision back before the recipient was told of it. Raises ``WishRefused`` when that is too late."""
    wish, delivery = _found(session, wish_id)
    answer = _answer_due(session, wish)
    if not can_undo(session, wish, now) or answer is None or _has_other(session, wish):
        raise WishRefused("told", "It is too late to undo: the recipient has been told.")
    advance_notification(session, answer, NotificationStatus.WITHDRAWN, reason="the decision was taken back")
    was_accepted = wish.status is _S.ACCEPTED
    if not advance(session, wish.id, _S.ASKED, decided_at=None, decided_by="", words=""):
        raise WishRefused("told", STATE_SENTENCES[wish.status])
    session.refresh(wish)
    line_id = note_event(
        session, delivery.id, line_of(UNDECIDED_LINE, wish), now, key=f"wish-{wish.id}-{wish.answers}-undone"
    )
    if was_accepted and line_id is not None:
        tell_driver(session, delivery, line_id, driver_words("driver_withdrawn", wish, delivery), now, ids)
    list_for_staff(session, delivery, wish, now, ids)
    has_changed(session, delivery, now)
    return Changed((delivery.id,), (delivery.stop.route_id,))


def _has_other(session: Session, wish: Wish) -> bool:
    """True when another wish of the same delivery is in force."""
    other = wish_in_force(session, wish.delivery_id)
    return other is not None and other.id != wish.id


def _found(session: Session, wish_id: str) -> tuple[Wish, Delivery]:
    wish = session.get(Wish, wish_id)
    if wish is None:
        raise NotFound("wish", wish_id)
    return wish, load(session, wish.delivery_id)


def _require_open(wish: Wish) -> None:
    if wish.status is not _S.ASKED:
        raise WishRefused("decided", STATE_SENTENCES[wish.status])


def _tell_recipient(
    session: Session, delivery: Delivery, wish: Wish, text: str, now: datetime, ids: Callable[[], str]
) -> None:
    address = delivery.phone or delivery.email
    if address is None:
        return
    queue(
        session,
        kind=Kind.CHAT,
        channel=Channel.SMS if delivery.phone else Channel.EMAIL,
        subject=delivery.id,
        occasion=_occasion(wish),
        delivery_id=delivery.id,
        to_address=address,
        locale=delivery.locale,
        context={"to": "recipient", "author": "", "from": "system", "text": text},
        now=now,
        due_at=now + TOLD_AFTER,
        useful_until=max(delivery.window_end_at, now) + timedelta(hours=4),
        ids=ids,
    )


def _answer_due(session: Session, wish: Wish) -> str | None:
    keys = [
        dedupe_key(subject=wish.delivery_id, kind=Kind.CHAT, channel=channel, occasion=_occasion(wish))
        for channel in Channel
    ]
    statement = select(Notification.id).where(
        Notification.dedupe_key.in_(keys), Notification.status == NotificationStatus.DUE
    )
    return session.scalar(statement)


def _occasion(wish: Wish) -> str:
    return f"wish-{wish.id[:16]}-{wish.answers}"
