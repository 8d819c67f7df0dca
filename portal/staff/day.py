"""What is due on one day, read once for the pages that show a day."""

from collections.abc import Set
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from tracking.deliveries import Delivery, DeliveryStatus
from tracking.errors import NotFound
from tracking.holding import is_holding
from tracking.routes import Route, RouteState
from tracking.stops import Stop


def today(now: datetime, zone: str) -> date:
    """Return the date it is in ``zone``."""
    return now.astimezone(ZoneInfo(zone)).date()


def asked_day(text: str | None, now: datetime, zone: str) -> date:
    """Return the day a page was asked for as ISO text; today for none and for nonsense."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return today(now, zone)


def deliveries_of_day(
    session: Session, on: date, statuses: Set[DeliveryStatus] = frozenset(DeliveryStatus)
) -> list[Delivery]:
    """Return the deliveries due on ``on`` in one of ``statuses``, whole, in the order of routes and stops."""
    statement = (
        select(Delivery)
        .join(Delivery.stop)
        .join(Stop.route)
        .options(
            contains_eager(Delivery.stop).contains_eager(Stop.route).joinedload(Route.driver),
            contains_eager(Delivery.stop).contains_eager(Stop.route).joinedload(Route.depot),
        )
        .where(Delivery.service_on == on, Delivery.status.in_(statuses))
        .order_by(Route.name, Stop.sequence, Delivery.reference)
    )
    return list(session.scalars(statement))


def routes_of_day(session: Session, on: date) -> list[tuple[Route, RouteState | None]]:
    """Return the routes of ``on`` with driver and depot, and where each truck is, by name."""
    statement = (
        select(Route, RouteState)
        .outerjoin(RouteState, RouteState.route_id == Route.id)
        .options(joinedload(Route.driver), joinedload(Route.depot))
        .where(Route.service_on == on)
        .order_by(Route.name)
    )
    return [(route, state) for route, state in session.execute(statement)]


def route_name(route: Route) -> str:
    """Return the name of a route that was read with its driver. To staff, what waits for a truck is on none."""
    return "waits for a truck" if is_holding(route.driver) else route.name


def the_route(session: Session, route_id: str) -> Route:
    """Return one route with driver and depot; raises ``NotFound``."""
    statement = select(Route).options(joinedload(Route.driver), joinedload(Route.depot)).where(Route.id == route_id)
    route = session.scalar(statement)
    if route is None:
        raise NotFound("route", route_id)
    return route
