"""Rows for tests: state only what the test is about."""

import itertools
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.ids import new_id
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop

ZONE = "America/New_York"
SERVICE_ON = date(2026, 3, 5)
DEPOT_AT = (40.7100, -74.3500)
# Phones end in these; those of the sandbox (Twilio sends nothing to itself) and of the driver below are nobody else's.
_numbers = (number for number in itertools.count(1) if number % 10_000 not in {100, 150})


def local(clock_time: str, on: date = SERVICE_ON, zone: str = ZONE) -> datetime:
    """Return the instant of a local ``HH:MM``."""
    return datetime.combine(on, time.fromisoformat(clock_time), tzinfo=ZoneInfo(zone))


def make_depot(session: Session, name: str = "North depot") -> Depot:
    """Return the depot of this name, made when it is not there."""
    depot = session.scalar(select(Depot).where(Depot.name == name))
    if depot is None:
        depot = Depot(id=new_id(), name=name, lat=DEPOT_AT[0], lon=DEPOT_AT[1], zone=ZONE)
        session.add(depot)
        session.flush()
    return depot


def make_driver(session: Session, name: str = "Dana Ruiz", phone: str = "+12015550150") -> Driver:
    """Return the driver with this phone, made when not there."""
    driver = session.scalar(select(Driver).where(Driver.phone == phone))
    if driver is None:
        driver = Driver(id=new_id(), name=name, phone=phone, locale="en")
        session.add(driver)
        session.flush()
    return driver


def make_route(
    session: Session,
    *,
    on: date = SERVICE_ON,
    name: str | None = None,
    starts: str = "09:00",
    status: RouteStatus = RouteStatus.PLANNED,
    driver: Driver | None = None,
    **columns: Any,
) -> Route:
    """Add a route without stops."""
    route = Route(
        id=new_id(),
        service_on=on,
        name=name or f"R{next(_numbers)}",
        depot_id=make_depot(session).id,
        driver_id=(driver or make_driver(session)).id,
        vehicle="Van 7",
        zone=ZONE,
        planned_start_at=local(starts, on),
        status=status,
        **columns,
    )
    session.add(route)
    session.flush()
    return route


def make_stop(session: Session, route: Route, **columns: Any) -> Stop:
    """Add the next stop of a route, a few hundred metres from the one before."""
    count = session.scalar(select(func.count()).select_from(Stop).where(Stop.route_id == route.id)) or 0
    given: dict[str, Any] = {
        "id": new_id(),
        "route_id": route.id,
        "sequence": count + 1,
        "address": f"{count + 1} Orchard Lane",
        "lat": DEPOT_AT[0] + 0.004 * (count + 1),
        "lon": DEPOT_AT[1] + 0.003 * (count + 1),
        "service_s": 240.0,
    }
    stop = Stop(**{**given, **columns})
    session.add(stop)
    session.flush()
    return stop


def make_delivery(
    session: Session,
    *,
    stop: Stop | None = None,
    route: Route | None = None,
    window: str = "10:00-12:00",
    on: date = SERVICE_ON,
    zone: str = ZONE,
    status: DeliveryStatus = DeliveryStatus.SCHEDULED,
    now: datetime | None = None,
    **columns: Any,
) -> Delivery:
    """Add one delivery, with depot, driver, route and stop where none is given; return it whole."""
    if stop is None:
        stop = make_stop(session, route or make_route(session, on=on))
    made_at = now or local("09:00", on=date.fromordinal(on.toordinal() - 3))
    number = next(_numbers)
    start, _, end = window.partition("-")
    given: dict[str, Any] = {
        "id": new_id(),
        "stop_id": stop.id,
        "reference": f"REF-{number}",
        "import_on": on,
        "import_route": "file",
        "imported": {},
        "status": status,
        "status_at": made_at,
        "recipient_name": "Anna Berg",
        "phone": f"+1201555{number % 10_000:04d}",
        "email": f"anna{number}@example.net",
        "locale": "en",
        "zone": zone,
        "service_on": on,
        "window_start_at": local(start, on, zone),
        "window_end_at": local(end, on, zone),
        "items": "1 bookcase",
        "created_at": made_at,
    }
    session.add(Delivery(**{**given, **columns}))
    session.flush()
    return load(session, given["id"] if "id" not in columns else columns["id"])
