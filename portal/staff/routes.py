"""One route: its stops in order, and what dispatch may change of it."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.kinds import Channel
from portal.accounts import Role
from portal.services import services
from portal.staff.changing import carry_out
from portal.staff.day import the_route
from portal.staff.links import driver_links, release_phone, send_to_driver
from portal.staff.route_views import RouteView, view_of
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, note_view, offer_undo, refused, requires
from portal.staff.shell import me as who
from tracking import changes, links
from tracking.changes import Changed
from tracking.drivers import Driver
from tracking.errors import TrackingError
from tracking.facts import publish, revoked, route_changed
from tracking.ids import new_id
from tracking.stops import stops_of


@blueprint.get("/routes/<route_id>")
@requires(Role.AGENT)
def route(route_id: str) -> ResponseReturnValue:
    """Show one route."""
    return render_template("staff/route.html", view=_view(route_id))


@blueprint.get("/routes/<route_id>/part")
@requires(Role.AGENT, counts_as_use=False)
def route_part(route_id: str) -> ResponseReturnValue:
    """The stops alone."""
    return render_template("staff/_route.html", view=_view(route_id))


@blueprint.post("/routes/<route_id>/reorder")
@requires(Role.DISPATCHER)
def route_reorder(route_id: str) -> ResponseReturnValue:
    """Move one stop up or down, or put all of them into an order; it can be taken back on the next page."""
    mine = services()
    with mine.database.reading() as session:
        before = [stop.id for stop in stops_of(session, route_id)]
    order = request.form.get("order", "").split(",") if request.form.get("order") else _moved(before)
    problem = change_route(route_id, "reorder", lambda s, now: changes.reorder(s, route_id, order, now=now))
    if problem:
        return refused("staff.route", problem, route_id=route_id)
    if request.form.get("undone") != "yes" and order != before:
        fields = {"order": ",".join(before), "undone": "yes"}
        offer_undo("The order is changed.", action=url_for("staff.route_reorder", route_id=route_id), fields=fields)
    return done("staff.route", route_id=route_id, _anchor=f"stop-{request.form.get('stop', '')}")


@blueprint.post("/routes/<route_id>/reassign")
@requires(Role.DISPATCHER)
def route_reassign(route_id: str) -> ResponseReturnValue:
    """Give the route to another driver, after asking; the new one gets a link."""
    mine = services()
    driver_id = request.form.get("driver_id", "")
    with mine.database.reading() as session:
        found, driver = the_route(session, route_id), session.get(Driver, driver_id)
    if driver is None:
        return refused("staff.route", "Choose a driver first.", route_id=route_id)
    if driver_id == found.driver_id:
        return refused("staff.route", f"{driver.name} drives it already.", route_id=route_id)
    if not is_confirmed():
        effects = [
            f"{found.driver.name}'s link stops working at once, and so does the truck on recipients' maps.",
            f"{driver.name} gets a link by text.",
            "The conversations of the open deliveries go to the new driver.",
        ]
        back = url_for("staff.route", route_id=route_id)
        return ask_first(question=f"Give {found.name} to {driver.name}?", effects=effects, yes="Give it", back=back)

    def act(session: Session, now: datetime) -> Changed:
        changed = changes.reassign(session, route_id, driver_id=driver_id, now=now, actor=who().actor, ids=new_id)
        session.flush()
        session.expire_all()
        send_to_driver(session, the_route(session, route_id), now=now, ids=new_id)
        return changed

    problem = change_route(route_id, "reassign", act)
    if problem:
        return refused("staff.route", problem, route_id=route_id)
    return done("staff.route", f"{driver.name} drives it now and gets a link by text.", route_id=route_id)


@blueprint.post("/routes/<route_id>/stops")
@requires(Role.DISPATCHER)
def route_add_stop(route_id: str) -> ResponseReturnValue:
    """Add an empty stop that deliveries can be moved to."""
    lat, lon = _degrees("lat"), _degrees("lon")
    if lat is None or lon is None:
        return refused("staff.route", "Write the place as degrees, such as 40.71 and -74.35.", route_id=route_id)

    def act(session: Session, now: datetime) -> Changed:
        return changes.add_stop(
            session,
            route_id,
            address=request.form.get("address", "")[:500],
            lat=lat,
            lon=lon,
            now=now,
            ids=new_id,
            before_stop_id=request.form.get("before") or None,
        )[1]

    problem = change_route(route_id, "add_stop", act)
    if problem:
        return refused("staff.route", problem, route_id=route_id)
    return done("staff.route", "The stop is added. Move a delivery to it from the delivery's page.", route_id=route_id)


@blueprint.post("/routes/<route_id>/link/<any('send', 'rebind', 'revoke'):step>")
@requires(Role.DISPATCHER)
def route_link(route_id: str, step: str) -> ResponseReturnValue:
    """Text the driver's link again, let it be opened on another phone, or end it after asking."""
    mine = services()
    if step == "revoke" and not is_confirmed():
        effects = ["Whoever has the page open is shut out at once.", "Send a new link to let the driver in again."]
        back = url_for("staff.route", route_id=route_id)
        return ask_first(question="End the driver's link?", effects=effects, yes="End it", back=back)
    now, ended = mine.clock.now(), list[str]()
    with mine.database.writing() as session:
        found = the_route(session, route_id)
        if step == "send":
            send_to_driver(session, found, now=now, ids=new_id)
        elif step == "rebind":
            release_phone(session, route_id)
        else:
            ended = [link.id for link in driver_links(session, route_id) if link.revoked_at is None]
            links.revoke(session, ended, now)
        note_view(session, f"{step}_driver_link", "route", route_id, now)
    publish(mine.redis, [*(revoked(link_id) for link_id in ended), route_changed(route_id)])
    mine.wake.send(Channel.SMS)
    said = {
        "send": f"The link goes to {found.driver.name} by text now.",
        "rebind": "The next phone that opens the link becomes the driver's.",
        "revoke": "The link has ended.",
    }
    return done("staff.route", said[step], route_id=route_id)


def change_route(route_id: str, action: str, act: Callable[[Session, datetime], Changed]) -> str:
    """Carry a change out; return why not, or nothing."""
    try:
        carry_out("route", route_id, action, act)
    except TrackingError as error:
        return str(error)
    return ""


def _moved(before: Sequence[str]) -> list[str]:
    """Return the order with one stop a place further up or down, as the form asks; unchanged when that is no place."""
    order, stop_id = list(before), request.form.get("stop", "")
    if stop_id in order:
        at = order.index(stop_id)
        to = at + (1 if request.form.get("by") == "down" else -1)
        if 0 <= to < len(order):
            order[at], order[to] = order[to], order[at]
    return order


def _degrees(name: str) -> float | None:
    try:
        return float(request.form.get(name, ""))
    except ValueError:
        return None


def _view(route_id: str) -> RouteView:
    mine = services()
    with mine.database.reading() as session:
        return view_of(session, route_id, mine.clock.now(), can_change=who().may("dispatcher"))
