"""Consent by text: STOP, START and HELP, read before all else, never relayed and never a rating (messaging.md 4.2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from messaging.candidates import candidates_of
from messaging.cases import Task, TaskKind, open_task, resolve_task
from messaging.consent import ConsentAction, contact_hash, has_opted_out, note_consent
from messaging.inbound_reading import Reading
from messaging.inbound_texts import InboundMessage, ReadAs
from messaging.opt_out_words import (
    ConsentWord,
    consent_word,
    is_answered_by_twilio,
    may_mean_the_delivery,
    words_of,
)
from messaging.resolution import Candidate
from tracking.actors import Actor, ActorKind
from tracking.deliveries import mark_plan_dirty
from tracking.drivers import Driver

WORDING_LENGTH = 200


def read_consent(reading: Reading, *, candidates: list[Candidate], driver: Driver | None, locale: str) -> bool:
    """Act on a text about consent; False when it is about something else."""
    inbound = reading.inbound
    word = consent_word(inbound.body)
    told = inbound.opt_out_type.upper()
    if driver is not None and word is ConsentWord.STOP_PHRASE:
        word = None  # a driver writes about stops all day
    if told == "STOP" or word in {ConsentWord.STOP, ConsentWord.STOP_PHRASE}:
        _opt_out(reading, word, candidates=candidates, is_driver=driver is not None, locale=locale)
    elif (
        word is ConsentWord.START
        or (told == "START" and word is not ConsentWord.YES)
        or (word is ConsentWord.YES and _is_out(reading))
    ):
        _opt_in(reading, candidates, locale)
    elif word is ConsentWord.HELP:
        _help(reading, locale, is_driver=driver is not None)
    else:
        return False
    return True


def _opt_out(
    reading: Reading, word: ConsentWord | None, *, candidates: list[Candidate], is_driver: bool, locale: str
) -> None:
    inbound = reading.inbound
    is_phrase = word is ConsentWord.STOP_PHRASE
    source = "provider" if inbound.opt_out_type else ("sms_phrase" if is_phrase else "sms_word")
    was_out = _is_out(reading)
    _note(reading, ConsentAction.OPT_OUT, source)
    _replan(reading, candidates)
    opened = [one for one in candidates if one.is_open]
    delivery_id = candidates[0].delivery_id if len(candidates) == 1 else None
    if is_phrase or is_driver:
        who = "A driver" if is_driver else "Somebody"
        reason = (
            f'{who} wrote "{inbound.body[:WORDING_LENGTH]}". We took it as an opt-out; undo it if it was not meant.'
        )
        _task(reading, "opt-out", TaskKind.OPT_OUT_REVIEW, reason, delivery_id)
    if opened and may_mean_the_delivery(inbound.body):
        reason = f'"{inbound.body[:WORDING_LENGTH]}" opted out of texts, but may have meant to cancel the delivery.'
        _task(reading, "maybe-cancel", TaskKind.MAYBE_CANCEL, reason, opened[0].delivery_id)
    reading.settle(ReadAs.OPT_OUT, delivery_id)
    if not was_out and not _is_answered(reading):
        reading.reply("opted_out", locale, is_opt_out_confirmation=True)  # once: who is out gets nothing more


def _opt_in(reading: Reading, candidates: list[Candidate], locale: str) -> None:
    was_out = _is_out(reading)
    _note(reading, ConsentAction.OPT_IN, "provider" if reading.inbound.opt_out_type else "sms_word")
    _replan(reading, candidates)
    reading.settle(ReadAs.OPT_IN)
    if was_out and reading.context.opt_out_replies == "ours":
        reading.reply("opted_in", locale)


def _help(reading: Reading, locale: str, *, is_driver: bool) -> None:
    reading.settle(ReadAs.HELP)
    if words_of(reading.inbound.body) == "AYUDA":
        locale = "es"  # who asks in Spanish is answered in Spanish, whatever the file said
    if not _is_answered(reading):
        reading.reply("driver_help" if is_driver else "help", locale)


def _is_answered(reading: Reading) -> bool:
    """Tell whether Twilio answers this text: then ours would be the second answer, or be refused."""
    inbound = reading.inbound
    is_theirs = inbound.opt_out_type != "" or is_answered_by_twilio(inbound.body)
    return is_theirs and reading.context.opt_out_replies == "twilio"


def _is_out(reading: Reading) -> bool:
    return has_opted_out(
        reading.session, contact_hash(reading.address, reading.context.pepper), reading.inbound.channel
    )


def _note(reading: Reading, action: ConsentAction, source: str) -> None:
    note_consent(
        reading.session,
        contact=contact_hash(reading.address, reading.context.pepper),
        channel=reading.inbound.channel,
        action=action,
        source=source,
        actor=Actor(ActorKind.RECIPIENT, ""),
        now=reading.now,
        wording=reading.inbound.body[:WORDING_LENGTH],
        evidence=reading.inbound.provider_ref,
    )


def _replan(reading: Reading, candidates: list[Candidate]) -> None:
    opened = [one.delivery_id for one in candidates if one.is_open]
    if opened:
        mark_plan_dirty(reading.session, opened, reading.now)


def _task(reading: Reading, about: str, kind: TaskKind, reason: str, delivery_id: str | None) -> None:
    open_task(
        reading.session,
        key=f"{about}/{reading.inbound.id}",
        kind=kind,
        reason=reason,
        now=reading.now,
        ids=reading.context.ids,
        delivery_id=delivery_id,
        inbound_id=reading.inbound.id,
    )
    reading.inbox_changed()


def undo_opt_out(session: Session, task_id: str, *, staff_id: str, now: datetime, pepper: str) -> bool:
    """Take back an opt-out that a phrase was read as and nobody meant; False when the task is settled already."""
    task = session.get(Task, task_id)
    inbound = session.get(InboundMessage, task.inbound_id) if task is not None and task.inbound_id else None
    if task is None or inbound is None or task.kind is not TaskKind.OPT_OUT_REVIEW:
        return False
    if not resolve_task(session, task_id, resolved_by=staff_id, resolution="It was not meant as an opt-out.", now=now):
        return False
    note_consent(
        session,
        contact=contact_hash(inbound.from_address, pepper),
        channel=inbound.channel,
        action=ConsentAction.OPT_IN,
        source="staff",
        actor=Actor(ActorKind.STAFF, staff_id),
        now=now,
        evidence=inbound.provider_ref,
    )
    opened = [one.delivery_id for one in candidates_of(session, inbound.from_address, inbound.channel, now)]
    if opened:
        mark_plan_dirty(session, opened, now)
    return True
