"""Refusals of the lower rooms, mapped to answers once."""

from flask import Flask, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from messaging.errors import MessagingError
from portal import i18n
from portal.services import services
from portal.way_back import page_above
from tracking.errors import NotFound, TrackingError, WrongMove
from tracking.links import ClosedLink, UnknownLink

STAFF = "/staff/"
ENDED = (
    "It was for one delivery and is no longer in use. If you got a newer message from us, open the link in that one."
)
WORDS = {
    400: ("That did not work", "The request could not be read."),
    403: ("Not allowed", "This page may not do that."),
    404: ("Not found", "There is nothing here. Please check the link in your message."),
    405: ("Not allowed", "This page may not do that."),
    413: ("Too large", "That file is too large. Please send one under 15 MB."),
    415: ("Not understood", "This kind of content is not accepted here."),
    422: ("That did not work", "Something in what was sent is missing or wrong."),
    429: ("A little too fast", "Please wait a minute and try again."),
    500: ("Something went wrong", "We have noted it. Please try again in a minute."),
    503: ("One moment", "We are not ready yet. Please try again in a minute."),
}


def page(status: int, *, title: str | None = None, sentence: str | None = None) -> tuple[str, int]:
    """Return an error page with a title and one plain sentence, the company's contact, and for staff a way back."""
    usual_title, usual_sentence = WORDS.get(status, WORDS[500 if status >= 500 else 400])
    title, sentence = title or usual_title, sentence or usual_sentence
    locale = reader_locale()
    back = url_for("staff.today") if request.path.startswith(STAFF) else ""
    told = {"status": status, "title": title, "sentence": sentence, "locale": locale, "back": back}
    return render_template("errors/error.html", **told), status


def reader_locale() -> str:
    """Return the language of whoever reads an error.

    That of the recipient or driver whose link was found true (``g.reader_locale``), else the one chosen on the page,
    else the browser's best among ours, else the company's.
    """
    known: str | None = g.get("reader_locale")
    chosen = request.args.get("lang", "")
    if known or chosen in i18n.languages():
        return known or chosen
    wanted = request.accept_languages.best_match(i18n.languages())
    return wanted or services().settings.default_locale


def unknown_link() -> tuple[str, int]:
    """Return the one answer to every token that is no link, or 429 to who tries many."""
    mine = services()
    tried_too_many = mine.bad_links.one_more(address=request.remote_addr or "", elapsed_s=mine.clock.elapsed())
    return page(429 if tried_too_many else 404)


def _only_for_forms() -> ResponseReturnValue:
    """Answer who opens an address that only takes forms, by a reload or from a history: the page it belongs to."""
    if request.method in {"GET", "HEAD"} and (above := page_above(request.path)):
        return redirect(above, 303)
    return page(405, title="Nothing to see here", sentence="This address only takes forms. Nothing was changed.")


def install(app: Flask) -> None:
    """Register the handlers. Machines under ``/api/`` and ``/webhooks/`` map their own."""

    @app.errorhandler(UnknownLink)
    def unknown(_error: UnknownLink) -> ResponseReturnValue:
        return unknown_link()

    @app.errorhandler(ClosedLink)
    def closed_link(_error: ClosedLink) -> ResponseReturnValue:
        return page(410, title="This link has ended", sentence=ENDED)

    @app.errorhandler(NotFound)
    def not_found(_error: NotFound) -> ResponseReturnValue:
        return page(404)

    @app.errorhandler(WrongMove)
    def wrong_move(error: WrongMove) -> ResponseReturnValue:
        return page(409, title="That is not possible now", sentence=str(error))

    @app.errorhandler(TrackingError)
    @app.errorhandler(MessagingError)
    def refused(error: Exception) -> ResponseReturnValue:
        return page(422, title="That did not work", sentence=str(error))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 500
        if status < 400 or request.path.startswith(("/api/", "/webhooks/")):
            return error
        if status == 405 and request.path.startswith(STAFF):
            return _only_for_forms()
        return page(status)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> ResponseReturnValue:
        if current_app.testing:
            raise error
        current_app.logger.exception("unexpected error at endpoint %s", request.endpoint)
        return page(500)
