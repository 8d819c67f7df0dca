"""One conversation: the thread and the facts beside it, who else looks, and that it was read."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from messaging.chat_lines import Voice
from messaging.conversations import mark_seen
from portal import presence
from portal.accounts import Role
from portal.services import services
from portal.staff.shell import blueprint, done, me, note_view, requires
from portal.staff.talk_views import talk_view
from tracking.deliveries import load
from tracking.facts import Fact, chat_changed, inbox_changed, presence_changed, publish


@blueprint.get("/conversations/<delivery_id>")
@requires(Role.AGENT)
def conversation(delivery_id: str) -> ResponseReturnValue:
    """Show the thread; that somebody looked goes on record, that the lines were read comes by ``seen``.

    ``answer`` names a canned answer to start with, for who has no JavaScript.
    """
    mine = services()
    with mine.database.writing() as session:
        note_view(session, "view", "conversation", delivery_id, mine.clock.now())
        view = talk_view(session, delivery_id)
        chosen = next((offer.text for offer in view.offers if offer.id == request.args.get("answer")), "")
        if chosen:
            view = talk_view(session, delivery_id, typed=chosen)
    return render_template("staff/conversation.html", view=view)


@blueprint.get("/conversations/<delivery_id>/part")
@requires(Role.AGENT, counts_as_use=False)
def conversation_part(delivery_id: str) -> ResponseReturnValue:
    """Thread and facts, for the page that is open."""
    with services().database.reading() as session:
        view = talk_view(session, delivery_id)
    return render_template("staff/_conversation.html", view=view)


@blueprint.post("/conversations/<delivery_id>/seen")
@requires(Role.AGENT, counts_as_use=False)
def conversation_seen(delivery_id: str) -> ResponseReturnValue:
    """Note that the lines were read: the page says so when they are in view, a button does without JavaScript."""
    mine = services()
    with mine.database.writing() as session:
        load(session, delivery_id)
        is_news = mark_seen(session, delivery_id, reader=Voice.SUPPORT, now=mine.clock.now())
    if is_news:
        presence.note_read(mine.redis)
        tell(delivery_id)
    if request.headers.get("X-Live"):
        return "", 204
    return done("staff.conversation", delivery_id=delivery_id, _anchor="reply")


@blueprint.post("/conversations/<delivery_id>/here")
@requires(Role.AGENT, counts_as_use=False)
def conversation_here(delivery_id: str) -> ResponseReturnValue:
    """Note that this person has the page open, writes in it, or has left it, for the others of staff."""
    mine = services()
    doing = request.form.get("doing", "")
    if doing == "left":
        is_news = presence.leave(mine.redis, delivery_id, me().id)
    else:
        with mine.database.reading() as session:
            load(session, delivery_id)
        is_news = presence.note(
            mine.redis, delivery_id, me().id, is_writing=doing == "writing", elapsed_s=mine.clock.elapsed()
        )
    if is_news:
        publish(mine.redis, [presence_changed(delivery_id)])
    return "", 204


def tell(delivery_id: str) -> None:
    """Tell the live pages that a conversation changed, after commit."""
    told: list[Fact] = [chat_changed(delivery_id), inbox_changed()]
    publish(services().redis, told)
