"""The plan's own arrival times: from the depot, stop by stop, with priors; until the truck itself tells better."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from tracking.deliveries import OPEN, Delivery
from tracking.eta import Ahead, EtaHistory, reach_all
from tracking.eta_learned import read_history
from tracking.geo import LatLon
from tracking.routes import Route
from tracking.stops import Stop, stops_of
from tracking.travel import StraightLine, TravelTimes


def plan_arrivals(
    session: Session, route_id: str, *, history: EtaHistory | None = None, travel: TravelTimes | None = None
) -> None:
    """Set ``planned_arrival_at`` of each stop of the route: travel at the usual pace, services, waits for windows.

    A stop with nothing left to do there is passed without stopping and keeps no time of its own.
    """
    route = session.scalars(select(Route).where(Route.id == route_id).options(joinedload(Route.depot))).one()
    history = history or read_history(session) or EtaHistory.default()
    stops = stops_of(session, route_id)
    opens = _opening_times(session, route_id)
    served = [stop for stop in stops if stop.id in opens]
    points = [LatLon(route.depot.lat, route.depot.lon), *(LatLon(stop.lat, stop.lon) for stop in served)]
    legs = (travel.legs(points) if travel is not None else None) or StraightLine().legs(points)
    ahead = [
        Ahead(
            leg_s=leg.seconds,
            service_s=history.service_of(planned_s=stop.service_s, stop_type=None, driver=route.driver_id),
            opens_at=opens[stop.id].timestamp(),
        )
        for stop, leg in zip(served, legs, strict=True)
    ]
    reaches = reach_all(route.planned_start_at.timestamp(), ahead, pace=history.pace_of(route.driver_id))
    for stop in stops:
        stop.planned_arrival_at = None
    for stop, reach in zip(served, reaches, strict=True):
        stop.planned_arrival_at = datetime.fromtimestamp(round(reach.at), UTC)


def _opening_times(session: Session, route_id: str) -> dict[str, datetime]:
    """Return when each stop with something to do opens: the first of its deliveries' windows."""
    statement = select(Delivery.stop_id, Delivery.window_start_at).join(Stop).where(Stop.route_id == route_id)
    opens: dict[str, datetime] = {}
    for stop_id, window_start_at in session.execute(statement.where(Delivery.status.in_(OPEN))):
        opens[stop_id] = min(window_start_at, opens.get(stop_id, window_start_at))
    return opens
