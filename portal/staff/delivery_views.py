"""What the page of one delivery shows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from portal.services import services
from portal.staff import words
from portal.staff.day import route_name
from portal.staff.facts import Facts, facts_of
from portal.staff.shell import me
from tracking.deliveries import MOVES, UNDER_WAY, Delivery, DeliveryStatus, load
from tracking.routes import Route, RouteStatus


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was refused: which one, why, and what was typed, so that nothing is lost."""

    name: str = ""
    problem: str = ""
    typed: dict[str, str] | None = None

    def value(self, name: str, field: str, usual: str) -> str:
        """Return what a field shows: what was typed into this form, else what is on record."""
        return (self.typed or {}).get(field, usual) if name == self.name else usual


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What the page shows."""

    facts: Facts
    form: Form
    service_on: str
    window_start: str
    window_end: str
    routes: tuple[tuple[str, str], ...]
    can_change: bool
    can_reschedule: bool
    is_in_van: bool
    can_cancel: bool


def view_of(session: Session, delivery_id: str, form: Form = Form()) -> DeliveryView:
    """Return the page of a delivery; raises ``NotFound``."""
    now = services().clock.now()
    found = load(session, delivery_id)
    moves = MOVES[found.status]
    can_change = me().may("dispatcher")
    return DeliveryView(
        facts=facts_of(session, found, now),
        form=form,
        service_on=found.service_on.isoformat(),
        window_start=_typed_time(found.window_start_at, found.zone),
        window_end=_typed_time(found.window_end_at, found.zone),
        routes=_routes(session, found, now),
        can_change=can_change,
        can_reschedule=can_change and DeliveryStatus.RESCHEDULED in moves,
        is_in_van=found.status in UNDER_WAY,
        can_cancel=can_change and DeliveryStatus.CANCELLED in moves,
    )


def _routes(session: Session, found: Delivery, now: datetime) -> tuple[tuple[str, str], ...]:
    """Return the routes of the coming week that it could move to."""
    until = found.service_on + timedelta(days=7)
    statement = select(Route).where(
        Route.service_on >= found.service_on,
        Route.service_on <= until,
        Route.status.in_((RouteStatus.PLANNED, RouteStatus.STARTED)),
    )
    statement = statement.options(joinedload(Route.driver))
    coming = session.scalars(statement.order_by(Route.service_on, Route.name).limit(60))
    return tuple((route.id, f"{words.day(route.service_on, now)}: {route_name(route)}") for route in coming)


def _typed_time(at: datetime, zone: str) -> str:
    """Return a local time as a form's field holds it."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M}"
