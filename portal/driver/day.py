"""What the driver's pages show: one frozen view of the route, its stops and what is at each door."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session, joinedload

from messaging.chat_lines import ChatMessage, Voice
from messaging.wishes import wishes_in_force
from portal.driver.stop_views import ChatMark, DeliveryView, StopView, stop_view
from tracking.deliveries import Delivery, deliveries_of_route
from tracking.driver_day import UNDO_WITHIN
from tracking.driving import is_driving
from tracking.errors import NotFound
from tracking.routes import Route, RouteStatus


@dataclass(frozen=True, slots=True)
class DayView:
    """One route as its driver sees it. ``is_driving`` is what the last position says; the phone knows it sooner."""

    route_id: str
    name: str
    driver_name: str
    vehicle: str
    depot: str
    locale: str
    zone: str
    now: datetime
    planned_start_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    status: str
    plan_version: int
    is_driving: bool
    stops: tuple[StopView, ...]

    @property
    def is_planned(self) -> bool:
        """True before the start: time to load."""
        return self.status == RouteStatus.PLANNED

    @property
    def is_started(self) -> bool:
        """True while the route is under way."""
        return self.status == RouteStatus.STARTED

    @property
    def is_finished(self) -> bool:
        """True once the driver has finished."""
        return self.status == RouteStatus.FINISHED

    @property
    def can_reopen(self) -> bool:
        """True while a finish can be taken back."""
        return self.is_finished and self.finished_at is not None and self.now - self.finished_at <= UNDO_WITHIN

    @property
    def deliveries(self) -> tuple[DeliveryView, ...]:
        """Everything on the route, in the order of its stops."""
        return tuple(delivery for stop in self.stops for delivery in stop.deliveries)

    @property
    def wanted(self) -> tuple[DeliveryView, ...]:
        """Everything that is to go out today."""
        return tuple(delivery for delivery in self.deliveries if not delivery.is_off)

    @property
    def open_stops(self) -> tuple[StopView, ...]:
        """The stops still to be served, in order."""
        return tuple(stop for stop in self.stops if stop.is_open)

    @property
    def other_stops(self) -> tuple[StopView, ...]:
        """The stops where nothing is under way: done, failed, not loaded or taken off."""
        return tuple(stop for stop in self.stops if not stop.is_open)

    @property
    def next_stop(self) -> StopView | None:
        """Where the driver is, or goes next."""
        here = [stop for stop in self.open_stops if stop.is_arrived]
        return next(iter(here or self.open_stops), None)

    @property
    def later_stops(self) -> tuple[StopView, ...]:
        """The open stops after the next one."""
        following = self.next_stop
        return tuple(stop for stop in self.open_stops if stop is not following)

    @property
    def delivered_count(self) -> int:
        """How many were handed over."""
        return sum(delivery.is_delivered for delivery in self.deliveries)

    @property
    def failed(self) -> tuple[DeliveryView, ...]:
        """What could not be handed over."""
        return tuple(delivery for delivery in self.deliveries if delivery.is_failed)

    @property
    def missing(self) -> tuple[DeliveryView, ...]:
        """What was not there to load."""
        return tuple(delivery for delivery in self.deliveries if delivery.is_waiting and delivery.not_loaded_reason)

    @property
    def loaded_count(self) -> int:
        """How many are ticked, before the start."""
        return sum(delivery.is_loaded for delivery in self.deliveries)

    @property
    def unticked_count(self) -> int:
        """How many are neither ticked nor marked as missing."""
        return sum(delivery.is_waiting and not delivery.not_loaded_reason for delivery in self.deliveries)

    @property
    def stops_done(self) -> int:
        """How many stops are served: handed over or tried, not those that were never loaded or were taken off."""
        return sum(stop.is_done for stop in self.stops)

    @property
    def stops_to_do(self) -> int:
        """How many stops count today: those served and those still open; what stayed at the depot is neither."""
        return sum(stop.is_done or stop.is_open for stop in self.stops)

    @property
    def unread(self) -> int:
        """How many chat lines the driver has not seen."""
        return sum(stop.unread for stop in self.stops)

    @property
    def newest_undo(self) -> DeliveryView | None:
        """What was done last and can still be undone; None on a route that is not under way."""
        undoable = [delivery for delivery in self.deliveries if delivery.can_undo and delivery.done_at]
        return max(undoable, key=lambda delivery: str(delivery.done_at), default=None) if self.is_started else None

    def stop(self, stop_id: str) -> StopView:
        """Return the stop with this id; raises ``NotFound`` for one that is not on this route."""
        for stop in self.stops:
            if stop.id == stop_id:
                return stop
        raise NotFound("stop", stop_id)

    def delivery(self, delivery_id: str) -> DeliveryView:
        """Return the delivery with this id; raises ``NotFound`` for one that is not on this route."""
        for delivery in self.deliveries:
            if delivery.id == delivery_id:
                return delivery
        raise NotFound("delivery", delivery_id)


def load_day(session: Session, route_id: str, now: datetime) -> DayView:
    """Return the view of a route; raises ``NotFound``."""
    route = session.scalar(
        select(Route).where(Route.id == route_id).options(joinedload(Route.driver), joinedload(Route.depot))
    )
    if route is None:
        raise NotFound("route", route_id)
    rows = deliveries_of_route(session, route_id)
    chats = _chats(session, [row.id for row in rows])
    wishes = wishes_in_force(session, [row.id for row in rows])
    by_stop: dict[str, list[Delivery]] = {}
    for row in rows:
        by_stop.setdefault(row.stop_id, []).append(row)
    return DayView(
        route_id=route.id,
        name=route.name,
        driver_name=route.driver.name,
        vehicle=route.vehicle,
        depot=route.depot.name,
        locale=route.driver.locale,
        zone=route.zone,
        now=now,
        planned_start_at=route.planned_start_at,
        started_at=route.started_at,
        finished_at=route.finished_at,
        status=route.status,
        plan_version=route.plan_version,
        is_driving=route.status is RouteStatus.STARTED and is_driving(session, route.id, now),
        stops=tuple(
            stop_view(number, here, chats, wishes, now) for number, here in enumerate(by_stop.values(), start=1)
        ),
    )


def _chats(session: Session, delivery_ids: Iterable[str]) -> dict[str, ChatMark]:
    """Return what the driver has not seen of each thread, and a mark that changes with its lines and who saw them."""
    is_unread = and_(ChatMessage.voice.in_([Voice.RECIPIENT, Voice.SUPPORT]), ChatMessage.seen_by_driver_at.is_(None))
    counted = (
        select(
            ChatMessage.conversation_id,
            func.sum(case((is_unread, 1), else_=0)),
            func.max(ChatMessage.id),
            func.count(ChatMessage.seen_by_recipient_at),
        )
        .where(ChatMessage.conversation_id.in_(list(delivery_ids)), ChatMessage.is_internal.is_(False))
        .group_by(ChatMessage.conversation_id)
    )
    return {
        delivery_id: ChatMark(unread=int(unread), version=f"{last_id}/{seen_count}")
        for delivery_id, unread, last_id, seen_count in session.execute(counted)
    }
