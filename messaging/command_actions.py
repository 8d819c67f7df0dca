"""Command actions: what STATUS, NOTE, LATE and the others do to a delivery, and what is answered."""

from zoneinfo import ZoneInfo

from messaging.chat_lines import Origin, Voice
from messaging.commands import Asked, Command
from messaging.conversations import say
from messaging.inbound_reading import Reading
from messaging.inbound_texts import InboundMessage
from messaging.rating_answers import rate_by_word
from messaging.recipient_acts import ask_for_call, come_late
from messaging.reply_texts import ECHO_LENGTH, expected, reply_text, short, status_text
from messaging.wish_commands import WISH_COMMANDS, act_on_wish
from messaging.wishes import WishRefused
from tracking.deliveries import Delivery, DeliveryStatus, mark_plan_dirty

_DONE = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED})
MAX_NOTE_LENGTH = 1000


def act_on(reading: Reading, asked: Asked, delivery: Delivery, inbound: InboundMessage) -> None:
    """Do what ``inbound`` asked for about ``delivery`` (loaded whole) and answer; too late gets a sentence."""
    if asked.command is Command.HELP:
        reading.reply("help", delivery.locale, delivery_id=delivery.id)
    elif asked.command in {Command.STATUS, Command.ETA}:
        _tell(reading, asked.command, delivery)
    elif asked.command is Command.CALL:
        _call(reading, delivery, inbound)
    elif asked.command is Command.RATE:
        rate_by_word(reading, asked.text, delivery)
    elif asked.command in WISH_COMMANDS:
        act_on_wish(reading, asked, delivery, inbound)
    elif delivery.status in _DONE:
        state = status_text(delivery, delivery.locale, reading.now)
        reading.reply("too_late", delivery.locale, delivery_id=delivery.id, state=state)
    elif asked.command is Command.LATE:
        _late(reading, asked.minutes, delivery, inbound)
    else:
        _note(reading, asked, delivery, inbound)


def _call(reading: Reading, delivery: Delivery, inbound: InboundMessage) -> None:
    ask_for_call(
        reading.session,
        delivery.id,
        origin=Origin.SMS,
        now=reading.now,
        request_id=f"inbound-{inbound.id}",
        inbound_id=inbound.id,
        ids=reading.context.ids,
    )
    reading.changed(delivery.id, is_delivery=True)
    reading.reply("call", delivery.locale, delivery_id=delivery.id)


def _tell(reading: Reading, command: Command, delivery: Delivery) -> None:
    locale = delivery.locale
    if command is Command.ETA and delivery.is_open and delivery.status is not DeliveryStatus.ARRIVED:
        today = reading.now.astimezone(ZoneInfo(delivery.zone)).date()
        when = expected(delivery, locale, today)
        key = "planned" if delivery.status is DeliveryStatus.SCHEDULED else "on_way"
        what = short(delivery.items, ECHO_LENGTH // 2) or reply_text("delivery", locale)
        text = reply_text(key, locale, what=what, when=when)
    else:
        text = status_text(delivery, locale, reading.now)
    url = reading.context.page_url(reading.session, delivery.id) if reading.context.page_url else None
    said = f"{reading.context.company_name}: {text}" + (f" {url}" if url else "")
    reading.answer(command.value, said, locale, delivery_id=delivery.id)


def _late(reading: Reading, minutes: int | None, delivery: Delivery, inbound: InboundMessage) -> None:
    if minutes is None:
        reading.reply("late_how", delivery.locale, delivery_id=delivery.id)
        return
    try:
        come_late(
            reading.session,
            delivery.id,
            minutes,
            origin=Origin.SMS,
            now=reading.now,
            request_id=f"inbound-{inbound.id}",
            inbound_id=inbound.id,
            ids=reading.context.ids,
        )
    except WishRefused:
        state = status_text(delivery, delivery.locale, reading.now)
        reading.reply("too_late", delivery.locale, delivery_id=delivery.id, state=state)
        return
    reading.changed(delivery.id, is_delivery=True)
    reading.reply("late", delivery.locale, delivery_id=delivery.id, minutes=minutes)


def _note(reading: Reading, asked: Asked, delivery: Delivery, inbound: InboundMessage) -> None:
    if not asked.text:
        reading.reply("note_how", delivery.locale, delivery_id=delivery.id)
        return
    delivery.recipient_note = _with(delivery.recipient_note, asked.text)
    delivery.recipient_note_at = reading.now
    reading.session.flush()
    mark_plan_dirty(reading.session, [delivery.id], reading.now)
    _speak(reading, delivery, inbound, asked.text)
    reading.reply("noted", delivery.locale, delivery_id=delivery.id, text=short(asked.text, ECHO_LENGTH))


def _with(before: str, note: str) -> str:
    """Return the notes with the new one last; the oldest lines go when it gets too long. A repeat changes nothing."""
    lines = [line for line in before.split("\n") if line and line != note]
    lines.append(note)
    while len("\n".join(lines)) > MAX_NOTE_LENGTH and len(lines) > 1:
        lines.pop(0)
    return "\n".join(lines)


def _speak(reading: Reading, delivery: Delivery, inbound: InboundMessage, text: str) -> None:
    """Put the request in the thread, so that driver and support see it where they look."""
    say(
        reading.session,
        delivery_id=delivery.id,
        voice=Voice.RECIPIENT,
        origin=Origin.SMS,
        actor_id="",
        body=text,
        now=reading.now,
        request_id=f"inbound-{inbound.id}",
        inbound_id=inbound.id,
        even_when_closed=True,
        wants_answer=False,
        ids=reading.context.ids,
    )
    reading.changed(delivery.id, is_delivery=True)
