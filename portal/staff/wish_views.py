"""What a recipient who will not be home asked for, as staff see it beside a conversation or a task."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from messaging.wish_decisions import can_undo
from messaging.wish_steps import BY_RULE
from messaging.wish_texts import wish_words
from messaging.wishes import Wish, WishStatus, newest_wish
from portal import accounts
from portal.staff import words
from portal.staff.words import Badge
from tracking.deliveries import Delivery

_BADGES = {
    WishStatus.ASKED: Badge("Asked", "warn"),
    WishStatus.ACCEPTED: Badge("Agreed", "ok"),
    WishStatus.DECLINED: Badge("Declined"),
    WishStatus.WITHDRAWN: Badge("Taken back"),
    WishStatus.LAPSED: Badge("Lapsed"),
}


@dataclass(frozen=True, slots=True)
class WishView:
    """The newest wish of a delivery. ``who`` says by whom and when it was decided."""

    id: str
    badge: Badge
    text: str
    who: str
    is_open: bool
    can_undo: bool


def wish_of(session: Session, delivery: Delivery, now: datetime) -> WishView | None:
    """Return the newest wish of a delivery, loaded whole; None when nothing was asked for."""
    wish = newest_wish(session, delivery.id)
    if wish is None:
        return None
    return WishView(
        id=wish.id,
        badge=_BADGES[wish.status],
        text=wish_words(wish, "en"),
        who=_who(session, wish, delivery, now),
        is_open=wish.status is WishStatus.ASKED,
        can_undo=can_undo(session, wish, now),
    )


def _who(session: Session, wish: Wish, delivery: Delivery, now: datetime) -> str:
    by = {"sms": "by text", "email": "by email"}.get(wish.origin, "on the page")
    asked = f"Asked {by} {words.moment(wish.asked_at, delivery.zone, now)}"
    if wish.decided_at is None or wish.status not in {WishStatus.ACCEPTED, WishStatus.DECLINED}:
        return asked
    name = "the house rule" if wish.decided_by == BY_RULE else accounts.names_of(session).get(wish.decided_by, "staff")
    said = f": {wish.words}" if wish.words else ""
    return f"{asked}. {_BADGES[wish.status].word} by {name} {words.moment(wish.decided_at, delivery.zone, now)}{said}"
