"""Stops: places in a route's order, with the estimate of when the truck is there."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tracking.routes import Route
from tracking.storage import Base


class Stop(Base):
    """A place in a route's order; it can hold several deliveries. Times are day time; ``service_s`` is planned.

    ``arrived_at`` and ``departed_at`` are what the product believes; the driver's tap wins over a detected arrival and
    custody keeps both. ``eta_*`` is the newest estimate (median and 80 % interval).
    """

    __tablename__ = "stops"
    __table_args__ = (
        UniqueConstraint("route_id", "sequence"),
        CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="on_earth"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    route_id: Mapped[str] = mapped_column(ForeignKey("routes.id"))
    sequence: Mapped[int]
    address: Mapped[str] = mapped_column(Text)
    lat: Mapped[float]
    lon: Mapped[float]
    service_s: Mapped[float | None]
    planned_arrival_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    arrived_source: Mapped[str | None] = mapped_column(String(16))
    departed_at: Mapped[datetime | None]
    eta_at: Mapped[datetime | None]
    eta_lo_at: Mapped[datetime | None]
    eta_hi_at: Mapped[datetime | None]
    stops_before: Mapped[int | None]
    eta_cause: Mapped[str | None] = mapped_column(String(32))
    eta_basis: Mapped[str | None] = mapped_column(String(8))
    eta_made_at: Mapped[datetime | None]

    route: Mapped[Route] = relationship(lazy="raise")


def stops_of(session: Session, route_id: str) -> list[Stop]:
    """Return the stops of a route in their order."""
    return list(session.scalars(select(Stop).where(Stop.route_id == route_id).order_by(Stop.sequence)))
