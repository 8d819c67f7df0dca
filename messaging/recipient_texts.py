"""Recipient texts: an answer to what we asked, then a command, then chat; asks back when the delivery is not clear."""

from datetime import timedelta

from messaging.candidates import as_candidates
from messaging.cases import TaskKind, open_task, resolve_task_of
from messaging.command_actions import act_on
from messaging.commands import Command, parse_command
from messaging.inbound_reading import Reading
from messaging.inbound_texts import InboundMessage, QuestionKind, ReadAs
from messaging.questions import ask, close, open_question, times_asked
from messaging.rating_answers import read_answer
from messaging.recipient_lines import chat, tell_when_driving, tell_when_late
from messaging.reply_texts import choices_text
from messaging.resolution import Candidate, Resolved, chosen, resolve
from tracking.deliveries import Delivery, load

MOST_ASKED = 2  # times we ask "which?" before we assume; our choice
ASKED_WITHIN = timedelta(minutes=30)
UNKNOWN_REPLY_EVERY = timedelta(hours=24)


def read_recipient(reading: Reading, candidates: list[Candidate]) -> None:
    """Read the text of somebody who is no driver. ``candidates`` is what the number may be writing about."""
    if _picked(reading) or read_answer(reading):
        return
    if not candidates:
        _unmatched(reading)
        return
    found = resolve(candidates, reading.inbound.body, reading.now)
    if found.delivery_id is None:
        found = _ask_which(reading, found)
    if found.delivery_id is not None:
        _act(reading, reading.inbound, load(reading.session, found.delivery_id), found.assumed)


def _act(reading: Reading, inbound: InboundMessage, delivery: Delivery, assumed: str) -> None:
    """Do what ``inbound`` asks about a delivery that is known now: a command, or chat."""
    held = inbound if inbound is not reading.inbound else None
    asked = parse_command(inbound.body)
    if asked is None:
        chat(reading, delivery, assumed=assumed, held=held)
        tell_when_late(reading, delivery)
        tell_when_driving(reading, delivery)
        return
    act_on(reading, asked, delivery, inbound)
    inbound.read_as, inbound.delivery_id, inbound.assumed = ReadAs.COMMAND, delivery.id, assumed
    if held is None:
        reading.settle(ReadAs.COMMAND, delivery.id, assumed)


def _picked(reading: Reading) -> bool:
    """Read an answer to "which delivery?", and then the text that had to wait for it."""
    question = open_question(reading.session, reading.address, QuestionKind.WHICH_DELIVERY, reading.now)
    if question is None or question.inbound_id is None:
        return False
    offered = [load(reading.session, delivery_id) for delivery_id in question.choices.split(",")]
    picked = chosen(as_candidates(reading.session, offered, reading.address), reading.inbound.body)
    if picked is None:
        return False
    held = reading.session.get(InboundMessage, question.inbound_id)
    close(reading.session, reading.address, QuestionKind.WHICH_DELIVERY, reading.now)
    reading.settle(ReadAs.ANSWER, picked)
    if held is not None and held.delivery_id is None:
        delivery = next(one for one in offered if one.id == picked)
        _act(reading, held, delivery, "the recipient chose it")
        resolve_task_of(
            reading.session, _which_key(held), resolution="The recipient told us which delivery.", now=reading.now
        )
    return True


def _ask_which(reading: Reading, found: Resolved) -> Resolved:
    """Ask "A or B?" and hold the text; after two questions without an answer, assume the first and say so to staff."""
    asked = times_asked(reading.session, reading.address, QuestionKind.WHICH_DELIVERY, reading.now - ASKED_WITHIN)
    if asked >= MOST_ASKED:
        return Resolved(found.choices[0], f"asked {asked} times which of {len(found.choices)}, without an answer")
    offered = [load(reading.session, delivery_id) for delivery_id in found.choices]
    locale = offered[0].locale
    ask(
        reading.session,
        address=reading.address,
        kind=QuestionKind.WHICH_DELIVERY,
        now=reading.now,
        ids=reading.context.ids,
        inbound_id=reading.inbound.id,
        choices=found.choices,
    )
    command = parse_command(reading.inbound.body)
    reading.settle(ReadAs.CHAT if command is None else ReadAs.COMMAND)
    if command is None or command.command not in {Command.STATUS, Command.ETA, Command.HELP}:
        _show_staff(reading, offered)
    reading.reply("which", locale, choices=choices_text(offered, locale, reading.now))
    return found


def _which_key(inbound: InboundMessage) -> str:
    return f"which/{inbound.id}"


def _show_staff(reading: Reading, offered: list[Delivery]) -> None:
    """List the text for staff while it waits, so that it is not lost when no answer comes."""
    references = " or ".join(one.reference for one in offered)
    open_task(
        reading.session,
        key=_which_key(reading.inbound),
        kind=TaskKind.UNMATCHED_INBOUND,
        reason=f'"{reading.inbound.body[:300]}" may be about {references}. We asked which.',
        now=reading.now,
        ids=reading.context.ids,
        inbound_id=reading.inbound.id,
    )
    reading.inbox_changed()


def _unmatched(reading: Reading) -> None:
    reading.settle(ReadAs.UNMATCHED)
    open_task(
        reading.session,
        key=f"unmatched/{reading.inbound.id}",
        kind=TaskKind.UNMATCHED_INBOUND,
        reason=f'A number we do not know wrote "{reading.inbound.body[:300]}".',
        now=reading.now,
        ids=reading.context.ids,
        inbound_id=reading.inbound.id,
    )
    reading.inbox_changed()
    reading.reply("unknown", reading.context.default_locale, at_most_every=UNKNOWN_REPLY_EVERY)
