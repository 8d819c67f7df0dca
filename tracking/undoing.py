"""Undo: the last step on a delivery, taken back for ten minutes. Custody keeps both."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from tracking import deliveries
from tracking.custody import CustodyKind
from tracking.deliveries import STATE_SENTENCES, DeliveryStatus
from tracking.errors import WrongMove
from tracking.proofs import Proof
from tracking.routes import RouteStatus
from tracking.step_rules import begin, repeat_or_refuse, stop_of, wrong_route_move
from tracking.stops import Stop
from tracking.taps import Step, Tap, TooLateToUndo

UNDO_WITHIN = timedelta(minutes=10)  # DESIGN 4: "delivered -> arrived (undo, 10 minutes)"

_S = DeliveryStatus
# What undo leads to, and the columns it clears.
_UNDONE: dict[DeliveryStatus, tuple[DeliveryStatus, dict[str, Any]]] = {
    _S.LOADED: (_S.SCHEDULED, {}),
    _S.ARRIVED: (_S.OUT_FOR_DELIVERY, {"arrived_at": None}),
    _S.DELIVERED: (_S.ARRIVED, {"delivered_at": None}),
    _S.ATTEMPT_FAILED: (_S.OUT_FOR_DELIVERY, {"failure_reason": None, "failure_note": ""}),
}


def undo(session: Session, delivery_id: str, tap: Tap) -> Step:
    """Take the last step on this delivery back, within 10 minutes of it; proofs are withdrawn, custody keeps both.

    Delivered goes back to arrived, a failed attempt to out for delivery, an arrival too, with everybody at the stop;
    loaded (at any time before the start) to scheduled. Raises ``TooLateToUndo``, or ``WrongMove`` when there is
    nothing to undo.
    """
    delivery, step, key = begin(session, delivery_id, tap, "undo")
    if step.is_repeat:
        return step
    undone, route_status = delivery.status, delivery.stop.route.status
    if undone not in _UNDONE:
        raise WrongMove(state=undone, target="undo", sentence=f"{STATE_SENTENCES[undone]} There is nothing to undo.")
    if undone is not _S.LOADED and route_status is not RouteStatus.STARTED:
        raise wrong_route_move(route_status, RouteStatus.STARTED)
    if undone is not _S.LOADED and tap.now - delivery.status_at > UNDO_WITHIN:
        raise TooLateToUndo(undone)
    target, columns = _UNDONE[undone]
    if not deliveries.advance(session, delivery_id, target, at=tap.now, **columns):
        return repeat_or_refuse(session, step, key, target)
    if undone is _S.DELIVERED:
        _withdraw_proofs(session, delivery_id, tap.now)
    tap.record(session, CustodyKind.UNDONE, delivery_id, key, undid=undone.value)
    return step if undone is not _S.ARRIVED else _undo_arrival_of_others(session, step, tap)


def _undo_arrival_of_others(session: Session, step: Step, tap: Tap) -> Step:
    """Take everybody else's arrival at the stop back, and the stop's own unless somebody was served there."""
    assert step.stop_id is not None
    stop, here = stop_of(session, step.stop_id)
    others = [other for other in here if other.status is _S.ARRIVED and other.id not in step.delivery_ids]
    for other in others:
        deliveries.advance(session, other.id, _S.OUT_FOR_DELIVERY, at=tap.now, arrived_at=None)
        tap.record(session, CustodyKind.UNDONE, other.id, None, undid=_S.ARRIVED.value)
    if not any(delivery.status is _S.DELIVERED for delivery in here):
        session.execute(update(Stop).where(Stop.id == stop.id).values(arrived_at=None, arrived_source=None))
    return Step(step.route_id, (*step.delivery_ids, *(other.id for other in others)), step.stop_id)


def _withdraw_proofs(session: Session, delivery_id: str, now: datetime) -> None:
    fresh = update(Proof).where(Proof.delivery_id == delivery_id, Proof.withdrawn_at.is_(None))
    session.execute(fresh.values(withdrawn_at=now))
