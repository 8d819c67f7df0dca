"""What a driver does in a day: load, start, arrive, deliver or fail, undo, finish.

Every step is one guarded change with its custody events. A step whose request is on record already is a repeat: it
changes nothing and answers the same. A step the state does not allow raises ``WrongMove`` with a sentence that says
what the state is.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from tracking import custody, deliveries, routes
from tracking.custody import CustodyKind
from tracking.deliveries import UNDER_WAY, Delivery, DeliveryStatus
from tracking.proofs import Proof
from tracking.routes import RouteStatus
from tracking.step_rules import (
    begin,
    one_line,
    repeat,
    repeat_or_refuse,
    require_status,
    route_of,
    stop_of,
    wrong_move,
    wrong_route_move,
)
from tracking.stops import Stop
from tracking.taps import SOURCE, FailureReason, MissingReason, NewProof, Step, StopsStillOpen, Tap
from tracking.undoing import UNDO_WITHIN, undo

__all__ = [
    "UNDO_WITHIN",
    "arrive",
    "deliver",
    "fail",
    "finish_route",
    "load",
    "mark_not_loaded",
    "reopen_route",
    "start_route",
    "undo",
]

MAX_REASON_LENGTH = 200  # our choice: a sentence or two
MAX_NOTE_LENGTH = 500

_S = DeliveryStatus


def load(session: Session, delivery_id: str, tap: Tap) -> Step:
    """Note that the goods are in the van. On a route under way they are out for delivery at once."""
    delivery, step, key = begin(session, delivery_id, tap, "load")
    if step.is_repeat:
        return step
    route_status = delivery.stop.route.status
    has_started = route_status is RouteStatus.STARTED
    target = _S.OUT_FOR_DELIVERY if has_started else _S.LOADED
    if not has_started and route_status is not RouteStatus.PLANNED:
        raise wrong_route_move(route_status, RouteStatus.STARTED)
    require_status(delivery.status, {_S.SCHEDULED, _S.LOADED} if has_started else {_S.SCHEDULED}, target)
    if not deliveries.advance(session, delivery_id, target, at=tap.now, not_loaded_reason=None):
        return repeat_or_refuse(session, step, key, target)
    tap.record(session, CustodyKind.LOADED, delivery_id, key)
    if has_started:
        tap.record(session, CustodyKind.DEPARTED, delivery_id, None)
    return step


def mark_not_loaded(session: Session, delivery_id: str, tap: Tap, *, reason: str) -> Step:
    """Note that the goods are missing before they leave; dispatch sees ``not_loaded_reason``.

    Raises ``MissingReason`` without words, ``WrongMove`` once the goods are out for delivery.
    """
    delivery, step, key = begin(session, delivery_id, tap, "not_loaded")
    if step.is_repeat:
        return step
    reason = one_line(reason, MAX_REASON_LENGTH)
    if not reason:
        raise MissingReason
    require_status(delivery.status, {_S.SCHEDULED, _S.LOADED}, _S.SCHEDULED)
    if delivery.status is _S.SCHEDULED:
        changed = _note_missing(session, delivery_id, reason, tap.now)
    else:
        changed = deliveries.advance(session, delivery_id, _S.SCHEDULED, at=tap.now, not_loaded_reason=reason)
    if not changed:
        return repeat_or_refuse(session, step, key, _S.SCHEDULED)
    tap.record(session, CustodyKind.NOT_LOADED, delivery_id, key, reason=reason)
    return step


def start_route(session: Session, route_id: str, tap: Tap) -> Step:
    """Start the route: what is scheduled or loaded is out for delivery; what is marked not loaded stays scheduled.

    Starting a route that is under way is a repeat. Raises ``WrongMove`` for a finished or cancelled one.
    """
    route = route_of(session, route_id)
    if route.status not in {RouteStatus.PLANNED, RouteStatus.STARTED}:
        raise wrong_route_move(route.status, RouteStatus.STARTED)
    if not routes.advance(session, route_id, RouteStatus.STARTED, started_at=tap.now):
        return Step(route_id, (), is_repeat=True)
    departed = []
    for delivery in deliveries.deliveries_of_route(session, route_id):
        is_waiting = delivery.status in {_S.SCHEDULED, _S.LOADED} and delivery.not_loaded_reason is None
        if is_waiting and deliveries.advance(session, delivery.id, _S.OUT_FOR_DELIVERY, at=tap.now):
            tap.record(session, CustodyKind.DEPARTED, delivery.id, tap.key("start", delivery.id))
            departed.append(delivery.id)
    return Step(route_id, tuple(departed))


def arrive(session: Session, stop_id: str, tap: Tap) -> Step:
    """Note that the driver is at the stop: it wins over an arrival noticed from positions, custody keeps both.

    Raises ``WrongMove`` when nothing at the stop is under way.
    """
    stop, here = stop_of(session, stop_id)
    key = tap.key("arrive", stop_id)
    under_way = [delivery for delivery in here if delivery.status in UNDER_WAY]
    step = Step(stop.route_id, tuple(delivery.id for delivery in under_way), stop_id)
    if custody.was_recorded(session, key):
        return repeat(step)
    if not under_way:
        raise wrong_move(here[0].status if here else _S.SCHEDULED, _S.ARRIVED)
    for number, delivery in enumerate(under_way):
        if delivery.status is _S.OUT_FOR_DELIVERY:
            deliveries.advance(session, delivery.id, _S.ARRIVED, at=tap.now, arrived_at=tap.now)
        tap.record(session, CustodyKind.ARRIVED, delivery.id, key if number == 0 else None)
    _mark_arrived(session, stop_id, tap.now)
    return step


def deliver(session: Session, delivery_id: str, tap: Tap, *, proofs: Sequence[NewProof] = ()) -> Step:
    """Note that the goods were handed over, with what proves it. Without an arrival before, this is the arrival too."""
    delivery, step, key = begin(session, delivery_id, tap, "deliver")
    if step.is_repeat:
        return step
    require_status(delivery.status, UNDER_WAY, _S.DELIVERED)
    columns = {"delivered_at": tap.now, "arrived_at": delivery.arrived_at or tap.now}
    is_unannounced = delivery.stop.arrived_at is None
    if not deliveries.advance(session, delivery_id, _S.DELIVERED, at=tap.now, **columns):
        return repeat_or_refuse(session, step, key, _S.DELIVERED)
    if is_unannounced:
        tap.record(session, CustodyKind.ARRIVED, delivery_id, None, implied_by="delivered")
        _mark_arrived(session, delivery.stop_id, tap.now)
    for proof in proofs:
        session.add(_proof_row(proof, proof_id=tap.ids(), delivery_id=delivery_id, taken_at=tap.now))
    tap.record(session, CustodyKind.DELIVERED, delivery_id, key, proofs=[proof.kind.value for proof in proofs])
    return step


def fail(session: Session, delivery_id: str, tap: Tap, *, reason: FailureReason, note: str = "") -> Step:
    """Note that the goods could not be handed over, and why. ``OTHER`` needs a note (``MissingReason``)."""
    delivery, step, key = begin(session, delivery_id, tap, "fail")
    if step.is_repeat:
        return step
    note = one_line(note, MAX_NOTE_LENGTH)
    if reason is FailureReason.OTHER and not note:
        raise MissingReason
    require_status(delivery.status, UNDER_WAY, _S.ATTEMPT_FAILED)
    columns = {"failure_reason": reason.value, "failure_note": note}
    if not deliveries.advance(session, delivery_id, _S.ATTEMPT_FAILED, at=tap.now, **columns):
        return repeat_or_refuse(session, step, key, _S.ATTEMPT_FAILED)
    tap.record(session, CustodyKind.FAILED, delivery_id, key, reason=reason.value, note=note)
    return step


def finish_route(session: Session, route_id: str, tap: Tap, *, rest_reason: FailureReason | None = None) -> Step:
    """Finish the route. ``rest_reason`` fails what is still under way; without it that raises ``StopsStillOpen``.

    Finishing a finished route is a repeat; a route that is not under way raises ``WrongMove``.
    """
    route = route_of(session, route_id)
    if route.status is RouteStatus.FINISHED:
        return Step(route_id, (), is_repeat=True)
    if route.status is not RouteStatus.STARTED:
        raise wrong_route_move(route.status, RouteStatus.FINISHED)
    rest = [found for found in deliveries.deliveries_of_route(session, route_id) if found.status in UNDER_WAY]
    if rest and rest_reason is None:
        raise StopsStillOpen([delivery.reference for delivery in rest])
    if rest_reason is not None:
        for delivery in rest:
            fail(session, delivery.id, tap, reason=rest_reason)
    is_first = routes.advance(session, route_id, RouteStatus.FINISHED, finished_at=tap.now)
    return Step(route_id, tuple(delivery.id for delivery in rest), is_repeat=not is_first)


def reopen_route(session: Session, route_id: str, tap: Tap) -> Step:
    """Take a finish back within 10 minutes: a parcel was in the van after all. Raises ``WrongMove`` later."""
    route = route_of(session, route_id)
    if route.status is RouteStatus.STARTED:
        return Step(route_id, (), is_repeat=True)
    is_fresh = route.finished_at is not None and tap.now - route.finished_at <= UNDO_WITHIN
    if route.status is not RouteStatus.FINISHED or not is_fresh:
        raise wrong_route_move(route.status, RouteStatus.STARTED)
    routes.advance(session, route_id, RouteStatus.STARTED, finished_at=None)
    return Step(route_id, ())


def _note_missing(session: Session, delivery_id: str, reason: str, now: datetime) -> bool:
    """Keep the reason on a delivery that stays scheduled; False when it is scheduled no longer."""
    statement = update(Delivery).where(Delivery.id == delivery_id, Delivery.status == _S.SCHEDULED)
    columns = {"not_loaded_reason": reason, "plan_dirty_at": now, "version": Delivery.version + 1}
    result = session.execute(statement.values(**columns).execution_options(synchronize_session="fetch"))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _mark_arrived(session: Session, stop_id: str, now: datetime) -> None:
    session.execute(update(Stop).where(Stop.id == stop_id).values(arrived_at=now, arrived_source=SOURCE))


def _proof_row(proof: NewProof, *, proof_id: str, delivery_id: str, taken_at: datetime) -> Proof:
    return Proof(
        id=proof_id,
        delivery_id=delivery_id,
        kind=proof.kind,
        text=proof.text,
        sha256=proof.sha256,
        public_sha256=proof.public_sha256,
        content_type=proof.content_type,
        width=proof.width,
        height=proof.height,
        taken_at=taken_at,
        withdrawn_at=None,
    )
