"""Where deliveries wait that no truck takes yet: one route a depot and day that nobody drives."""

from collections.abc import Callable
from datetime import date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.local_time import local_instant
from tracking.routes import Route, RouteStatus

NAME = "unassigned"
NOBODY_PHONE = ""  # no text can be sent to it, so nobody ever gets a link to such a route
NOBODY_NAME = "Nobody yet"
USUAL_START = time(8)


def holding_route(session: Session, *, depot: Depot, service_on: date, zone: str, ids: Callable[[], str]) -> Route:
    """Return the depot's route for what is not assigned on ``service_on``; it is made when it is not there."""
    for name in (NAME, f"{NAME} ({depot.name})"[:120]):
        route = session.scalar(select(Route).where(Route.service_on == service_on, Route.name == name))
        if route is None:
            return _made(session, name, depot=depot, service_on=service_on, zone=zone, ids=ids)
        if route.depot_id == depot.id:
            return route
    raise ValueError(f"the depot {depot.id} has no route for what is not assigned")


def is_holding(driver: Driver) -> bool:
    """Tell whether ``driver`` is the stand-in for nobody."""
    return driver.phone == NOBODY_PHONE


def _made(session: Session, name: str, *, depot: Depot, service_on: date, zone: str, ids: Callable[[], str]) -> Route:
    starts_at: datetime = local_instant(service_on, USUAL_START, zone)
    route = Route(
        id=ids(),
        service_on=service_on,
        name=name,
        depot_id=depot.id,
        driver_id=_nobody(session, ids),
        vehicle="",
        zone=zone,
        planned_start_at=starts_at,
        status=RouteStatus.PLANNED,
        plan_version=1,
    )
    session.add(route)
    session.flush()
    return route


def _nobody(session: Session, ids: Callable[[], str]) -> str:
    driver = session.scalar(select(Driver).where(Driver.phone == NOBODY_PHONE))
    if driver is None:
        driver = Driver(id=ids(), name=NOBODY_NAME, phone=NOBODY_PHONE, locale="en")
        session.add(driver)
        session.flush()
    return driver.id
