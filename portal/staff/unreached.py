"""Could not be reached: who does not know, why, what was tried and what to do; also as CSV."""

from dataclasses import dataclass
from datetime import datetime

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.cases import TaskKind, resolve_task
from messaging.consent import pepper_of
from messaging.contacts import masked
from messaging.dead_addresses import living_contact
from messaging.kinds import Channel
from messaging.unreached import SYSTEM, Tried, Unreached, reopen, send_again, unreached
from portal import accounts
from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.csv_cells import csv_answer
from portal.staff.links import send_to_recipient
from portal.staff.shell import blueprint, done, me, note_view, offer_undo, refused, requires
from portal.staff.unreached_words import what_to_do
from portal.staff.words import Badge
from tracking.errors import NotFound
from tracking.facts import inbox_changed, publish
from tracking.ids import new_id


@dataclass(frozen=True, slots=True)
class TriedRow:
    """One try: by what, to whom, when, and what came of it."""

    channel: str
    to: str
    at: str
    badge: Badge
    why: str
    code: str


@dataclass(frozen=True, slots=True)
class UnreachedRow:
    """One line of the list. ``settled`` says how and by whom it left it; empty while it is on it."""

    id: str
    kind: Badge
    name: str
    reference: str
    to: str
    message: str
    reason: str
    code: str
    opened: str
    age: str
    tried: tuple[TriedRow, ...]
    tried_before: str
    what_to_do: str
    resend: str  # what its button says; empty when nothing could arrive
    can_call: bool
    delivery_id: str
    settled: str


@blueprint.get("/unreached")
@requires(Role.AGENT)
def unreached_page() -> ResponseReturnValue:
    """List who could not be reached, oldest first, or what was settled within a week."""
    show = "settled" if request.args.get("show") == "settled" else "open"
    return render_template("staff/unreached.html", rows=_rows(settled=show == "settled"), show=show)


@blueprint.get("/unreached/part")
@requires(Role.AGENT, counts_as_use=False)
def unreached_part() -> ResponseReturnValue:
    """The list alone."""
    show = "settled" if request.args.get("show") == "settled" else "open"
    return render_template("staff/_unreached.html", rows=_rows(settled=show == "settled"), show=show)


@blueprint.get("/unreached.csv")
@requires(Role.AGENT)
def unreached_csv() -> ResponseReturnValue:
    """The open list for a spreadsheet. Numbers and addresses are masked in it too."""
    mine = services()
    header = ("since", "recipient", "reference", "message", "to", "reason", "code", "tried", "what_to_do")
    told = []
    for row in _rows(settled=False):
        tried = "; ".join(f"{one.channel} to {one.to}, {one.at}: {one.badge.word}" for one in row.tried)
        place = (row.opened, row.name, row.reference, row.message, row.to)
        told.append((*place, row.reason, row.code, tried, row.what_to_do))
    with mine.database.writing() as session:
        note_view(session, "export", "unreached", "open", mine.clock.now())
    return csv_answer("could-not-be-reached", header, told)


@blueprint.post("/unreached/<task_id>/resend")
@requires(Role.AGENT)
def unreached_resend(task_id: str) -> ResponseReturnValue:
    """Send the message again while its words are true; else the link to their page, which is always true."""
    mine = services()
    now, pepper = mine.clock.now(), pepper_of(mine.settings.secret_keys)
    with mine.database.writing() as session:
        row = line_of(session, task_id, now)
        if row.delivery is None:
            raise NotFound("task", task_id)
        channels = send_again(session, task_id, now=now, ids=new_id, pepper=pepper)
        what = "The message"
        if not channels:
            what = "The link to their page"
            to = living_contact(session, row.delivery, pepper)
            channels = send_to_recipient(session, row.delivery, now=now, ids=new_id, to=to)
        note_view(session, "resend", "task", task_id, now)
    if not channels:
        sentence = "There is no address it could arrive at. Call them."
        return refused("staff.unreached_page", sentence, _anchor=f"task-{task_id}")
    for channel in channels:
        mine.wake.send(channel)
    by = " and ".join(words.CHANNEL[channel] for channel in channels)
    return done("staff.unreached_page", f"{what} goes out by {by} now. When it arrives, this line settles itself.")


@blueprint.post("/unreached/<task_id>/settle")
@requires(Role.AGENT)
def unreached_settle(task_id: str) -> ResponseReturnValue:
    """Take a line off the list with a word on how; it can be taken back on the next page."""
    mine = services()
    now, how = mine.clock.now(), " ".join(request.form.get("resolution", "").split())[:1000]
    if not how:
        sentence = "Say in a few words how this was settled."
        return refused("staff.unreached_page", sentence, _anchor=f"task-{task_id}")
    with mine.database.writing() as session:
        has_changed = resolve_task(session, task_id, resolved_by=me().id, resolution=how, now=now)
        note_view(session, "resolve", "task", task_id, now)
    publish(mine.redis, [inbox_changed()])
    if not has_changed:
        return done("staff.unreached_page", "Somebody settled it already.")
    offer_undo("Settled.", action=f"/staff/unreached/{task_id}/reopen", fields={})
    return done("staff.unreached_page")


@blueprint.post("/unreached/<task_id>/reopen")
@requires(Role.AGENT)
def unreached_reopen(task_id: str) -> ResponseReturnValue:
    """Put a settled line back on the list."""
    mine = services()
    with mine.database.writing() as session:
        has_changed = reopen(session, task_id, mine.clock.now())
        note_view(session, "reopen", "task", task_id, mine.clock.now())
    publish(mine.redis, [inbox_changed()])
    return done("staff.unreached_page", "It is on the list again." if has_changed else "It is on the list already.")


def line_of(session: Session, task_id: str, now: datetime) -> Unreached:
    """Return one line of the open list; raises ``NotFound``."""
    pepper = pepper_of(services().settings.secret_keys)
    for one in unreached(session, now=now, pepper=pepper):
        if one.task.id == task_id:
            return one
    raise NotFound("task", task_id)


def _rows(*, settled: bool) -> list[UnreachedRow]:
    mine = services()
    now, pepper = mine.clock.now(), pepper_of(mine.settings.secret_keys)
    with mine.database.reading() as session:
        found = unreached(session, now=now, pepper=pepper, settled=settled)
        names = accounts.names_of(session)
    return [_row(one, names, now) for one in found]


def _row(one: Unreached, names: dict[str, str], now: datetime) -> UnreachedRow:
    task, failed, delivery = one.task, one.failed, one.delivery
    zone = delivery.zone if delivery else services().settings.default_zone
    code = (failed.error_code or "") if failed else ""
    who = "by itself" if task.resolved_by == SYSTEM else names.get(task.resolved_by or "", "somebody")
    when = words.moment(task.resolved_at, zone, now)
    return UnreachedRow(
        id=task.id,
        kind=words.TASK[task.kind],
        name=delivery.recipient_name if delivery else "",
        reference=delivery.reference if delivery else "",
        to=masked(failed.to_address or "") if failed else "",
        message=words.KIND[failed.kind] if failed else "",
        reason=_reason(one),
        code=code,
        opened=words.moment(task.opened_at, zone, now),
        age=words.ago(task.opened_at, now),
        tried=tuple(_tried(each, zone, now) for each in one.tried),
        tried_before="" if one.tried else task.tried,
        what_to_do=what_to_do(task.kind, failed.channel if failed else None, code),
        resend=_resend_word(one),
        can_call=bool(number_of(one)),
        delivery_id=delivery.id if delivery else "",
        settled=f"{task.resolution} Settled {who}, {when}." if task.resolved_at else "",
    )


def _resend_word(one: Unreached) -> str:
    if one.can_resend:
        return "Send it again"
    return "Send their page’s link" if one.can_write else ""


def number_of(one: Unreached) -> str:
    """Return the number they can be called at: that of today, else what the message went to; empty without one."""
    if one.delivery is not None:
        return one.delivery.phone or ""
    is_text = one.failed is not None and one.failed.channel is Channel.SMS
    return (one.failed.to_address or "") if one.failed is not None and is_text else ""


def _reason(one: Unreached) -> str:
    """Return why it failed as a sentence; the task's own words where the message gave none."""
    told = one.failed.reason if one.failed and one.task.kind is TaskKind.COULD_NOT_REACH else ""
    return f"{told[:1].upper()}{told[1:].rstrip('.')}." if told else one.task.reason


def _tried(tried: Tried, zone: str, now: datetime) -> TriedRow:
    return TriedRow(
        channel=words.CHANNEL[tried.channel].capitalize(),
        to=tried.to,
        at=words.moment(tried.at, zone, now),
        badge=words.notification(tried.status, tried.channel),
        why=tried.why,
        code=tried.code,
    )
