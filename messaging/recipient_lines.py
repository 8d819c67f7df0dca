"""Recipient lines: a text put into the thread of a delivery, with an honest word when the driver is done."""

from datetime import timedelta

from messaging.cases import TaskKind, open_task
from messaging.chat_lines import MAX_LENGTH, EmptyMessage, Origin, Voice, clean_body, first_name, pieces_of
from messaging.chat_pictures import NO_WORDS as PICTURE
from messaging.chat_pictures import has_pictures
from messaging.chat_states import chat_state, facts_of
from messaging.conversations import note_event, say
from messaging.inbound_reading import Reading
from messaging.inbound_texts import InboundMessage, ReadAs
from messaging.kinds import Channel
from messaging.opt_out_words import asks_to_cancel
from messaging.support import was_taken_over
from tracking.deliveries import Delivery
from tracking.driving import is_driving

NO_WORDS = "(a message without words)"
AFTER_NOTE = "This message came when the driver was done. Support has it."
LATE_REPLY_EVERY = timedelta(hours=24)
DRIVING_REPLY_EVERY = timedelta(minutes=30)


def chat(reading: Reading, delivery: Delivery, *, assumed: str = "", held: InboundMessage | None = None) -> None:
    """Say the text (or the one held back until now) as the recipient, in as many lines as it needs."""
    inbound = held or reading.inbound
    facts = facts_of(delivery, is_taken_over=False)
    state = chat_state(facts, audience=Voice.RECIPIENT, now=reading.now)
    without_words = PICTURE if has_pictures(reading.session, inbound.id) else NO_WORDS
    for number, part in enumerate(_parts(inbound.body, without_words)):
        say(
            reading.session,
            delivery_id=delivery.id,
            voice=Voice.RECIPIENT,
            origin=Origin.EMAIL if inbound.channel is Channel.EMAIL else Origin.SMS,
            actor_id="",
            body=part,
            now=reading.now,
            request_id=f"inbound-{inbound.id}-{number}",
            inbound_id=inbound.id,
            even_when_closed=True,
            ids=reading.context.ids,
        )
    inbound.read_as, inbound.delivery_id, inbound.assumed = ReadAs.CHAT, delivery.id, assumed
    if held is None:
        reading.settle(ReadAs.CHAT, delivery.id, assumed)
    reading.changed(delivery.id)
    if state.code == "after":
        note_event(reading.session, delivery.id, AFTER_NOTE, reading.now, key="after")
    if state.code == "closed":
        note_event(
            reading.session,
            delivery.id,
            "This message came after the chat had closed.",
            reading.now,
            key=f"late-{inbound.id}",
        )
    if delivery.is_open and asks_to_cancel(inbound.body):
        _maybe_cancel(reading, delivery, inbound)


def tell_when_late(reading: Reading, delivery: Delivery) -> None:
    """Say, once a day, that support reads this and not the driver, when the delivery is over."""
    state = chat_state(facts_of(delivery, is_taken_over=False), audience=Voice.RECIPIENT, now=reading.now)
    if state.code in {"after", "closed"}:
        reading.reply("late_reply", delivery.locale, delivery_id=delivery.id, at_most_every=LATE_REPLY_EVERY)


def tell_when_driving(reading: Reading, delivery: Delivery) -> None:
    """Say, once in half an hour, that the driver drives and sees this at the next stop."""
    is_taken_over = was_taken_over(reading.session, delivery.id)
    state = chat_state(facts_of(delivery, is_taken_over=is_taken_over), audience=Voice.RECIPIENT, now=reading.now)
    if state.code != "driver" or not is_driving(reading.session, delivery.stop.route_id, reading.now):
        return
    name = first_name(delivery.stop.route.driver.name)
    every = DRIVING_REPLY_EVERY
    reading.reply("driving", delivery.locale, delivery_id=delivery.id, at_most_every=every, name=name)


def _parts(body: str, without_words: str) -> list[str]:
    try:
        return [clean_body(body)] if len(body) <= MAX_LENGTH else [piece or without_words for piece in pieces_of(body)]
    except EmptyMessage:
        return [without_words]


def _maybe_cancel(reading: Reading, delivery: Delivery, inbound: InboundMessage) -> None:
    open_task(
        reading.session,
        key=f"maybe-cancel/{inbound.id}",
        kind=TaskKind.MAYBE_CANCEL,
        reason=f'The recipient wrote "{inbound.body[:200]}". Nothing was cancelled.',
        now=reading.now,
        ids=reading.context.ids,
        delivery_id=delivery.id,
        inbound_id=inbound.id,
    )
    reading.reply("maybe_cancel", delivery.locale, delivery_id=delivery.id)
