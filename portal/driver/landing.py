"""The page a driver's link opens, and the button that makes it this phone's."""

from flask import Response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from portal.driver.day import load_day
from portal.driver.routing import blueprint
from portal.driver.shift import OtherPhone, is_bound_elsewhere, open_shift, remember
from portal.services import services
from tracking.ids import new_id
from tracking.links import Audience, live_link


@blueprint.get("/<token>")
def landing(token: str) -> ResponseReturnValue:
    """Show whose day this is; nothing changes until the button is pressed."""
    mine = services()
    now = mine.clock.now()
    link_id = mine.links.link_id(token, Audience.DRIVER)
    with mine.database.reading() as session:
        link = live_link(session, link_id, Audience.DRIVER, now)
        if is_bound_elsewhere(link):
            raise OtherPhone
        assert link.route_id is not None
        day = load_day(session, link.route_id, now)
    return render_template("driver/landing.html", day=day, token=token, locale=day.locale, zone=day.zone)


@blueprint.post("/<token>")
def open_day(token: str) -> Redirect:
    """Bind the link to this phone, or find it bound here already, and go to the day."""
    mine = services()
    now = mine.clock.now()
    link_id = mine.links.link_id(token, Audience.DRIVER)
    with mine.database.writing() as session:
        link = live_link(session, link_id, Audience.DRIVER, now)
        browser = open_shift(session, link, now=now, ids=new_id)
    response = redirect(url_for("driver.day"), 303)
    assert isinstance(response, Response)
    return remember(response, browser)
