"""Refusals as the driver reads them: one sentence, and a big way back."""

from flask import Response, g, make_response, render_template
from flask.typing import ResponseReturnValue

from messaging.errors import MessagingError
from portal.driver.routing import blueprint
from portal.driver.shift import NoShift, OtherPhone, driver_locale, forget
from portal.errors import page, reader_locale, unknown_link
from portal.services import services
from tracking.errors import WrongMove
from tracking.links import ClosedLink, UnknownLink
from tracking.pictures import BadPicture, TooLargePicture
from tracking.taps import MissingReason


@blueprint.errorhandler(WrongMove)
def wrong_move(error: WrongMove) -> ResponseReturnValue:
    """Say what the state is."""
    return _refused("That is not possible now", str(error), 409)


@blueprint.errorhandler(MissingReason)
@blueprint.errorhandler(BadPicture)
@blueprint.errorhandler(MessagingError)
def refused(error: Exception) -> ResponseReturnValue:
    """Say what was wrong with what came."""
    return _refused("That did not work", str(error), 413 if isinstance(error, TooLargePicture) else 422)


@blueprint.errorhandler(NoShift)
def no_shift(_error: NoShift) -> ResponseReturnValue:
    """Say how to get in."""
    return _refused("Open your link first", "Open the link in the text message for today's route.", 401, has_day=False)


@blueprint.errorhandler(OtherPhone)
def other_phone(_error: OtherPhone) -> ResponseReturnValue:
    """Say why this phone is not let in, and who can help."""
    sentence = "This link was already opened on another phone. Ask dispatch to move it to this one."
    return _refused("Open on another phone", sentence, 403, has_day=False)


@blueprint.errorhandler(ClosedLink)
@blueprint.errorhandler(UnknownLink)
def closed(error: Exception) -> ResponseReturnValue:
    """End the shift in this browser too."""
    if isinstance(error, UnknownLink):
        return unknown_link()
    g.reader_locale = _locale()
    body, status = page(410, title="This link has ended", sentence="It was for one route and is no longer in use.")
    return forget(make_response(body, status))


def _refused(title: str, sentence: str, status: int, *, has_day: bool = True) -> Response:
    settings = services().settings
    contact = {"support_phone": settings.support_phone, "support_email": settings.support_email}
    locale = _locale()
    body = render_template(
        "driver/refused.html", title=title, sentence=sentence, has_day=has_day, locale=locale, **contact
    )
    return make_response(body, status)


def _locale() -> str:
    """Return the language of the driver whose phone this is; a stranger's browser says its own."""
    with services().database.reading() as session:
        return driver_locale(session) or reader_locale()
