"""Case facts: what was known of a delivery when somebody complained: promised, actual, told, proven."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.notifications import Notification
from tracking.custody import CustodyEvent, CustodyKind, history
from tracking.deliveries import Delivery, EstimateMade, PromiseChange
from tracking.geo import LatLon, distance_m
from tracking.proofs import Proof


def case_facts(session: Session, delivery: Delivery) -> dict[str, Any]:
    """Return the facts of a delivery that was loaded whole, as plain values: instants in ISO, metres, minutes.

    ``depot_late_min`` is how late the truck left: that part of a delay is not the driver's.
    """
    events = history(session, delivery.id)
    route = delivery.stop.route
    actual = delivery.arrived_at or delivery.stop.arrived_at or delivery.delivered_at
    return {
        "window": [_iso(delivery.window_start_at), _iso(delivery.window_end_at)],
        "promised": [_iso(delivery.promise_lo_at), _iso(delivery.promise_hi_at)],
        "promise_changes": _promise_changes(session, delivery),
        "arrived_at": _iso(delivery.arrived_at or delivery.stop.arrived_at),
        "delivered_at": _iso(delivery.delivered_at),
        "late_min": _minutes_after(actual, delivery.window_end_at),
        "early_min": _minutes_after(delivery.window_start_at, actual),
        "depot_late_min": _minutes_after(route.started_at, route.planned_start_at),
        "first_estimate": _first_estimate(session, delivery),
        "notifications": _notifications(session, delivery.id),
        "custody": [{"kind": event.kind.value, "at": _iso(event.at), "source": event.source} for event in events],
        "proof": _proofs(session, delivery.id),
        "proof_distance_m": _proof_distance_m(delivery, events),
        "driver_id": route.driver_id,
        "driver": route.driver.name,
        "depot": route.depot.name,
        "route": route.name,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _minutes_after(at: datetime | None, limit: datetime | None) -> int | None:
    """Return whole minutes that ``at`` is past ``limit``, 0 when it is not; None when one is not known."""
    if at is None or limit is None:
        return None
    return max(0, round((at - limit).total_seconds() / 60))


def _promise_changes(session: Session, delivery: Delivery) -> list[dict[str, Any]]:
    """Return the changes that the recipient may have seen: of a promise made, once they had opened their page."""
    if delivery.seen_at is None:
        return []
    statement = (
        select(PromiseChange)
        .where(PromiseChange.delivery_id == delivery.id, PromiseChange.from_lo_at.is_not(None))
        .where(PromiseChange.at > delivery.seen_at)
        .order_by(PromiseChange.at)
    )
    return [
        {"at": _iso(change.at), "cause": change.cause, "lo": _iso(change.lo_at), "hi": _iso(change.hi_at)}
        for change in session.scalars(statement)
    ]


def _first_estimate(session: Session, delivery: Delivery) -> dict[str, Any] | None:
    statement = select(EstimateMade).where(EstimateMade.stop_id == delivery.stop_id).order_by(EstimateMade.made_at)
    made = session.scalar(statement.limit(1))
    if made is None:
        return None
    return {"made_at": _iso(made.made_at), "eta": _iso(made.eta_at), "lo": _iso(made.lo_at), "hi": _iso(made.hi_at)}


def _notifications(session: Session, delivery_id: str) -> list[dict[str, Any]]:
    statement = select(Notification).where(Notification.delivery_id == delivery_id)
    return [
        {
            "kind": sent.kind.value,
            "channel": sent.channel.value,
            "status": sent.status.value,
            "at": _iso(sent.accepted_at or sent.due_at),
        }
        for sent in session.scalars(statement.order_by(Notification.created_at, Notification.id))
    ]


def _proofs(session: Session, delivery_id: str) -> list[str]:
    statement = select(Proof.kind).where(Proof.delivery_id == delivery_id, Proof.withdrawn_at.is_(None))
    return [kind.value for kind in session.scalars(statement.order_by(Proof.taken_at))]


def _proof_distance_m(delivery: Delivery, events: list[CustodyEvent]) -> int | None:
    """Return how far from the stop the driver was at the hand-over; None when the phone did not tell."""
    for event in reversed(events):
        if event.kind is CustodyKind.DELIVERED and event.lat is not None and event.lon is not None:
            return round(distance_m(LatLon(event.lat, event.lon), LatLon(delivery.stop.lat, delivery.stop.lon)))
    return None
