"""Thread events: what happened to the goods, told between the lines of a chat, read from the record each time.

Nothing is stored: an undone step or a corrected promise is right at once, and a thread nobody writes in costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from messaging.reply_texts import hours, language_of
from messaging.wish_texts import day_words, told
from tracking.custody import CustodyKind, Happened, what_happened
from tracking.deliveries import Delivery
from tracking.promise_ledger import promises

TOLD_FROM = timedelta(minutes=10)  # a promise that ends this much later is told as a delay; our choice
_PROMISE_IDS = 1_000_000  # below the negative ids of custody events

_EN: dict[str, str] = {
    CustodyKind.DEPARTED: "The truck has left.",
    CustodyKind.ARRIVED: "The driver has arrived.",
    CustodyKind.DELIVERED: "Delivered.",
    CustodyKind.FAILED: "The delivery did not work out.",
    CustodyKind.UNDONE: "The driver took the last step back.",
    CustodyKind.RESCHEDULED: "Moved to another day.",
    CustodyKind.REASSIGNED: "Another driver brings it now.",
    CustodyKind.CANCELLED: "Cancelled.",
    CustodyKind.RETURNED: "It went back to the depot.",
    "moved_to": "Moved to {day}.",
    "proof": "Proof taken:",
    "photo": "photo",
    "signature": "signature",
    "name": "name",
    "delayed": "Delayed{cause}. Now expected {when}.",
    "traffic": " by traffic",
    "long_stop": " by a long stop",
    "reorder": ": the order of stops has changed",
    "late_start": ": the route started late",
    "break": " by a break",
    "waiting": " by waiting at a stop",
}
_ES: dict[str, str] = {
    CustodyKind.DEPARTED: "El camión ha salido.",
    CustodyKind.ARRIVED: "El conductor ha llegado.",
    CustodyKind.DELIVERED: "Entregado.",
    CustodyKind.FAILED: "La entrega no fue posible.",
    CustodyKind.UNDONE: "El conductor deshizo el último paso.",
    CustodyKind.RESCHEDULED: "Pasa a otro día.",
    CustodyKind.REASSIGNED: "Ahora lo trae otro conductor.",
    CustodyKind.CANCELLED: "Cancelado.",
    CustodyKind.RETURNED: "Volvió al almacén.",
    "moved_to": "Pasa al {day}.",
    "proof": "Prueba tomada:",
    "photo": "foto",
    "signature": "firma",
    "name": "nombre",
    "delayed": "Con retraso{cause}. Ahora se espera {when}.",
    "traffic": " por el tráfico",
    "long_stop": " por una parada larga",
    "reorder": ": cambió el orden de las paradas",
    "late_start": ": la ruta salió tarde",
    "break": " por una pausa",
    "waiting": " por una espera en una parada",
}
# Sentences that are kept as lines, in English, when somebody of support moves.
_KEPT_ES = {
    "Support joined the conversation.": "Soporte se unió a la conversación.",
    "Support has taken over the conversation.": "Soporte atiende ahora la conversación.",
    "Support handed the conversation back to the driver.": "Soporte devolvió la conversación al conductor.",
    "This message came when the driver was done. Support has it.": (
        "Este mensaje llegó cuando el conductor ya había terminado. Lo tiene soporte."
    ),
    "This message came after the chat had closed.": "Este mensaje llegó cuando el chat ya estaba cerrado.",
}
_PROOFS = frozenset({"photo", "signature", "name"})
_WORDS = {"en": _EN, "es": _ES}


@dataclass(frozen=True, slots=True)
class ThreadEvent:
    """One thing that happened. ``id`` is negative, stable and unique within the thread."""

    id: int
    at: datetime
    text: str


def events_of(session: Session, delivery: Delivery, locale: str) -> list[ThreadEvent]:
    """Return what happened to a delivery that was loaded whole, oldest first, in the language of ``locale``."""
    words = _WORDS[language_of(locale)]
    found = [*_custody(session, delivery, words, locale), *_delays(session, delivery, words, locale)]
    return sorted(found, key=lambda event: (event.at, -event.id))


def in_language(sentence: str, locale: str, *, is_recipient: bool = False) -> str:
    """Return one of our own kept sentences in the language of ``locale``; any other as it is."""
    if language_of(locale) == "es" and sentence in _KEPT_ES:
        return _KEPT_ES[sentence]
    return told(sentence, locale, is_recipient=is_recipient)


def _custody(session: Session, delivery: Delivery, words: dict[str, str], locale: str) -> Iterator[ThreadEvent]:
    before: CustodyKind | None = None
    for number, event in enumerate(what_happened(session, delivery.id), start=1):
        # An arrival that was noticed and then tapped is one arrival; two moves in a row are two.
        is_told = event.kind is CustodyKind.ARRIVED and before is CustodyKind.ARRIVED
        if event.kind in words and not is_told:
            yield ThreadEvent(-number, event.at, _told(event, words, locale))
        before = event.kind


def _told(event: Happened, words: dict[str, str], locale: str) -> str:
    """Return the sentence of one event: with the proof that was taken, or the day it moved to."""
    if event.kind is CustodyKind.DELIVERED:
        taken = [words[name] for name in event.detail.get("proofs", []) if name in _PROOFS]
        return f"{words[event.kind]} {words['proof']} {', '.join(taken)}." if taken else words[event.kind]
    moved_to = event.detail.get("to_on") if event.kind is CustodyKind.RESCHEDULED else None
    return (
        words["moved_to"].format(day=day_words(date.fromisoformat(moved_to), locale)) if moved_to else words[event.kind]
    )


def _delays(session: Session, delivery: Delivery, words: dict[str, str], locale: str) -> Iterator[ThreadEvent]:
    told_until = delivery.window_end_at
    for change in promises(session, delivery.id):
        if change.hi_at - told_until < TOLD_FROM:
            continue
        told_until = change.hi_at
        on = change.at.astimezone(ZoneInfo(delivery.zone)).date()
        when = hours(change.lo_at, change.hi_at, delivery.zone, on, locale)
        text = words["delayed"].format(cause=words.get(change.cause or "", ""), when=when)
        yield ThreadEvent(-(_PROMISE_IDS + change.id), change.at, text)
