"""What a recipient can do: write, leave a note, rate, and let us know that they have seen the page."""

from flask import Response, abort, redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy import update
from sqlalchemy.orm import Session

from messaging.chat_pictures import NO_WORDS, add_picture, pictures_of
from messaging.conversations import Origin, Voice, mark_seen, say
from messaging.errors import MessagingError
from messaging.ratings import rate
from messaging.unreached import they_know
from portal.chat_uploads import uploaded_photo
from portal.guards import is_counted, limiter
from portal.htmx import htmx
from portal.i18n import tongue
from portal.recipient import fragments
from portal.recipient.notes import NOTE_LENGTH, keep_note
from portal.recipient.shell import Visit, blueprint, link_key, rendered, visit
from portal.recipient.view import RecipientView
from portal.services import services
from tracking.deliveries import Delivery
from tracking.facts import chat_changed, delivery_changed, inbox_changed, publish, route_changed
from tracking.ids import new_id
from tracking.pictures import BadPicture

COMMENT_LENGTH = 1000  # characters, as a chat line


class RefusedPhoto(MessagingError):
    """The photo of a line was no photo we take."""


@blueprint.post("/t/<token>/messages")
@limiter.limit("10/minute;60/hour", key_func=link_key, deduct_when=is_counted)
def write(token: str) -> ResponseReturnValue:
    """Add a line to the chat. htmx gets the chat, a plain form goes back to the page it came from."""
    mine = services()
    body = request.form.get("quick") or request.form.get("body", "")
    refusal = ""
    with mine.database.reading() as session:
        visit(session, token, mine)  # a stranger's file is not even read
    try:
        photo = uploaded_photo(request)
    except BadPicture as error:
        photo, refusal = None, str(error)
    with mine.database.writing() as session:
        here = visit(session, token, mine)
        try:
            if refusal:
                raise RefusedPhoto(refusal)
            line = say(
                session,
                delivery_id=here.delivery_id,
                voice=Voice.RECIPIENT,
                origin=Origin.PAGE,
                actor_id=here.link_id,
                body=body if body.strip() or photo is None else NO_WORDS,
                now=here.now,
                request_id=request.form.get("request_id") or None,
                contact=mine.settings.support_phone or mine.settings.support_email,
            )
            if photo is not None and not pictures_of(session, [line]):
                add_picture(session, line, photo, files=mine.files, now=here.now, ids=new_id)
        except MessagingError as error:
            refusal = str(error)
        session.flush()
        view = here.read(session, mine)
    if refusal:
        return _refused_line(view, here, tongue(view.locale).say(refusal), body)
    publish(mine.redis, [chat_changed(here.delivery_id), inbox_changed()])
    return fragments.chat(view) if htmx else redirect(here.url("messages") + "#chat", 303)


def _refused_line(view: RecipientView, here: Visit, refusal: str, body: str) -> ResponseReturnValue:
    if htmx:
        return Response(refusal, 422, content_type="text/plain; charset=utf-8")
    return rendered("recipient/messages.html", view, here, refusal=refusal, kept=body), 422


@blueprint.post("/t/<token>/note")
@limiter.limit("10/minute", key_func=link_key, deduct_when=is_counted)
def leave_note(token: str) -> ResponseReturnValue:
    """Keep what the recipient tells the driver to know: gate code, safe place."""
    mine = services()
    note = request.form.get("note", "").strip()
    with mine.database.writing() as session:
        here = visit(session, token, mine)
        if len(note) > NOTE_LENGTH:
            abort(422)
        route_id = keep_note(session, here.delivery_id, note, here.now)
        session.flush()
        view = here.read(session, mine)
    publish(mine.redis, [delivery_changed(here.delivery_id), route_changed(route_id)])
    return (
        rendered("recipient/note.html", view, here, is_saved=True)
        if htmx
        else redirect(here.url("track") + "#note", 303)
    )


@blueprint.post("/t/<token>/rating")
@limiter.limit("10/minute", key_func=link_key, deduct_when=is_counted)
def give_rating(token: str) -> ResponseReturnValue:
    """Keep how it went: 1 to 5, with or without words."""
    mine = services()
    score = request.form.get("score", type=int)
    comment = request.form.get("comment", "").strip()
    with mine.database.writing() as session:
        here = visit(session, token, mine)
        if score is None or score not in range(1, 6) or len(comment) > COMMENT_LENGTH:
            abort(422)
        if not here.read(session, mine).can_rate:
            abort(409)
        rate(
            session,
            delivery_id=here.delivery_id,
            score=score,
            comment=comment,
            source="page",
            now=here.now,
            ids=new_id,
        )
        _note_seen(session, here)
        session.flush()
        view = here.read(session, mine)
    publish(mine.redis, [delivery_changed(here.delivery_id), inbox_changed()])
    return rendered("recipient/rating.html", view, here, is_saved=True) if htmx else redirect(here.url("rating"), 303)


@blueprint.post("/t/<token>/seen")
@limiter.limit("30/minute", key_func=link_key, deduct_when=is_counted)
def seen(token: str) -> ResponseReturnValue:
    """Note that the page was in view for three seconds; with ``chat`` also that the lines were."""
    mine = services()
    with mine.database.writing() as session:
        here = visit(session, token, mine)
        _note_seen(session, here)
        is_news = "chat" in request.form and mark_seen(session, here.delivery_id, reader=Voice.RECIPIENT, now=here.now)
    if is_news:
        publish(mine.redis, [chat_changed(here.delivery_id)])
    return "", 204


def _note_seen(session: Session, here: Visit) -> None:
    session.execute(
        update(Delivery).where(Delivery.id == here.delivery_id, Delivery.seen_at.is_(None)).values(seen_at=here.now)
    )
    they_know(session, here.delivery_id, "They opened their page.", here.now)
