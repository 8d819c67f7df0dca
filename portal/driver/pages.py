"""The pages of the day: the list, and one stop."""

from dataclasses import dataclass

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from messaging.chat_lines import Voice
from messaging.conversations import thread
from messaging.quick_replies import Audience, quick_replies
from messaging.threads import LOST, OUT, Thread
from portal import tickets
from portal.driver.day import DayView, load_day
from portal.driver.news import chat_version_of, news_fragment, version_of
from portal.driver.routing import blueprint
from portal.driver.shift import Shift, current_shift
from portal.driver.words import FAILURE_LABELS, NOT_LOADED_REASONS, SAID
from portal.receivers import RECEIVERS
from portal.services import services
from tracking.ids import new_id

MOST_KEPT_S = 16 * 3600  # a shift's length: a phone keeps pages no longer, whatever the link allows (our choice)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A line of the chat that was refused: its words, and why, in English."""

    delivery_id: str
    body: str
    why: str


@blueprint.get("/")
def day() -> ResponseReturnValue:
    """Show the whole day: what to load, where to go next, how it went."""
    mine = services()
    with mine.database.reading() as session:
        shift = current_shift(session)
        view = load_day(session, shift.route_id, mine.clock.now())
    return page("driver/day.html", view, shift, not_loaded_reasons=NOT_LOADED_REASONS)


@blueprint.get("/stops/<stop_id>")
def stop(stop_id: str) -> ResponseReturnValue:
    """Show one stop: where, for whom, what to know, and the buttons."""
    return stop_page(stop_id)


def stop_page(stop_id: str, unsent: Unsent | None = None) -> Response:
    """Return the page of a stop; words that were refused are in their box again, with the reason."""
    mine = services()
    now = mine.clock.now()
    with mine.database.reading() as session:
        shift = current_shift(session)
        view = load_day(session, shift.route_id, now)
        here = view.stop(stop_id)
        threads: dict[str, Thread] = {
            delivery.id: thread(session, delivery.id, audience=Voice.DRIVER, now=now) for delivery in here.deliveries
        }
        replies = quick_replies(session, Audience.DRIVER)
    words: dict[str, object] = {"receivers": RECEIVERS, "quick_replies": replies}
    words |= {"sent_as_text": OUT, "not_delivered": LOST}
    words["unsent_of"] = lambda delivery_id: unsent if unsent and unsent.delivery_id == delivery_id else None
    return page("driver/stop.html", view, shift, stop=here, threads=threads, **words)


def page(template: str, view: DayView, shift: Shift, **values: object) -> Response:
    """Return a page of this shift, in the driver's language, with what every one of them shows.

    ``X-Shift`` tells the service worker whose page it is, and for how many seconds the phone may keep it.
    """
    body = render_template(
        template,
        day=view,
        device_token=shift.device_token,
        news=news_fragment(view),
        version=version_of(view),
        chat_version=chat_version_of(view),
        live_url=_live_url(view, shift),
        said=_said(view),
        failure_labels=FAILURE_LABELS,
        request_id=new_id,
        locale=view.locale,
        zone=view.zone,
        **values,
    )
    left_s = 0 if view.is_finished else max(0.0, min(MOST_KEPT_S, (shift.expires_at - view.now).total_seconds()))
    response = make_response(body)
    response.headers["X-Shift"] = f"{view.route_id[:16]} {left_s:.0f}"
    return response


def _live_url(view: DayView, shift: Shift) -> str:
    """Return the address of this route's stream; empty once nothing more will come."""
    if view.is_finished:
        return ""
    topic = f"driver:{view.route_id}"
    return f"/d/live?ticket={tickets.issue(services(), topic=topic, subject=shift.link_id, locale=view.locale)}"


def _said(view: DayView) -> tuple[str, str] | None:
    """Return the sentence that the address asks for and what it is about; only sentences of ours."""
    sentence = SAID.get(request.args.get("said", ""))
    if sentence is None:
        return None
    about = request.args.get("about", "")
    what = next((f"{found.reference}, {found.name}" for found in view.deliveries if found.id == about), "")
    return sentence, what
