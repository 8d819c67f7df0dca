"""Wishes asked for and taken back by the recipient, and those that end with their delivery."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from messaging.chat_lines import Origin, plain_line
from messaging.conversations import note_event
from messaging.house_rules import days_after, house_rules
from messaging.wish_steps import BY_RULE, WHY_NOT, agree, end, has_changed, list_for_staff, possible, settle_task
from messaging.wish_texts import ASKED_LINE, WITHDRAWN_LINE, days_words, line_of, wish_text
from messaging.wishes import (
    PLACE_LENGTH,
    STATE_SENTENCES,
    Wish,
    WishKind,
    WishRefused,
    WishStatus,
    advance,
    wish_in_force,
)
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.ids import new_id

_S, _K, _D = WishStatus, WishKind, DeliveryStatus


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
        end(session, delivery, before, now, ids)
    wish = _added(session, delivery_id, kind, place, wanted_on, origin=origin, now=now, key=key, ids=ids)
    note_event(session, delivery_id, line_of(ASKED_LINE, wish), now, key=f"wish-{wish.id}")
    if kind is _K.SAFE_PLACE and house_rules(session).accepts_safe_place:
        agree(session, delivery, wish, decided_by=BY_RULE, words="", now=now, ids=ids)
    else:
        list_for_staff(session, delivery, wish, now, ids)
    has_changed(session, delivery, now)
    return wish


def take_back(session: Session, delivery_id: str, *, now: datetime, ids: Callable[[], str] = new_id) -> Wish:
    """Let the recipient take the wish in force back; the goods come as planned. Raises ``WishRefused``."""
    delivery = load(session, delivery_id)
    wish = wish_in_force(session, delivery_id)
    if wish is None:
        raise WishRefused("nothing", wish_text("nothing", "en"))
    if delivery.status is _D.ARRIVED or delivery.is_finished:
        code = WHY_NOT.get(delivery.status, "over")
        raise WishRefused(code, wish_text(code, "en"))
    end(session, delivery, wish, now, ids)
    note_event(session, delivery_id, line_of(WITHDRAWN_LINE, wish), now, key=f"wish-{wish.id}-back")
    has_changed(session, delivery, now)
    return wish


def lapse(session: Session, delivery: Delivery, now: datetime) -> bool:
    """Let a wish that nobody decided end with its delivery; False when there is none, or the delivery goes on."""
    if not delivery.is_finished:
        return False
    wish = session.scalar(select(Wish).where(Wish.open_key == delivery.id))
    if wish is None or not advance(session, wish.id, _S.LAPSED, decided_at=now):
        return False
    settle_task(session, wish, "The delivery was over before it was decided.", now)
    return True


def _require_possible(
    session: Session, delivery: Delivery, kind: WishKind, place: str, wanted_on: date | None, now: datetime
) -> None:
    if kind not in possible(delivery.status):
        code = WHY_NOT.get(delivery.status, "over")
        raise WishRefused(code, wish_text(code, "en"))
    if kind is _K.OTHER_DAY:
        days = possible_days(session, delivery, now)
        if wanted_on not in days:
            raise WishRefused("no_such_day", wish_text("no_such_day", "en", days=days_words(days, "en")))
    elif not place:
        raise WishRefused("nothing_asked", wish_text("nothing_asked", "en"))
    elif len(place) > PLACE_LENGTH:
        raise WishRefused("too_long", wish_text("too_long", "en"))


def _added(
    session: Session,
    delivery_id: str,
    kind: WishKind,
    place: str,
    wanted_on: date | None,
    *,
    origin: Origin,
    now: datetime,
    key: str | None,
    ids: Callable[[], str],
) -> Wish:
    wish = Wish(
        id=ids(),
        delivery_id=delivery_id,
        kind=kind,
        status=WishStatus.ASKED,
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
        raise WishRefused("twice", STATE_SENTENCES[WishStatus.ASKED]) from None
    return wish
