"""Deciding what a recipient who will not be home asked for: accept or decline with one click, undo for a moment."""

from collections.abc import Callable
from datetime import datetime

from flask import request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging import wish_decisions
from messaging.errors import MessagingError
from messaging.wishes import Wish
from portal.accounts import Role
from portal.services import services
from portal.staff.shell import blueprint, done, me, note_view, offer_undo, refused, requires
from tracking.errors import NotFound, TrackingError
from tracking.facts import chat_changed, inbox_changed, publish
from tracking.route_changes import Changed


@blueprint.post("/wishes/<wish_id>/<any('accept', 'decline'):decision>")
@requires(Role.DISPATCHER)
def decide_wish(wish_id: str, decision: str) -> ResponseReturnValue:
    """Accept or decline, with optional words; the recipient, the driver and the thread are told."""
    act = wish_decisions.accept if decision == "accept" else wish_decisions.decline
    said = request.form.get("words", "")

    def decided(session: Session, now: datetime) -> Changed:
        return act(session, wish_id, words=said, actor=me().actor, now=now)

    return _change(wish_id, f"wish_{decision}", decided, "Accepted." if decision == "accept" else "Declined.")


@blueprint.post("/wishes/<wish_id>/undo")
@requires(Role.DISPATCHER)
def undo_wish(wish_id: str) -> ResponseReturnValue:
    """Take a decision back while the recipient has not been told."""
    return _change(
        wish_id, "wish_undo", lambda session, now: wish_decisions.undo(session, wish_id, now=now), "Taken back."
    )


def _change(wish_id: str, action: str, act: Callable[[Session, datetime], Changed], said: str) -> ResponseReturnValue:
    mine = services()
    now = mine.clock.now()
    with mine.database.reading() as session:
        delivery_id = session.scalar(select(Wish.delivery_id).where(Wish.id == wish_id))
    if delivery_id is None:
        raise NotFound("wish", wish_id)
    back = {"endpoint": "staff.tasks"} if request.form.get("from") == "tasks" else _talk(delivery_id)
    try:
        with mine.database.writing() as session:
            changed = act(session, now)
            note_view(session, action, "delivery", delivery_id, now)
            can_undo = wish_decisions.can_undo(session, session.get_one(Wish, wish_id), now)
    except (MessagingError, TrackingError) as error:
        return refused(sentence=str(error), **back)
    publish(mine.redis, [*changed.facts(), chat_changed(delivery_id), inbox_changed()])
    mine.wake.reconcile()
    if not can_undo:
        return done(sentence=said, **back)
    offer_undo(
        f"{said} The recipient is told in half a minute.",
        action=url_for("staff.undo_wish", wish_id=wish_id),
        fields={"from": request.form.get("from", "")},
    )
    return done(**back)


def _talk(delivery_id: str) -> dict[str, str]:
    return {"endpoint": "staff.conversation", "delivery_id": delivery_id}
