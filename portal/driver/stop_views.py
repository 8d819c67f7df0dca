"""One stop and what is to be handed over there, as the driver may see it."""

from dataclasses import dataclass
from datetime import datetime

from messaging.wish_texts import wish_words
from messaging.wishes import Wish, WishKind, WishStatus
from tracking.deliveries import UNDER_WAY, Delivery, DeliveryStatus
from tracking.driver_day import UNDO_WITHIN

_S = DeliveryStatus
_DONE = frozenset({_S.DELIVERED, _S.ATTEMPT_FAILED})


@dataclass(frozen=True, slots=True)
class ChatMark:
    """How many lines of a thread the driver has not seen, and a word that changes with its lines and who saw them."""

    unread: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One recipient's goods as the driver may see them: a first name and an initial, never a number.

    ``wish`` is what somebody who will not be home asked for, in the driver's words; it holds when ``is_agreed``.
    """

    id: str
    stop_id: str
    stop_number: int
    reference: str
    name: str
    items: str
    instructions: str
    note: str
    wish: str
    is_agreed: bool
    status: str
    window_start_at: datetime
    window_end_at: datetime
    zone: str
    locale: str
    not_loaded_reason: str | None
    failure_reason: str | None
    failure_note: str
    done_at: datetime | None
    can_undo: bool
    chat: ChatMark

    @property
    def unread(self) -> int:
        """How many lines of the chat the driver has not seen."""
        return self.chat.unread

    @property
    def is_waiting(self) -> bool:
        """True while it can still be ticked as loaded."""
        return self.status == _S.SCHEDULED

    @property
    def is_loaded(self) -> bool:
        """True when it is ticked and has not left yet."""
        return self.status == _S.LOADED

    @property
    def is_under_way(self) -> bool:
        """True while it is in the van or at the door."""
        return self.status in UNDER_WAY

    @property
    def is_arrived(self) -> bool:
        """True while the driver is at this door."""
        return self.status == _S.ARRIVED

    @property
    def is_delivered(self) -> bool:
        """True once it was handed over."""
        return self.status == _S.DELIVERED

    @property
    def is_failed(self) -> bool:
        """True when the last attempt failed."""
        return self.status == _S.ATTEMPT_FAILED

    @property
    def is_off(self) -> bool:
        """True when nothing is to be done with it today: cancelled, moved or returned."""
        return self.status in {_S.CANCELLED, _S.RESCHEDULED, _S.RETURNED}


@dataclass(frozen=True, slots=True)
class StopView:
    """One place, with everything to hand over there. ``number`` counts from 1 in the order of today."""

    id: str
    number: int
    address: str
    lat: float
    lon: float
    eta_at: datetime | None
    deliveries: tuple[DeliveryView, ...]

    @property
    def is_open(self) -> bool:
        """True while something here is under way."""
        return any(delivery.is_under_way for delivery in self.deliveries)

    @property
    def is_arrived(self) -> bool:
        """True while the driver is here."""
        return any(delivery.is_arrived for delivery in self.deliveries)

    @property
    def mistaken(self) -> DeliveryView | None:
        """The delivery whose arrival can be taken back, for a tap at the wrong door; None when it is too late."""
        return next((delivery for delivery in self.deliveries if delivery.is_arrived and delivery.can_undo), None)

    @property
    def is_failed(self) -> bool:
        """True when an attempt here failed."""
        return any(delivery.is_failed for delivery in self.deliveries)

    @property
    def is_off(self) -> bool:
        """True when nothing is to be done here today."""
        return all(delivery.is_off for delivery in self.deliveries)

    @property
    def needs_loading(self) -> bool:
        """True when nothing of this stop is under way or done, yet something could still come aboard."""
        return not self.is_open and any(delivery.is_waiting for delivery in self.deliveries)

    @property
    def is_done(self) -> bool:
        """True when the driver was here and nothing is left to do, as staff count it."""
        return not self.is_open and any(delivery.is_delivered or delivery.is_failed for delivery in self.deliveries)

    @property
    def unread(self) -> int:
        """How many lines of the chats here the driver has not seen."""
        return sum(delivery.unread for delivery in self.deliveries)

    @property
    def names(self) -> str:
        """Who lives here: the names, once each."""
        return ", ".join(dict.fromkeys(delivery.name for delivery in self.deliveries if delivery.name))

    @property
    def map_uri(self) -> str:
        """The place for the phone's own map application (RFC 5870, with Android's query that drops a pin)."""
        place = f"{self.lat:.6f},{self.lon:.6f}"
        return f"geo:{place}?q={place}"


def short_name(name: str) -> str:
    """Return the first name and the initial of the last: all that a driver needs to ask for somebody."""
    parts = name.split()
    return f"{parts[0]} {parts[-1][0]}." if len(parts) > 1 else name.strip()


def stop_view(
    number: int, here: list[Delivery], chats: dict[str, ChatMark], wishes: dict[str, Wish], now: datetime
) -> StopView:
    """Return the view of one stop from its deliveries, loaded whole; ``chats`` and ``wishes`` by delivery id."""
    stop = here[0].stop
    return StopView(
        id=stop.id,
        number=number,
        address=stop.address,
        lat=stop.lat,
        lon=stop.lon,
        eta_at=stop.eta_at,
        deliveries=tuple(
            _delivery_view(row, number, chats.get(row.id, ChatMark()), wishes.get(row.id), now) for row in here
        ),
    )


def _delivery_view(row: Delivery, stop_number: int, chat: ChatMark, wish: Wish | None, now: datetime) -> DeliveryView:
    is_done = row.status in _DONE
    is_told = wish is not None and row.is_open and wish.kind is not WishKind.OTHER_DAY
    return DeliveryView(
        id=row.id,
        stop_id=row.stop_id,
        stop_number=stop_number,
        reference=row.reference,
        name=short_name(row.recipient_name),
        items=row.items,
        instructions=row.instructions,
        note=row.recipient_note,
        wish=wish_words(wish, row.stop.route.driver.locale) if wish and is_told else "",
        is_agreed=wish is not None and wish.status is WishStatus.ACCEPTED,
        status=row.status,
        window_start_at=row.window_start_at,
        window_end_at=row.window_end_at,
        zone=row.zone,
        locale=row.locale,
        not_loaded_reason=row.not_loaded_reason,
        failure_reason=row.failure_reason,
        failure_note=row.failure_note,
        done_at=row.status_at if is_done else None,
        can_undo=(is_done or row.status is _S.ARRIVED) and now - row.status_at <= UNDO_WITHIN,
        chat=chat,
    )
