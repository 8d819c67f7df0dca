"""What a recipient who will not be home sees: what can be asked for now, and what became of what was asked."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from messaging.recipient_acts import LATE_CHOICES
from messaging.wish_actions import possible_days
from messaging.wish_steps import WHY_NOT, possible
from messaging.wish_texts import day_words, wish_text, wish_words
from messaging.wishes import Wish, WishKind, WishStatus, newest_wish
from portal.recipient.phases import UNDER_WAY, Phase
from tracking.deliveries import Delivery, DeliveryStatus

_LATE = UNDER_WAY | {Phase.TODAY, Phase.ARRIVED}


@dataclass(frozen=True, slots=True)
class Away:
    """``state`` is none, asked, accepted or declined; ``wish`` says what, ``words`` what was said with a decision.

    ``days`` are what can be chosen instead: the date as ``2026-03-06`` and as people say it. ``why_less`` says why
    something that was offered before is not, and what can be done.
    """

    state: str
    wish_id: str
    wish: str
    words: str
    can_take_back: bool
    can_safe_place: bool
    can_neighbour: bool
    days: tuple[tuple[str, str], ...]
    late_choices: tuple[int, ...]
    why_less: str = ""

    @property
    def has_choices(self) -> bool:
        """True when there is anything to ask for."""
        return self.can_safe_place or self.can_neighbour or bool(self.days) or bool(self.late_choices)

    @property
    def is_shown(self) -> bool:
        """True when the page has something to say or to offer here."""
        return self.has_choices or self.state != "none"

    @property
    def mark(self) -> str:
        """A word that changes with what the page offers."""
        offered = (self.can_take_back, self.can_safe_place, self.can_neighbour, len(self.days), len(self.late_choices))
        return f"{self.state}{self.wish_id[:6]}{''.join(str(int(one)) for one in offered)}"


def read_away(session: Session, delivery: Delivery, phase: Phase, locale: str, now: datetime) -> Away:
    """Return what to show of a delivery that was loaded whole. Days are read only while another one is possible."""
    kinds = possible(delivery.status)
    wish = newest_wish(session, delivery.id)
    days = possible_days(session, delivery, now) if WishKind.OTHER_DAY in kinds and phase is not Phase.OVERDUE else []
    state = _state(wish, delivery)
    shown = wish if state != "none" else None
    return Away(
        state=state,
        wish_id=shown.id if shown else "",
        wish=wish_words(shown, locale) if shown else "",
        words=shown.words if shown else "",
        can_take_back=state in {"asked", "accepted"} and delivery.status is not DeliveryStatus.ARRIVED,
        can_safe_place=WishKind.SAFE_PLACE in kinds,
        can_neighbour=WishKind.NEIGHBOUR in kinds,
        days=tuple((day.isoformat(), day_words(day, locale)) for day in days),
        late_choices=LATE_CHOICES if phase in _LATE else (),
        why_less=_why_less(delivery.status, has_days=bool(days), locale=locale),
    )


def _why_less(status: DeliveryStatus, *, has_days: bool, locale: str) -> str:
    """Return the sentence for what cannot be asked for now; a day is only spoken of while one can be chosen."""
    if status is DeliveryStatus.ATTEMPT_FAILED and not has_days:
        return ""
    return wish_text(WHY_NOT[status], locale) if status in WHY_NOT else ""


def _state(wish: Wish | None, delivery: Delivery) -> str:
    """Return what to say of the newest wish: nothing once its time is over."""
    if wish is None or delivery.is_finished:
        return "none"
    if wish.status is WishStatus.ACCEPTED and wish.kind is WishKind.OTHER_DAY:
        return "none"  # the page's headline says the new day
    shown = {WishStatus.ASKED: "asked", WishStatus.ACCEPTED: "accepted", WishStatus.DECLINED: "declined"}
    return shown.get(wish.status, "none")
