"""Driver links: an hour before the planned start, the route's driver gets the day's link by text (our choice)."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.outbox import queue
from tracking.drivers import Driver
from tracking.routes import Route, RouteStatus

BEFORE_START = timedelta(minutes=60)
USEFUL_FOR = timedelta(hours=12)  # after the planned start


def plan_driver_links(session: Session, *, now: datetime, ids: Callable[[], str]) -> int:
    """Queue the link of every route that starts within the hour, or should have; return how many were new.

    Once for each route and driver: whoever takes a route over gets a link of their own at once.
    """
    has_link = exists().where(
        Notification.route_id == Route.id,
        Notification.kind == Kind.DRIVER_LINK,
        Notification.occasion == Route.driver_id,
    )
    statement = select(Route, Driver).join(Driver, Driver.id == Route.driver_id)
    due = statement.where(
        Route.status.in_((RouteStatus.PLANNED, RouteStatus.STARTED)),
        Route.planned_start_at <= now + BEFORE_START,
        Route.planned_start_at > now - USEFUL_FOR,
        ~has_link,
    )
    return sum(_queue(session, route, driver, now, ids) for route, driver in session.execute(due))


def _queue(session: Session, route: Route, driver: Driver, now: datetime, ids: Callable[[], str]) -> bool:
    added = queue(
        session,
        kind=Kind.DRIVER_LINK,
        channel=Channel.SMS,
        subject=route.id,
        occasion=driver.id,
        delivery_id=None,
        route_id=route.id,
        to_address=driver.phone,
        locale=driver.locale,
        context={"to": "driver", "driver_id": driver.id},
        now=now,
        useful_until=route.planned_start_at + USEFUL_FOR,
        ids=ids,
    )
    return added is not None
