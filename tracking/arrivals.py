"""Writing down that the truck came and went: deliveries, their custody, the stop. The driver's tap wins."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from tracking import custody, deliveries
from tracking.actors import SYSTEM
from tracking.custody import CustodyKind
from tracking.deliveries import UNDER_WAY, DeliveryStatus
from tracking.progress import StopEvent
from tracking.stops import Stop
from tracking.under_way import POSITION, UnderWay


def write_arrivals(
    session: Session, seen: UnderWay, events: Sequence[StopEvent], *, now: datetime, ids: Callable[[], str]
) -> list[str]:
    """Let deliveries arrive with their stops, with custody, and return the ids of those whose status moved."""
    moved = []
    for event in events:
        if event.kind == "arrived":
            moved += _arrive(session, seen, event, now=now, ids=ids)
    return moved


def mark_stops(session: Session, seen: UnderWay, events: Sequence[StopEvent]) -> None:
    """Note when the truck was where. A tapped arrival stays; call it last, for taps lock deliveries before stops."""
    for event in events:
        this = update(Stop).where(Stop.id == event.stop_id)
        if event.kind == "departed":
            is_later = or_(Stop.departed_at.is_(None), Stop.departed_at < event.at)
            changed = this.where(is_later).values(departed_at=event.at)
        else:
            changed = this.where(Stop.arrived_at.is_(None)).values(arrived_at=event.at, arrived_source=POSITION)
        session.execute(changed.execution_options(synchronize_session=False))
        seen.is_spent = True


def _arrive(session: Session, seen: UnderWay, event: StopEvent, *, now: datetime, ids: Callable[[], str]) -> list[str]:
    moved = []
    for delivery in seen.at_stop(event.stop_id):
        if delivery.status not in UNDER_WAY:
            continue
        key = hashlib.sha256(f"{event.kind}/{delivery.id}/{event.at.isoformat()}".encode()).hexdigest()
        if custody.was_recorded(session, key):
            continue
        if deliveries.advance(session, delivery.id, DeliveryStatus.ARRIVED, at=now, arrived_at=event.at):
            delivery.status = DeliveryStatus.ARRIVED
            moved.append(delivery.id)
        custody.record(
            session,
            event_id=ids(),
            delivery_id=delivery.id,
            kind=CustodyKind.ARRIVED,
            at=event.at,
            now=now,
            actor=SYSTEM,
            source=POSITION,
            where=(event.lat, event.lon),
            request_id=key,
        )
    return moved
