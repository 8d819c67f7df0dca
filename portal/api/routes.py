"""Routes over HTTP: load them in, look at them."""

from datetime import date, datetime

from flask import Response, request
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, joinedload

from portal.api.answers import Refused, body_of, told
from portal.api.gate import api_key_id, blueprint, caller
from portal.api.idempotency import once
from portal.api.paging import page_of
from portal.api.shapes import ImportOut, RoutePage, Trouble
from portal.api.views_of import import_out, route_out, route_whole
from portal.audit import audit
from portal.services import services
from tracking import imports
from tracking.deliveries import deliveries_of_route
from tracking.errors import NotFound
from tracking.facts import Fact, publish
from tracking.ids import new_id
from tracking.imports import Row
from tracking.routes import Route
from tracking.stops import stops_of

ROUTES_A_QUERY = 300


@blueprint.post("/routes")
def load_routes() -> Response:
    """Add or change routes. The same document again does nothing; a bad one changes nothing."""
    mine = services()
    settings = mine.settings
    defaults = imports.ImportDefaults(settings.default_region, settings.default_zone, settings.default_locale)
    parsed = imports.parse_json(body_of(request), defaults)
    if not parsed.is_good:
        problems = [Trouble(path=each.column, reason=each.reason) for each in parsed.problems]
        raise Refused(422, "Nothing was changed.", problems)
    if request.args.get("dry_run", "").lower() in {"1", "true", "yes"}:
        with mine.database.reading() as session:
            return told(_answer(session, imports.preview(session, parsed.rows), parsed.rows, is_dry_run=True))
    published: list[Fact] = []

    def work(session: Session, now: datetime) -> Response:
        result = imports.apply(session, parsed.rows, now=now, actor=caller(), ids=new_id)
        for route_id in result.changed.route_ids:
            audit(session, caller(), "import", "route", route_id, now)
        published.extend(result.facts())
        answer = _answer(session, result.preview, parsed.rows, is_dry_run=False)
        return told(answer, 201 if result.preview.new else 200)

    response, is_first = once(mine, request, api_key_id(), work)
    if is_first and published:
        publish(mine.redis, published)
        mine.wake.reconcile()
    return response


@blueprint.get("/routes")
def list_routes() -> Response:
    """Return the routes of one day, by name."""
    page = page_of(request.args)
    try:
        on = date.fromisoformat(request.args.get("date", ""))
    except ValueError:
        raise Refused(422, "Say which day.", [Trouble(path="date", reason="write it as 2026-01-31")]) from None
    statement = select(Route).where(Route.service_on == on).order_by(Route.name).limit(page.limit + 1)
    if page.after is not None:
        statement = statement.where(Route.name > page.after)
    with services().database.reading() as session:
        found = list(session.scalars(statement.options(joinedload(Route.depot), joinedload(Route.driver))))
    shown = found[: page.limit]
    return told(
        RoutePage(
            routes=[route_out(route) for route in shown], next=shown[-1].name if len(found) > page.limit else None
        )
    )


@blueprint.get("/routes/<route_id>")
def show_route(route_id: str) -> Response:
    """Return one route with its stops and deliveries."""
    with services().database.reading() as session:
        whole = select(Route).options(joinedload(Route.depot), joinedload(Route.driver))
        route = session.scalar(whole.where(Route.id == route_id))
        if route is None:
            raise NotFound("route", route_id)
        return told(route_whole(route, stops_of(session, route_id), deliveries_of_route(session, route_id)))


def _answer(session: Session, found: imports.ImportPreview, rows: tuple[Row, ...], *, is_dry_run: bool) -> ImportOut:
    keys = list(dict.fromkeys((row.service_on, row.route) for row in rows))
    routes: list[Route] = []
    for start in range(0, len(keys), ROUTES_A_QUERY):
        some = keys[start : start + ROUTES_A_QUERY]
        routes += session.scalars(select(Route).where(tuple_(Route.service_on, Route.name).in_(some)))
    return import_out(found, routes, is_dry_run=is_dry_run)
