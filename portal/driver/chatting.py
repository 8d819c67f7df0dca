"""The driver's side of a chat: say something, and note that it was seen."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.chat_lines import Origin, Voice
from messaging.chat_pictures import NO_WORDS, add_picture, picture_in, pictures_of
from messaging.conversations import mark_seen, say, thread
from messaging.errors import MessagingError
from messaging.kinds import Channel
from messaging.threads import LOST, OUT
from portal.chat_uploads import picture_answer, uploaded_photo
from portal.driver.day import load_day
from portal.driver.pages import Unsent, stop_page
from portal.driver.routing import blueprint
from portal.driver.shift import current_shift, shift_key
from portal.guards import is_counted, limiter
from portal.htmx import htmx
from portal.services import services
from tracking.facts import chat_changed, inbox_changed, publish
from tracking.ids import new_id
from tracking.pictures import BadPicture


@blueprint.post("/deliveries/<delivery_id>/messages")
@limiter.limit("20/minute;300/hour", key_func=shift_key, deduct_when=is_counted)
def message(delivery_id: str) -> ResponseReturnValue:
    """Say one line to the recipient; a quick reply is a line too. A plain form gets refused words back in their box."""
    mine = services()
    with mine.database.reading() as session:
        stop_id = _stop_of(session, delivery_id)
    body = request.form.get("quick") or request.form.get("body", "")
    try:
        _say(delivery_id, body)
    except (MessagingError, BadPicture) as error:
        if htmx:
            raise
        return stop_page(stop_id, Unsent(delivery_id, body, str(error))), 422
    publish(mine.redis, [chat_changed(delivery_id), inbox_changed()])
    for channel in Channel:
        mine.wake.send(channel)
    if htmx:
        return chat(delivery_id)
    return redirect(url_for("driver.stop", stop_id=stop_id, _anchor=f"chat-{delivery_id}"), 303)


def _say(delivery_id: str, body: str) -> None:
    """Add the line, and the photo that came with it. Raises ``MessagingError`` or ``BadPicture``, and keeps nothing."""
    mine = services()
    now = mine.clock.now()
    photo = uploaded_photo(request)
    with mine.database.writing() as session:
        shift = current_shift(session)
        _stop_of(session, delivery_id)
        mark_seen(session, delivery_id, reader=Voice.DRIVER, now=now)
        line = say(
            session,
            delivery_id=delivery_id,
            voice=Voice.DRIVER,
            origin=Origin.PAGE,
            actor_id=shift.driver_id,
            body=body if body.strip() or photo is None else NO_WORDS,
            now=now,
            request_id=request.form.get("request_id") or new_id(),
            ids=new_id,
        )
        if photo is not None and not pictures_of(session, [line]):
            add_picture(session, line, photo, files=mine.files, now=now, ids=new_id)


def _stop_of(session: Session, delivery_id: str) -> str:
    """Return where a delivery of this shift's route is to be handed over. Raises ``NotFound`` for any other."""
    return load_day(session, current_shift(session).route_id, services().clock.now()).delivery(delivery_id).stop_id


@blueprint.get("/deliveries/<delivery_id>/chat")
def chat(delivery_id: str) -> ResponseReturnValue:
    """Give the lines of one chat as the page includes them."""
    mine = services()
    now = mine.clock.now()
    with mine.database.reading() as session:
        view = load_day(session, current_shift(session).route_id, now)
        delivery = view.delivery(delivery_id)
        lines = thread(session, delivery_id, audience=Voice.DRIVER, now=now)
    return render_template(
        "driver/_chat.html",
        delivery=delivery,
        thread=lines,
        now=now,
        locale=view.locale,
        zone=view.zone,
        sent_as_text=OUT,
        not_delivered=LOST,
    )


@blueprint.get("/deliveries/<delivery_id>/pictures/<picture_id>")
def picture(delivery_id: str, picture_id: str) -> ResponseReturnValue:
    """A picture of a chat of this route."""
    mine = services()
    with mine.database.reading() as session:
        load_day(session, current_shift(session).route_id, mine.clock.now()).delivery(delivery_id)
        found = picture_in(session, picture_id, delivery_id)
    return picture_answer(found, picture_id)


@blueprint.post("/stops/<stop_id>/seen")
def seen(stop_id: str) -> ResponseReturnValue:
    """Note that the chats of this stop are in the driver's view."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        here = load_day(session, current_shift(session).route_id, now).stop(stop_id)
        fresh = [found.id for found in here.deliveries if mark_seen(session, found.id, reader=Voice.DRIVER, now=now)]
    publish(mine.redis, [chat_changed(delivery_id) for delivery_id in fresh])
    return "", 204
