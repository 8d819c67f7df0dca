"""Wishes in action: asked, taken back, accepted, declined, undone, lapsed; and everybody told.

Another day moves the delivery by the house's own way (``tracking.rescheduling``), so the promise and every message
follow by themselves. A safe place or a neighbour stands on the driver's stop, and in a text when the page is closed.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, open_task, resolve_task
from messaging.chat_lines import Origin, plain_line
from messaging.conversations import note_event
from messaging.house_rules import days_after, house_rules
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, dedupe_key
from messaging.notifications import advance as advance_notification
from messaging.outbox import queue
from messaging.relay import tell_driver
from messaging.wish_texts import (
    ACCEPTED_LINE,
    ASKED_LINE,
    DECLINED_LINE,
    UNDECIDED_LINE,
    WITHDRAWN_LINE,
    days_words,
    driver_words,
    line_of,
    short_wish,
    sms_text,
    wish_text,
)
from messaging.wishes import (
    PLACE_LENGTH,
    STATE_SENTENCES,
    WORDS_LENGTH,
    Wish,
    WishKind,
    WishRefused,
    WishStatus,
    advance,
    wish_in_force,
)
from tracking.actors import Actor
from tracking.deliveries import Delivery, DeliveryStatus, load, mark_plan_dirty
from tracking.errors import NotFound
from tracking.ids import new_id
from tracking.rescheduling import reschedule
from tracking.route_changes import Changed

BY_RULE = "rule"
TOLD_AFTER = timedelta(seconds=30)  # so long a decision can be undone: the recipient has not been told (our choice)
_S, _K, _D = WishStatus, WishKind, DeliveryStatus
_AT_HOME = frozenset({_K.SAFE_PLACE, _K.NEIGHBOUR})
_POSSIBLE: dict[DeliveryStatus, frozenset[WishKind]] = {
    _D.SCHEDULED: frozenset(WishKind),
    _D.LOADED: frozenset(WishKind),
    _D.OUT_FOR_DELIVERY: _AT_HOME,
    _D.ATTEMPT_FAILED: frozenset({_K.OTHER_DAY}),
    _D.RESCHEDULED: frozenset({_K.OTHER_DAY}),
}
_WHY_NOT = {_D.ARRIVED: "at_door", _D.OUT_FOR_DELIVERY: "on_its_way", _D.ATTEMPT_FAILED: "not_handed_over"}


def possible(status: DeliveryStatus) -> frozenset[WishKind]:
    """Return what can be asked for in this state of a delivery."""
    return _POSSIBLE.get(status, frozenset())


def possible_days(session: Session, delivery: Delivery, now: datetime) -> list[date]:
    """Return the other days to offer for a delivery, soonest first."""
    today = now.astimezone(ZoneInfo(delivery.zone)).date()
    return list(days_after(house_rules(session), service_on=delivery.service_on, today=today))


def ask_for(
    session: Session,
    delivery_id: str,
    kind: WishKind,
    *,
    what: str = "",
    wanted_on: date | None = None,
    origin: Origin,
    now: datetime,
    request_id: str | None = None,
    ids: Callable[[], str] = new_id,
) -> Wish:
    """Ask for something and return the wish; one in force gives way, and the same one again is no new one.

    A safe place is agreed at once where the company's rule says so; else staff get a task. Raises ``WishRefused``.
    """
    delivery = load(session, delivery_id)
    key = f"{delivery_id}/wish/{request_id[:40]}" if request_id else None
    repeated = session.scalar(select(Wish).where(Wish.request_id == key)) if key else None
    if repeated is not None:
        return repeated
    place = "" if kind is _K.OTHER_DAY else plain_line(what)
    wanted_on = wanted_on if kind is _K.OTHER_DAY else None
    _require_possible(session, delivery, kind, place, wanted_on, now)
    before = wish_in_force(session, delivery_id)
    if before is not None and (before.kind, before.place, before.wanted_on) == (kind, place, wanted_on):
        return before
    if before is not None:
        _end(session, delivery, before, now, ids)
    wish = Wish(
        id=ids(),
        delivery_id=delivery_id,
        kind=kind,
        status=_S.ASKED,
        place=place,
        wanted_on=wanted_on,
        origin=origin.value,
        asked_at=now,
        open_key=delivery_id,
        request_id=key,
    )
    try:
        with session.begin_nested():
            session.add(wish)
    except IntegrityError:  # the same tap twice in the same moment
        raise WishRefused("twice", STATE_SENTENCES[_S.ASKED]) from None
    note_event(session, delivery_id, line_of(ASKED_LINE, wish), now, key=f"wish-{wish.id}")
    if kind is _K.SAFE_PLACE and house_rules(session).accepts_safe_place:
        _accept(session, delivery, wish, decided_by=BY_RULE, words="", now=now, ids=ids)
    else:
        _list_for_staff(session, delivery, wish, now, ids)
    _has_changed(session, delivery, now)
    return wish


def take_back(session: Session, delivery_id: str, *, now: datetime, ids: Callable[[], str] = new_id) -> Wish:
    """Let the recipient take the wish in force back; the goods come as planned. Raises ``WishRefused``."""
    delivery = load(session, delivery_id)
    wish = wish_in_force(session, delivery_id)
    if wish is None:
        raise WishRefused("nothing", wish_text("nothing", "en"))
    if delivery.status is _D.ARRIVED or delivery.is_finished:
        code = _WHY_NOT.get(delivery.status, "over")
        raise WishRefused(code, wish_text(code, "en"))
    _end(session, delivery, wish, now, ids)
    note_event(session, delivery_id, line_of(WITHDRAWN_LINE, wish), now, key=f"wish-{wish.id}-back")
    _has_changed(session, delivery, now)
    return wish


def accept(
    session: Session, wish_id: str, *, words: str, actor: Actor, now: datetime, ids: Callable[[], str] = new_id
) -> Changed:
    """Accept a wish and tell everybody. Raises ``WishRefused``, ``NotFound``, and what ``reschedule`` raises."""
    wish, delivery = _found(session, wish_id)
    _require_open(wish)
    if wish.kind is not _K.OTHER_DAY and wish.kind not in possible(delivery.status):
        code = _WHY_NOT.get(delivery.status, "over")
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
    _accept(session, delivery, wish, decided_by=actor.id, words=words, now=now, ids=ids)
    if wish.kind is not _K.OTHER_DAY or words.strip():
        said = sms_text("accepted", delivery.locale, wish=short_wish(wish, delivery.locale))
        _tell_recipient(session, delivery, wish, f"{said} {_shown(words)}".strip(), now, ids)
    _has_changed(session, delivery, now)
    return changed


def decline(
    session: Session, wish_id: str, *, words: str, actor: Actor, now: datetime, ids: Callable[[], str] = new_id
) -> Changed:
    """Decline a wish and tell everybody. Raises ``WishRefused`` or ``NotFound``."""
    wish, delivery = _found(session, wish_id)
    _require_open(wish)
    _decided(session, wish, _S.DECLINED, decided_by=actor.id, words=words, now=now)
    note_event(session, delivery.id, line_of(DECLINED_LINE, wish, words), now, key=f"wish-{wish.id}-{wish.answers}")
    said = sms_text("declined", delivery.locale, wish=short_wish(wish, delivery.locale), words=_shown(words))
    _tell_recipient(session, delivery, wish, said, now, ids)
    _has_changed(session, delivery, now)
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
    _list_for_staff(session, delivery, wish, now, ids)
    _has_changed(session, delivery, now)
    return Changed((delivery.id,), (delivery.stop.route_id,))


def lapse(session: Session, delivery: Delivery, now: datetime) -> bool:
    """Let a wish that nobody decided end with its delivery; False when there is none, or the delivery goes on."""
    if not delivery.is_finished:
        return False
    wish = session.scalar(select(Wish).where(Wish.open_key == delivery.id))
    if wish is None or not advance(session, wish.id, _S.LAPSED, decided_at=now):
        return False
    _settle_task(session, wish, "The delivery was over before it was decided.", now)
    return True


def _has_other(session: Session, wish: Wish) -> bool:
    """True when another wish of the same delivery is in force."""
    other = wish_in_force(session, wish.delivery_id)
    return other is not None and other.id != wish.id


def _require_possible(
    session: Session, delivery: Delivery, kind: WishKind, place: str, wanted_on: date | None, now: datetime
) -> None:
    if kind not in possible(delivery.status):
        code = _WHY_NOT.get(delivery.status, "over")
        raise WishRefused(code, wish_text(code, "en"))
    if kind is _K.OTHER_DAY:
        days = possible_days(session, delivery, now)
        if wanted_on not in days:
            raise WishRefused("no_such_day", wish_text("no_such_day", "en", days=days_words(days, "en")))
    elif not place:
        raise WishRefused("nothing_asked", wish_text("nothing_asked", "en"))
    elif len(place) > PLACE_LENGTH:
        raise WishRefused("too_long", wish_text("too_long", "en"))


def _accept(
    session: Session,
    delivery: Delivery,
    wish: Wish,
    *,
    decided_by: str,
    words: str,
    now: datetime,
    ids: Callable[[], str],
) -> None:
    _decided(session, wish, _S.ACCEPTED, decided_by=decided_by, words=words, now=now)
    line_id = note_event(
        session, delivery.id, line_of(ACCEPTED_LINE, wish, words), now, key=f"wish-{wish.id}-{wish.answers}"
    )
    if wish.kind in _AT_HOME and line_id is not None:
        tell_driver(session, delivery, line_id, driver_words("driver_accepted", wish, delivery), now, ids)


def _decided(session: Session, wish: Wish, status: WishStatus, *, decided_by: str, words: str, now: datetime) -> None:
    decided = {"decided_at": now, "decided_by": decided_by, "words": _shown(words), "answers": Wish.answers + 1}
    if not advance(session, wish.id, status, **decided):
        session.refresh(wish)
        raise WishRefused("decided", STATE_SENTENCES[wish.status])
    session.refresh(wish)
    _settle_task(session, wish, "Accepted." if status is _S.ACCEPTED else "Declined.", now)


def _end(session: Session, delivery: Delivery, wish: Wish, now: datetime, ids: Callable[[], str]) -> None:
    """Withdraw a wish; a driver who was told is told again, and what was to be told to the recipient stays."""
    was_accepted = wish.status is _S.ACCEPTED
    if not advance(session, wish.id, _S.WITHDRAWN):
        session.refresh(wish)
        raise WishRefused("decided", STATE_SENTENCES[wish.status])
    session.refresh(wish)
    _settle_task(session, wish, "The recipient took it back.", now)
    if was_accepted:
        text = driver_words("driver_withdrawn", wish, delivery)
        line_id = note_event(session, delivery.id, line_of(WITHDRAWN_LINE, wish), now, key=f"wish-{wish.id}-back")
        if line_id is not None:
            tell_driver(session, delivery, line_id, text, now, ids)


def _found(session: Session, wish_id: str) -> tuple[Wish, Delivery]:
    wish = session.get(Wish, wish_id)
    if wish is None:
        raise NotFound("wish", wish_id)
    return wish, load(session, wish.delivery_id)


def _require_open(wish: Wish) -> None:
    if wish.status is not _S.ASKED:
        raise WishRefused("decided", STATE_SENTENCES[wish.status])


def _shown(words: str) -> str:
    return plain_line(words)[:WORDS_LENGTH]


def _list_for_staff(session: Session, delivery: Delivery, wish: Wish, now: datetime, ids: Callable[[], str]) -> None:
    open_task(
        session,
        key=f"wish/{wish.id}/{wish.answers}",
        kind=TaskKind.WISH,
        reason=line_of(ASKED_LINE, wish),
        now=now,
        ids=ids,
        delivery_id=delivery.id,
    )


def _settle_task(session: Session, wish: Wish, resolution: str, now: datetime) -> None:
    waiting = select(Task.id).where(Task.key.startswith(f"wish/{wish.id}/"), Task.resolved_at.is_(None))
    for task_id in session.scalars(waiting).all():
        resolve_task(session, task_id, resolved_by=wish.decided_by or "system", resolution=resolution, now=now)


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


def _has_changed(session: Session, delivery: Delivery, now: datetime) -> None:
    """Let pages show it."""
    mark_plan_dirty(session, [delivery.id], now)
    session.flush()
