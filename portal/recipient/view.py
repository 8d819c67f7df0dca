"""The one view object of the recipient's page, its fragments and its stream: frozen, and free of rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.conversations import Thread, Voice, thread_of
from messaging.quick_replies import Audience, quick_replies
from messaging.ratings import score_of
from portal.i18n import Tongue, tongue
from portal.receivers import handed_over
from portal.recipient.away import Away, read_away
from portal.recipient.chat_words import Said, said, state_sentence
from portal.recipient.phases import UNDER_WAY, Phase, phase_of
from portal.recipient.steps import Step, steps_of
from portal.recipient.truck import Sighting, sight
from portal.recipient.words import Words, words_of
from portal.settings import Settings
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.promise_ledger import last_move
from tracking.proofs import Proof, ProofKind

# After this the page shows no more than that it was delivered (reference/messaging.md 5.2).
FULL_VIEW = timedelta(hours=24)

HOME_DECIMALS = 4  # about 10 m: enough for a pin, as the truck's own place when it is next


class Signal(StrEnum):
    """How fresh what we know of the truck is."""

    NONE = "none"
    FRESH = "fresh"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo or signature that proves the delivery."""

    id: str
    kind: ProofKind
    width: int | None
    height: int | None
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class RecipientView:
    """Everything a recipient may see at ``now``. Instants are aware; ``zone`` is where the parcel goes."""

    delivery_id: str
    route_id: str
    locale: str
    zone: str
    now: datetime
    phase: Phase
    words: Words
    steps: tuple[Step, ...]
    signal: Signal
    signal_at: datetime | None
    place: dict[str, Any] | None
    home_lat: float
    home_lon: float
    changes_at: datetime | None
    lines: tuple[Said, ...]
    chat_sentence: str
    chat_is_open: bool
    quick_replies: tuple[str, ...]
    unseen: int
    items: str
    goods_title: str
    street: str
    first_name: str
    note: str
    note_at: datetime | None
    pictures: tuple[Picture, ...]
    received_by: str
    handed_over: str
    score: int | None
    comment: str
    is_full: bool
    can_rate: bool
    can_note: bool
    away: Away

    @property
    def is_finished(self) -> bool:
        """True when neither truck nor chat can bring anything new."""
        return self.phase in {Phase.DELIVERED, Phase.RETURNED, Phase.CANCELLED} and not self.chat_is_open

    @property
    def is_under_way(self) -> bool:
        """True while the page changes by the minute: without JavaScript it then reloads by itself."""
        return self.phase in UNDER_WAY or self.phase in {Phase.TODAY, Phase.ARRIVED}

    @property
    def may_get_map(self) -> bool:
        """True when there is a truck to show, or may be before the page is closed."""
        return self.place is not None or self.phase in UNDER_WAY or self.phase in {Phase.AHEAD, Phase.TODAY}

    @property
    def stage(self) -> str:
        """What the page's parts depend on; the page is fetched anew when it changes."""
        pictures = "".join(picture.id[:4] for picture in self.pictures)
        marks = (self.phase.value, self.place is not None, self.chat_is_open, self.is_full, pictures, self.score)
        return "-".join(str(mark) for mark in (*marks, self.away.mark))


def read_view(
    session: Session, delivery_id: str, *, now: datetime, settings: Settings, locale: str | None = None
) -> RecipientView:
    """Return the view of a delivery at ``now``, in ``locale`` or the recipient's own; raises ``NotFound``."""
    delivery = load(session, delivery_id)
    speak = tongue(locale or delivery.locale)
    seen = sight(session, delivery, now, settings.visibility)
    contact = settings.support_phone or settings.support_email
    phase, reads = phase_of(delivery, now), locale or delivery.locale
    is_driving = seen.is_driving and phase is not Phase.ARRIVED  # the newest fix may be from the road before
    talk = thread_of(session, delivery, audience=Voice.RECIPIENT, now=now, contact=contact, driver_is_moving=is_driving)
    proofs = _proofs(session, delivery)
    away = read_away(session, delivery, phase, reads, now)
    taps = _quick_replies(session, phase, reads)
    rating = score_of(session, delivery_id)
    moved = last_move(session, delivery_id) if delivery.promise_cause and phase in UNDER_WAY else None
    said_now = words_of(delivery, phase, seen, speak, now, moved)
    return _view(delivery, speak, seen, said_now, talk, proofs, rating, away, taps, contact, now, locale)


def _view(
    delivery: Delivery,
    speak: Tongue,
    seen: Sighting,
    said_now: Words,
    talk: Thread,
    proofs: list[Proof],
    rating: tuple[int, str] | None,
    away: Away,
    taps: tuple[str, ...],
    contact: str,
    now: datetime,
    locale: str | None,
) -> RecipientView:
    phase = phase_of(delivery, now)
    is_full = not _has_faded(delivery, now)
    signal, signal_at = _signal(delivery, phase, seen)
    receiver = next((proof.text for proof in proofs if proof.kind is ProofKind.NAME), "") if is_full else ""
    lines = tuple(said(line, speak, delivery.zone) for line in talk.lines) if is_full else ()
    return RecipientView(
        delivery_id=delivery.id,
        route_id=delivery.stop.route_id,
        locale=locale or delivery.locale,
        zone=delivery.zone,
        now=now,
        phase=phase,
        words=said_now,
        steps=steps_of(delivery, phase, speak),
        signal=signal,
        signal_at=signal_at,
        place=seen.place,
        home_lat=round(delivery.stop.lat, HOME_DECIMALS),
        home_lon=round(delivery.stop.lon, HOME_DECIMALS),
        changes_at=seen.changes_at,
        lines=lines,
        chat_sentence=state_sentence(talk.state, _driver_name(delivery), contact, speak),
        chat_is_open=talk.state.is_open,
        quick_replies=taps,
        unseen=talk.unseen,
        items=delivery.items if is_full else "",
        goods_title=_goods_title(phase, speak),
        street=street_of(delivery.stop.address) if is_full else "",
        first_name=delivery.recipient_name.split()[0] if delivery.recipient_name.strip() else "",
        note=delivery.recipient_note,
        note_at=delivery.recipient_note_at,
        pictures=tuple(_picture(proof) for proof in proofs if proof.kind is not ProofKind.NAME) if is_full else (),
        received_by=receiver,
        handed_over=handed_over(receiver),
        score=rating[0] if rating else None,
        comment=rating[1] if rating else "",
        is_full=is_full,
        can_rate=delivery.status is DeliveryStatus.DELIVERED,
        can_note=delivery.is_open and phase is not Phase.ARRIVED,
        away=away,
    )


def street_of(address: str) -> str:
    """Return the street without its number: ``12B Orchard Lane, Millburn`` is ``Orchard Lane``."""
    street = address.partition(",")[0]
    return " ".join(word for word in street.split() if not any(letter.isdigit() for letter in word))


def _goods_title(phase: Phase, speak: Tongue) -> str:
    """Return the title over the goods: nothing is coming any more when an attempt failed or all is called off."""
    if phase is Phase.DELIVERED:
        return speak.say("What came")
    is_off = phase in {Phase.FAILED, Phase.RETURNED, Phase.CANCELLED}
    return speak.say("The goods") if is_off else speak.say("What is coming")


def _has_faded(delivery: Delivery, now: datetime) -> bool:
    return delivery.is_finished and now - (delivery.delivered_at or delivery.status_at) > FULL_VIEW


def _signal(delivery: Delivery, phase: Phase, seen: Sighting) -> tuple[Signal, datetime | None]:
    if phase not in UNDER_WAY or seen.last_at is None:
        return Signal.NONE, None
    return (Signal.STALE if seen.is_stale else Signal.FRESH), seen.last_at


def _proofs(session: Session, delivery: Delivery) -> list[Proof]:
    if delivery.status is not DeliveryStatus.DELIVERED:
        return []
    statement = select(Proof).where(Proof.delivery_id == delivery.id, Proof.withdrawn_at.is_(None))
    found = session.scalars(statement.order_by(Proof.taken_at, Proof.id))
    return sorted(found, key=lambda proof: proof.kind is not ProofKind.PHOTO)


def _picture(proof: Proof) -> Picture:
    return Picture(id=proof.id, kind=proof.kind, width=proof.width, height=proof.height, taken_at=proof.taken_at)


def _driver_name(delivery: Delivery) -> str:
    name = delivery.stop.route.driver.name
    return name.split()[0] if name.strip() else ""


def _quick_replies(session: Session, phase: Phase, locale: str) -> tuple[str, ...]:
    """Return what can be tapped, as staff wrote it, in the reader's language."""
    if phase not in _TAPS:
        return ()
    return tuple(reply.text(locale) for reply in quick_replies(session, _TAPS[phase]))


_TAPS = {
    Phase.NEXT: Audience.RECIPIENT_NEAR,
    Phase.NOW: Audience.RECIPIENT_NEAR,
    Phase.ARRIVED: Audience.RECIPIENT_NEAR,
    Phase.ON_THE_WAY: Audience.RECIPIENT,
    Phase.TODAY: Audience.RECIPIENT,
}
