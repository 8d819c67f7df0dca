"""What support does in a conversation: answer, note, take over, hand back, assign, settle, move a line."""

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging import support
from messaging.chat_lines import EmptyMessage, MessageTooLong, Origin, VersionConflict, Voice
from messaging.conversations import mark_seen, say
from messaging.kinds import Channel
from messaging.moved_lines import move_line
from portal.accounts import Role, StaffAccount
from portal.htmx import htmx
from portal.services import services
from portal.staff.conversation import tell
from portal.staff.shell import blueprint, done, me, note_view, refused, requires
from portal.staff.talk_views import TalkView, talk_view
from tracking.deliveries import Delivery, load


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
            mark_seen(session, delivery_id, reader=Voice.SUPPORT, now=mine.clock.now())
            note_view(session, "note" if is_note else "answer", "conversation", delivery_id, mine.clock.now())
    except (EmptyMessage, MessageTooLong) as error:
        return _again(delivery_id, str(error), body, is_note), 422
    except VersionConflict as error:
        fresh_ids = frozenset(line.id for line in error.lines)
        return _again(delivery_id, str(error), body, is_note, fresh_ids), 409
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
    to = "nobody" if account is None else "you" if account.id == me().id else account.name
    return done("staff.conversation", f"Given to {to}.", delivery_id=delivery_id)


@blueprint.post("/conversations/<delivery_id>/lines/<int:line_id>/move")
@requires(Role.AGENT)
def move(delivery_id: str, line_id: int) -> ResponseReturnValue:
    """Put a text that came into the wrong thread into the right one: one of the same person's, or by its reference."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        load(session, delivery_id)
        target = named_delivery(session, request.form.get("to", ""))
        if target is None:
            return refused("staff.conversation", "There is no such delivery.", delivery_id=delivery_id)
        moved = move_line(
            session, line_id, from_delivery_id=delivery_id, to_delivery_id=target.id, staff_id=me().id, now=now
        )
        if moved is None:
            return refused("staff.conversation", "This line cannot be moved there.", delivery_id=delivery_id)
        note_view(session, "move_line", "conversation", delivery_id, now)
        note_view(session, "move_line", "conversation", target.id, now)
    tell(delivery_id)
    tell(target.id)
    mine.wake.send(Channel.SMS)
    said = f"Moved to {target.recipient_name}, {target.reference}."
    return done("staff.conversation", said, delivery_id=target.id, _anchor=f"line-{moved.id}")


def named_delivery(session: Session, name: str) -> Delivery | None:
    """Return the delivery with this id or, newest first, this reference; None when there is none."""
    name = name.strip()[:120]
    by_reference = select(Delivery).where(Delivery.reference.in_({name, name.upper()}))
    newest = by_reference.order_by(Delivery.service_on.desc(), Delivery.created_at.desc()).limit(1)
    return session.get(Delivery, name) or session.scalar(newest)


def _fresh(delivery_id: str) -> TalkView:
    with services().database.reading() as session:
        return talk_view(session, delivery_id)


def _again(delivery_id: str, problem: str, typed: str, is_note: bool, fresh_ids: frozenset[int] = frozenset()) -> str:
    """Return the page, or its reply part, with what was typed kept and the lines that came in between marked."""
    with services().database.reading() as session:
        view = talk_view(session, delivery_id, problem=problem, typed=typed, is_note=is_note, fresh_ids=fresh_ids)
    return render_template("staff/_talk.html" if htmx else "staff/conversation.html", view=view)
