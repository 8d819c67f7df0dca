"""What every step of a driver checks first: was it taken before, is it allowed, and what is the state if not."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from tracking import custody, deliveries
from tracking.deliveries import STATE_SENTENCES, Delivery, DeliveryStatus
from tracking.errors import NotFound, WrongMove
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop
from tracking.taps import Step, Tap

_ROUTE_SENTENCES = {
    RouteStatus.PLANNED: "This route has not started yet.",
    RouteStatus.STARTED: "This route is under way.",
    RouteStatus.FINISHED: "This route is finished.",
    RouteStatus.CANCELLED: "This route is cancelled.",
}


def begin(session: Session, delivery_id: str, tap: Tap, action: str) -> tuple[Delivery, Step, str]:
    """Return the delivery, the step about to be taken (a repeat when it was taken before) and its key."""
    delivery = deliveries.load(session, delivery_id)
    key = tap.key(action, delivery_id)
    step = Step(delivery.stop.route_id, (delivery_id,), delivery.stop_id)
    return delivery, repeat(step) if custody.was_recorded(session, key) else step, key


def repeat(step: Step) -> Step:
    """Return the step as one that was taken before."""
    return Step(step.route_id, step.delivery_ids, step.stop_id, is_repeat=True)


def repeat_or_refuse(session: Session, step: Step, key: str, target: DeliveryStatus) -> Step:
    """Return a repeat when the race was lost to the same request; raises ``WrongMove`` when to another change."""
    if custody.was_recorded(session, key):
        return repeat(step)
    session.expire_all()
    raise wrong_move(deliveries.load(session, step.delivery_ids[0]).status, target)


def require_status(status: DeliveryStatus, allowed: Collection[DeliveryStatus], target: DeliveryStatus) -> None:
    """Raise ``WrongMove`` for a delivery in any other state."""
    if status not in allowed:
        raise wrong_move(status, target)


def wrong_move(status: DeliveryStatus, target: DeliveryStatus) -> WrongMove:
    """Return the refusal that says what the delivery's state is."""
    return WrongMove(state=status, target=target, sentence=STATE_SENTENCES[status])


def wrong_route_move(status: RouteStatus, target: RouteStatus) -> WrongMove:
    """Return the refusal that says what the route's state is."""
    return WrongMove(state=status, target=target, sentence=_ROUTE_SENTENCES[status])


def one_line(text: str, limit: int) -> str:
    """Return the words of ``text`` with single spaces, cut to ``limit`` characters."""
    return " ".join(text.split())[:limit]


def route_of(session: Session, route_id: str) -> Route:
    """Return the route as it is now; raises ``NotFound``."""
    route = session.get(Route, route_id, populate_existing=True)
    if route is None:
        raise NotFound("route", route_id)
    return route


def stop_of(session: Session, stop_id: str) -> tuple[Stop, list[Delivery]]:
    """Return the stop and the deliveries there, whole; raises ``NotFound``."""
    stop = session.get(Stop, stop_id)
    if stop is None:
        raise NotFound("stop", stop_id)
    everything = deliveries.deliveries_of_route(session, stop.route_id)
    return stop, [delivery for delivery in everything if delivery.stop_id == stop_id]
