"""A route and its driver's link for tests, and small reads of what came of it."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from portal.services import Services
from tests.builders import make_delivery, make_route, make_stop
from tests.conftest import NOON
from tracking import links
from tracking.deliveries import DeliveryStatus, load
from tracking.ids import new_link_id
from tracking.links import Audience
from tracking.routes import Route, RouteStatus

S = DeliveryStatus


@dataclass
class Shift:
    """A route of three parcels at two stops, and the path of its driver's link."""

    route_id: str
    link_id: str
    path: str
    stop_ids: list[str]
    delivery_ids: list[str]


def prepare(services: Services, status: DeliveryStatus = S.SCHEDULED, **columns: Any) -> Shift:
    started = status is not S.SCHEDULED
    with services.database.writing() as session:
        route = make_route(session, status=RouteStatus.STARTED if started else RouteStatus.PLANNED, started_at=NOON)
        stops = [make_stop(session, route) for _ in range(2)]
        columns["import_route"] = route.name
        rows = [
            make_delivery(session, stop=stops[0], status=status, now=NOON, reference="A-1", **columns),
            make_delivery(
                session, stop=stops[1], status=status, now=NOON, reference="B-2", recipient_name="Bo Li", **columns
            ),
            make_delivery(
                session, stop=stops[1], status=status, now=NOON, reference="C-3", recipient_name="Cher", **columns
            ),
        ]
        link = links.driver_link(
            session,
            route_id=route.id,
            driver_id=route.driver_id,
            link_id=new_link_id(),
            now=NOON,
            expires_at=NOON + timedelta(hours=16),
        )
    token = services.links.token(link.id, Audience.DRIVER)
    return Shift(route.id, link.id, f"/d/{token}", [stop.id for stop in stops], [row.id for row in rows])


def status_of(services: Services, delivery_id: str) -> DeliveryStatus:
    with services.database.reading() as session:
        return load(session, delivery_id).status


def route_status(services: Services, shift: Shift) -> RouteStatus:
    with services.database.reading() as session:
        return session.get_one(Route, shift.route_id).status


def form_fields(page: str, form: str) -> dict[str, str]:
    """Return the hidden fields of the first form of this kind on the page."""
    [body, *_] = re.findall(rf'<form[^>]*data-form="{form}".*?</form>', page, re.S)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body))
