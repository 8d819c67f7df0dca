"""Chain of custody: who had the goods, when and where. Events are only ever added."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Index, String, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tracking.actors import Actor
from tracking.storage import Base, words


class CustodyKind(StrEnum):
    """What happened to the goods."""

    LOADED = "loaded"
    NOT_LOADED = "not_loaded"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNDONE = "undone"
    RESCHEDULED = "rescheduled"
    REASSIGNED = "reassigned"
    CANCELLED = "cancelled"
    RETURNED = "returned"


class CustodyEvent(Base):
    """One thing that happened. ``at`` is when it happened (day time), ``recorded_at`` when we learned of it.

    ``source`` is tap, position, staff or api; ``request_id`` makes a repeated tap the same event.
    """

    __tablename__ = "custody_events"
    __table_args__ = (Index("ix_custody_events_delivery_id", "delivery_id", "at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"))
    kind: Mapped[CustodyKind] = mapped_column(words(CustodyKind, "custody_kind"))
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16))
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    detail: Mapped[dict[str, Any]]
    request_id: Mapped[str | None] = mapped_column(String(100), unique=True)


def record(
    session: Session,
    *,
    event_id: str,
    delivery_id: str,
    kind: CustodyKind,
    at: datetime,
    now: datetime,
    actor: Actor,
    source: str,
    where: tuple[float, float] | None = None,
    detail: dict[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Add one event. ``where`` is (lat, lon) when known. A repeated ``request_id`` is refused by the database."""
    session.add(
        CustodyEvent(
            id=event_id,
            delivery_id=delivery_id,
            kind=kind,
            at=at,
            recorded_at=now,
            actor_kind=actor.kind,
            actor_id=actor.id,
            source=source,
            lat=where[0] if where else None,
            lon=where[1] if where else None,
            detail=detail or {},
            request_id=request_id,
        )
    )


def was_recorded(session: Session, request_id: str) -> bool:
    """True when an event with this request id is on record already: the tap came twice."""
    return session.scalar(select(CustodyEvent.id).where(CustodyEvent.request_id == request_id)) is not None


_BRIEF = (
    select(CustodyEvent.kind, CustodyEvent.at, CustodyEvent.detail)
    .where(CustodyEvent.delivery_id == bindparam("delivery_id"))
    .order_by(CustodyEvent.at, CustodyEvent.recorded_at)
)


class Happened(NamedTuple):
    """One event as people are told of it."""

    kind: CustodyKind
    at: datetime
    detail: dict[str, Any]


def what_happened(session: Session, delivery_id: str) -> list[Happened]:
    """Return the delivery's events in brief, oldest first: by a statement built once, for every page reads it."""
    return [Happened._make(row) for row in session.execute(_BRIEF, {"delivery_id": delivery_id})]


def history(session: Session, delivery_id: str) -> list[CustodyEvent]:
    """Return the delivery's events, oldest first."""
    statement = select(CustodyEvent).where(CustodyEvent.delivery_id == delivery_id)
    return list(session.scalars(statement.order_by(CustodyEvent.at, CustodyEvent.recorded_at)))
