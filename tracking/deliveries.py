"""Deliveries: one recipient's goods at one stop, their states and the moves between them."""

import functools
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    CursorResult,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from tracking.errors import NotFound, WrongMove
from tracking.routes import Route
from tracking.stops import Stop
from tracking.storage import Base, words


class DeliveryStatus(StrEnum):
    """What is known of a delivery (DESIGN 4)."""

    SCHEDULED = "scheduled"
    LOADED = "loaded"
    OUT_FOR_DELIVERY = "out_for_delivery"
    ARRIVED = "arrived"
    DELIVERED = "delivered"
    ATTEMPT_FAILED = "attempt_failed"
    RESCHEDULED = "rescheduled"
    RETURNED = "returned"
    CANCELLED = "cancelled"


_S = DeliveryStatus
MOVES: dict[DeliveryStatus, frozenset[DeliveryStatus]] = {
    _S.SCHEDULED: frozenset({_S.LOADED, _S.OUT_FOR_DELIVERY, _S.RESCHEDULED, _S.CANCELLED}),
    # Back to scheduled is the driver's undo of a tick, before the route has started.
    _S.LOADED: frozenset({_S.SCHEDULED, _S.OUT_FOR_DELIVERY, _S.RESCHEDULED, _S.CANCELLED}),
    _S.OUT_FOR_DELIVERY: frozenset({_S.ARRIVED, _S.DELIVERED, _S.ATTEMPT_FAILED, _S.CANCELLED}),
    _S.ARRIVED: frozenset({_S.DELIVERED, _S.ATTEMPT_FAILED, _S.OUT_FOR_DELIVERY}),
    _S.DELIVERED: frozenset({_S.ARRIVED}),  # undo, 10 minutes; the caller checks the time
    _S.ATTEMPT_FAILED: frozenset({_S.OUT_FOR_DELIVERY, _S.RESCHEDULED, _S.RETURNED}),
    _S.RESCHEDULED: frozenset({_S.SCHEDULED}),
    _S.RETURNED: frozenset(),
    _S.CANCELLED: frozenset(),
}

OPEN = frozenset({_S.SCHEDULED, _S.LOADED, _S.OUT_FOR_DELIVERY, _S.ARRIVED})
UNDER_WAY = frozenset({_S.OUT_FOR_DELIVERY, _S.ARRIVED})

STATE_SENTENCES: dict[DeliveryStatus, str] = {
    _S.SCHEDULED: "This delivery is scheduled and not loaded yet.",
    _S.LOADED: "This delivery is loaded.",
    _S.OUT_FOR_DELIVERY: "This delivery is on its way.",
    _S.ARRIVED: "The driver is at the door.",
    _S.DELIVERED: "This delivery is already delivered.",
    _S.ATTEMPT_FAILED: "The last attempt at this delivery failed.",
    _S.RESCHEDULED: "This delivery is being moved to another day.",
    _S.RETURNED: "This delivery went back to the depot.",
    _S.CANCELLED: "This delivery is cancelled.",
}


class Delivery(Base):
    """One recipient's goods at one stop.

    The window is what the recipient was promised when the route was planned; ``promise_*`` is what the page shows now.
    ``(import_on, import_route, reference)`` is the key of the route file's row that made it and never changes;
    ``imported`` is that row as last imported. ``version`` grows with every change a page could show.
    ``plan_dirty_at`` is set when something the plan of notifications reads has changed (DESIGN 6).
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("import_on", "import_route", "reference"),
        CheckConstraint("phone IS NOT NULL OR email IS NOT NULL OR erased_at IS NOT NULL", name="reachable"),
        CheckConstraint("window_end_at > window_start_at", name="window"),
        Index("ix_deliveries_stop_id", "stop_id"),
        Index("ix_deliveries_service_on", "service_on"),
        Index("ix_deliveries_plan_dirty_at", "plan_dirty_at"),
        Index("ix_deliveries_phone", "phone"),
        Index("ix_deliveries_email", "email"),
        Index("ix_deliveries_reference", "reference"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stop_id: Mapped[str] = mapped_column(ForeignKey("stops.id"))
    reference: Mapped[str] = mapped_column(String(120))
    import_on: Mapped[date]
    import_route: Mapped[str] = mapped_column(String(120))
    imported: Mapped[dict[str, Any]]
    status: Mapped[DeliveryStatus] = mapped_column(words(DeliveryStatus, "delivery_status"))
    status_at: Mapped[datetime]
    recipient_name: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(254))
    locale: Mapped[str] = mapped_column(String(16))
    zone: Mapped[str] = mapped_column(String(64))
    service_on: Mapped[date]
    window_start_at: Mapped[datetime]
    window_end_at: Mapped[datetime]
    items: Mapped[str] = mapped_column(Text, default="")
    instructions: Mapped[str] = mapped_column(Text, default="")
    recipient_note: Mapped[str] = mapped_column(Text, default="")
    recipient_note_at: Mapped[datetime | None]
    not_loaded_reason: Mapped[str | None] = mapped_column(Text)
    failure_reason: Mapped[str | None] = mapped_column(String(64))
    failure_note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    arrived_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    next_stop_at: Mapped[datetime | None]  # first moment the recipient was next, or 15 minutes away by the median
    promise_lo_at: Mapped[datetime | None]
    promise_hi_at: Mapped[datetime | None]
    promise_point_at: Mapped[datetime | None]
    promise_cause: Mapped[str | None] = mapped_column(String(32))
    promise_made_at: Mapped[datetime | None]
    promise_is_now: Mapped[bool] = mapped_column(default=False)  # "arriving now" is shown instead of a time
    promise_broken_at: Mapped[
        datetime | None
    ]  # first moment the median left what was promised; cleared by a reschedule
    seen_at: Mapped[datetime | None]  # the page was open and in view for 3 s, or the recipient wrote
    version: Mapped[int] = mapped_column(default=1)
    plan_dirty_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]

    stop: Mapped[Stop] = relationship(lazy="raise")

    @property
    def is_open(self) -> bool:
        """True while the goods can still be handed over today."""
        return self.status in OPEN

    @property
    def is_finished(self) -> bool:
        """True when nothing more will happen by itself: delivered, returned or cancelled."""
        return self.status in {_S.DELIVERED, _S.RETURNED, _S.CANCELLED}


class PromiseChange(Base):
    """Why the promise to a recipient changed, told once per change (issue: the ledger)."""

    __tablename__ = "promise_changes"
    __table_args__ = (Index("ix_promise_changes_delivery_id", "delivery_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"))
    at: Mapped[datetime]
    cause: Mapped[str | None] = mapped_column(String(32))
    from_lo_at: Mapped[datetime | None]
    from_hi_at: Mapped[datetime | None]
    lo_at: Mapped[datetime]
    hi_at: Mapped[datetime]


class EstimateMade(Base):
    """One published estimate, kept so that staff see how true estimates are. At most one a minute and stop."""

    __tablename__ = "estimates_made"
    __table_args__ = (Index("ix_estimates_made_stop_id", "stop_id", "made_at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    stop_id: Mapped[str] = mapped_column(ForeignKey("stops.id"))
    made_at: Mapped[datetime]
    eta_at: Mapped[datetime]
    lo_at: Mapped[datetime]
    hi_at: Mapped[datetime]
    model: Mapped[str] = mapped_column(String(32))


def load(session: Session, delivery_id: str) -> Delivery:
    """Return the delivery with its stop, route, driver and depot; raises ``NotFound``."""
    found: Delivery | None = session.scalar(_one_whole(), {"delivery_id": delivery_id})
    if found is None:
        raise NotFound("delivery", delivery_id)
    return found


def load_many(session: Session, delivery_ids: list[str]) -> dict[str, Delivery]:
    """Return the deliveries with these ids, whole, by id; unknown ids are left out."""
    return {found.id: found for found in session.scalars(_whole().where(Delivery.id.in_(delivery_ids)))}


def deliveries_of_route(session: Session, route_id: str) -> list[Delivery]:
    """Return the deliveries of a route, whole, in the order of their stops."""
    statement = _whole().join(Delivery.stop).where(Stop.route_id == route_id)
    return list(session.scalars(statement.order_by(Stop.sequence, Delivery.reference)))


def advance(session: Session, delivery_id: str, target: DeliveryStatus, *, at: datetime, **columns: Any) -> bool:
    """Move to ``target`` and set ``columns`` with it; False, and nothing changes, when that is no allowed move.

    Marks the plan of notifications dirty and counts the version up in the same statement.
    """
    sources = [status for status, targets in MOVES.items() if target in targets]
    statement = (
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.status.in_(sources))
        .values(status=target, status_at=at, plan_dirty_at=at, version=Delivery.version + 1, **columns)
        .execution_options(synchronize_session="fetch")
    )
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def require_move(session: Session, delivery_id: str, target: DeliveryStatus, *, at: datetime, **columns: Any) -> None:
    """Do ``advance``; raises ``WrongMove`` with a sentence that says what the state is, or ``NotFound``."""
    if advance(session, delivery_id, target, at=at, **columns):
        return
    state = session.scalar(select(Delivery.status).where(Delivery.id == delivery_id))
    if state is None:
        raise NotFound("delivery", delivery_id)
    raise WrongMove(state=state, target=target, sentence=STATE_SENTENCES[state])


def mark_plan_dirty(session: Session, delivery_ids: list[str], now: datetime) -> None:
    """Note that what ``schedule.planned`` reads has changed for these deliveries, and that pages may show more."""
    statement = update(Delivery).where(Delivery.id.in_(delivery_ids))
    session.execute(
        statement.values(plan_dirty_at=now, version=Delivery.version + 1).execution_options(synchronize_session="fetch")
    )


@functools.cache
def _one_whole() -> Any:
    """Return the statement of ``load``: putting it together takes as long as running it."""
    return _whole().where(Delivery.id == bindparam("delivery_id"))


def _whole() -> Any:
    route = joinedload(Delivery.stop).joinedload(Stop.route)
    return select(Delivery).options(route.joinedload(Route.driver), route.joinedload(Route.depot))
