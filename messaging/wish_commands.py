"""Wishes by text: SAFE, NEIGHBOR, DAY and UNDO, with the same effect as the page's card."""

from datetime import date

from messaging.chat_lines import Origin
from messaging.commands import Asked, Command
from messaging.inbound_reading import Reading
from messaging.inbound_texts import InboundMessage
from messaging.reply_texts import reply_text, status_text
from messaging.wish_actions import ask_for, possible_days, take_back
from messaging.wish_steps import possible
from messaging.wish_texts import day_words, days_words, short_wish, sms_text
from messaging.wishes import Wish, WishKind, WishRefused, WishStatus
from tracking.deliveries import Delivery
from tracking.facts import route_changed

KINDS = {
    Command.SAFE: WishKind.SAFE_PLACE,
    Command.NEIGHBOUR: WishKind.NEIGHBOUR,
    Command.DAY: WishKind.OTHER_DAY,
}
WISH_COMMANDS = frozenset({*KINDS, Command.UNDO})
DAYS_IN_A_TEXT = 4  # so that the answer fits two segments


def act_on_wish(reading: Reading, asked: Asked, delivery: Delivery, inbound: InboundMessage) -> None:
    """Ask for it or take it back, and answer; what is not possible now gets a sentence that says why."""
    try:
        if asked.command is Command.UNDO:
            take_back(reading.session, delivery.id, now=reading.now, ids=reading.context.ids)
            _answer(reading, delivery, asked.command, sms_text("withdrawn", delivery.locale))
        else:
            _ask(reading, asked, delivery, inbound)
    except WishRefused as refusal:
        _refuse(reading, delivery, asked.command, refusal)
        return
    reading.changed(delivery.id, is_delivery=True)
    reading.outcome.facts.append(route_changed(delivery.stop.route_id))


def _ask(reading: Reading, asked: Asked, delivery: Delivery, inbound: InboundMessage) -> None:
    kind, locale = KINDS[asked.command], delivery.locale
    days = possible_days(reading.session, delivery, reading.now)
    wanted_on = next((day for day in days if day.weekday() == asked.day), None)
    has_words = asked.day is not None if kind is WishKind.OTHER_DAY else bool(asked.text)
    if not has_words and kind in possible(delivery.status):
        _answer(reading, delivery, asked.command, _how(asked.command, days, locale))
        return
    wish = ask_for(
        reading.session,
        delivery.id,
        kind,
        what=asked.text,
        wanted_on=wanted_on,
        origin=Origin.SMS,
        now=reading.now,
        request_id=f"inbound-{inbound.id}",
        ids=reading.context.ids,
    )
    _answer(reading, delivery, asked.command, _said(wish, locale))


def _how(command: Command, days: list[date], locale: str) -> str:
    """Return how to say it, for a word that came alone."""
    if command is Command.SAFE:
        return reply_text("safe_how", locale)
    if command is Command.NEIGHBOUR:
        return sms_text("neighbour_how", locale)
    shown = days_words(days[:DAYS_IN_A_TEXT], locale)
    first = day_words(days[0], locale).replace(",", " ").split()[0].upper() if days else ""
    return sms_text("day_how", locale, first=first, days=shown)


def _said(wish: Wish, locale: str) -> str:
    key = "accepted" if wish.status is WishStatus.ACCEPTED else "asked"
    return sms_text(key, locale, wish=short_wish(wish, locale))


def _refuse(reading: Reading, delivery: Delivery, command: Command, refusal: WishRefused) -> None:
    if refusal.code == "over":
        state = status_text(delivery, delivery.locale, reading.now)
        reading.reply("too_late", delivery.locale, delivery_id=delivery.id, state=state)
        return
    days = possible_days(reading.session, delivery, reading.now)[:DAYS_IN_A_TEXT]
    text = sms_text(refusal.code, delivery.locale, days=days_words(days, delivery.locale))
    _answer(reading, delivery, command, text)


def _answer(reading: Reading, delivery: Delivery, command: Command, text: str) -> None:
    reading.answer(command.value, text, delivery.locale, delivery_id=delivery.id)
