"""One conversation: the thread, the facts beside it, and what support can do in it."""

from dataclasses import dataclass

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging import support
from messaging.chat_lines import EmptyMessage, MessageTooLong, Origin, VersionConflict, Voice
from messaging.conversations import mark_seen, say
from messaging.kinds import Channel
from messaging.threads import Thread, thread
from portal import accounts
from portal.accounts import Role, StaffAccount
from portal.htmx import htmx
from portal.services import services
from portal.staff import words
from portal.staff.facts import Facts, facts_of
from portal.staff.shell import blueprint, done, me, note_view, refused, requires
from tracking.deliveries import load
from tracking.facts import Fact, chat_changed, inbox_changed, publish
from tracking.ids import new_id

SHOWN = 200
_CARRIED = {"sms": "text", "email": "email"}


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of the thread."""

    id: int
    kind: str  # mine, theirs, driver, system, internal
    author: str
    body: str
    at: str
    meta: str
    assumed: str


@dataclass(frozen=True, slots=True)
class TalkView:
    """What the page shows. ``conflict`` are the lines that somebody else wrote while this person typed."""

    facts: Facts
    lines: tuple[LineView, ...]
    version: int
    waits: str
    reader: str
    owner_id: str | None
    owner: str
    taken_by: str
    is_mine: bool
    can_hand_back: bool
    staff: tuple[tuple[str, str], ...]
    problem: str = ""
    typed: str = ""
    is_note: bool = False
    request_id: str = ""


@blueprint.get("/conversations/<delivery_id>")
@requires(Role.AGENT)
def conversation(delivery_id: str) -> ResponseReturnValue:
    """Show the thread; that it was seen, and by whom, goes on record."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        is_news = mark_seen(session, delivery_id, reader=Voice.SUPPORT, now=now)
        note_view(session, "view", "conversation", delivery_id, now)
        view = _view(session, delivery_id)
    if is_news:
        publish(mine.redis, [chat_changed(delivery_id), inbox_changed()])
    return render_template("staff/conversation.html", view=view)


@blueprint.get("/conversations/<delivery_id>/part")
@requires(Role.AGENT, counts_as_use=False)
def conversation_part(delivery_id: str) -> ResponseReturnValue:
    """Thread and facts, for the page that is open; lines that came in meanwhile count as seen."""
    mine = services()
    now = mine.clock.now()
    with mine.database.reading() as session:
        view = _view(session, delivery_id)
        has_news = bool(thread(session, delivery_id, audience=Voice.SUPPORT, now=now, limit=SHOWN).unseen)
    if has_news:
        with mine.database.writing() as session:
            mark_seen(session, delivery_id, reader=Voice.SUPPORT, now=now)
        publish(mine.redis, [chat_changed(delivery_id), inbox_changed()])
    return render_template("staff/_conversation.html", view=view)


@blueprint.post("/conversations/<delivery_id>/say")
@requires(Role.AGENT)
def answer(delivery_id: str) -> ResponseReturnValue:
    """Send a line, or keep an internal note. A line over somebody else's is refused and what they wrote is shown."""
    mine = services()
    body, is_note = request.form.get("body", ""), request.form.get("note") == "yes"
    version = request.form.get("version", "")
    try:
        with mine.database.writing() as session:
            say(
                session,
                delivery_id=delivery_id,
                voice=Voice.SUPPORT,
                origin=Origin.PAGE,
                actor_id=me().id,
                body=body,
                now=mine.clock.now(),
                request_id=request.form.get("request_id") or None,
                expected_version=int(version) if version.isdigit() else None,
                is_internal=is_note,
            )
            note_view(session, "note" if is_note else "answer", "conversation", delivery_id, mine.clock.now())
    except (VersionConflict, EmptyMessage, MessageTooLong) as error:
        status = 409 if isinstance(error, VersionConflict) else 422
        return _again(delivery_id, str(error), body, is_note), status
    tell(delivery_id)
    mine.wake.send(Channel.SMS)
    if htmx:
        return render_template("staff/_talk.html", view=_fresh(delivery_id))
    return done("staff.conversation", delivery_id=delivery_id, _anchor="reply")


@blueprint.post("/conversations/<delivery_id>/<any('take-over', 'hand-back', 'settle'):step>")
@requires(Role.AGENT)
def step(delivery_id: str, step: str) -> ResponseReturnValue:
    """Take over from the driver, hand back, or say that nothing needs an answer."""
    act = {"take-over": support.take_over, "hand-back": support.hand_back, "settle": support.settle}[step]
    said = {
        "take-over": "You have this conversation now. The driver sees that.",
        "hand-back": "The driver answers again.",
        "settle": "Taken off the list of the unanswered.",
    }[step]
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        load(session, delivery_id)
        has_changed = act(session, delivery_id, me().id, now)
        note_view(session, step, "conversation", delivery_id, now)
    tell(delivery_id)
    return done("staff.conversation", said if has_changed else None, delivery_id=delivery_id)


@blueprint.post("/conversations/<delivery_id>/assign")
@requires(Role.AGENT)
def assign(delivery_id: str) -> ResponseReturnValue:
    """Say who of support looks after this conversation; empty for nobody."""
    mine = services()
    now, wanted = mine.clock.now(), request.form.get("staff_id") or None
    with mine.database.writing() as session:
        load(session, delivery_id)
        account = session.get(StaffAccount, wanted) if wanted else None
        if wanted and (account is None or account.disabled_at is not None):
            return refused("staff.conversation", "There is no such person.", delivery_id=delivery_id)
        support.assign(session, delivery_id, wanted, now)
        note_view(session, "assign", "conversation", delivery_id, now)
    tell(delivery_id)
    to = account.name if account else "nobody"
    return done("staff.conversation", f"Given to {to}.", delivery_id=delivery_id)


def tell(delivery_id: str) -> None:
    """Tell the live pages that a conversation changed, after commit."""
    told: list[Fact] = [chat_changed(delivery_id), inbox_changed()]
    publish(services().redis, told)


def _fresh(delivery_id: str) -> TalkView:
    with services().database.reading() as session:
        return _view(session, delivery_id)


def _again(delivery_id: str, problem: str, typed: str, is_note: bool) -> str:
    """Return the page, or its reply part, with what was typed kept and the lines that came in between shown."""
    with services().database.reading() as session:
        view = _view(session, delivery_id, problem=problem, typed=typed, is_note=is_note)
    return render_template("staff/_talk.html" if htmx else "staff/conversation.html", view=view)


def _view(session: Session, delivery_id: str, *, problem: str = "", typed: str = "", is_note: bool = False) -> TalkView:
    now = services().clock.now()
    delivery = load(session, delivery_id)
    found = thread(session, delivery_id, audience=Voice.SUPPORT, now=now, limit=SHOWN)
    names = accounts.names_of(session)
    in_use = [person for person in accounts.everybody(session) if person.disabled_at is None]
    return TalkView(
        facts=facts_of(session, delivery, now),
        lines=_lines(found, names, delivery.zone),
        version=found.version,
        waits=f"Waits {words.span(now - found.waiting_since)} for an answer" if found.waiting_since else "",
        reader=_reader(found, delivery.stop.route.driver.name, names),
        owner_id=found.assigned_to,
        owner=names.get(found.assigned_to or "", ""),
        taken_by=names.get(found.taken_over_by or "", ""),
        is_mine=found.taken_over_by == me().id,
        can_hand_back=found.taken_over_by is not None,
        staff=tuple((person.id, person.name) for person in in_use),
        problem=problem,
        typed=typed,
        is_note=is_note,
        request_id=new_id(),
    )


def _reader(found: Thread, driver: str, names: dict[str, str]) -> str:
    """Return who reads what the recipient writes."""
    if found.taken_over_by:
        return f"{names.get(found.taken_over_by, 'Support')} has taken over; {driver} reads along"
    if found.state.with_whom == "driver":
        return f"{driver} answers; you can write too"
    return "Only support reads this now" if found.state.with_whom == "support" else "Closed for the recipient"


def _lines(found: Thread, names: dict[str, str], zone: str) -> tuple[LineView, ...]:
    shown = []
    for line in found.lines:
        kind = {Voice.RECIPIENT: "theirs", Voice.DRIVER: "driver", Voice.SYSTEM: "system"}.get(line.voice, "mine")
        carried = ""
        if line.carried_by and line.carried_status:
            status = words.NOTIFICATION_BY_VALUE[line.carried_status].word.lower()
            carried = f"{_CARRIED[line.carried_by]}: {status}"
        by = {"sms": "by text", "email": "by email"}.get(line.origin.value, "")
        meta = [part for part in (words.clock(line.at, zone), by, line.seen, carried) if part]
        author = names.get(line.actor_id, line.author) if line.voice is Voice.SUPPORT else line.author
        shown.append(
            LineView(
                id=line.id,
                kind="internal" if line.is_internal else kind,
                author=author,
                body=line.body,
                at=line.at.isoformat(),
                meta=" · ".join(meta),
                assumed=line.assumed,
            )
        )
    return tuple(shown)
