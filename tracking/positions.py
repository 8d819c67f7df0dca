"""Positions: the history of fixes, one row a fix, counted up."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base


class Position(Base):
    """One fix of one driver's device. ``at`` is when the device says it was taken, after clamping; degrees, m, m/s."""

    __tablename__ = "positions"
    __table_args__ = (UniqueConstraint("driver_id", "at"), Index("ix_positions_route_id", "route_id", "at"))

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    driver_id: Mapped[str] = mapped_column(ForeignKey("drivers.id"))
    route_id: Mapped[str | None] = mapped_column(ForeignKey("routes.id"))
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    lat: Mapped[float]
    lon: Mapped[float]
    accuracy_m: Mapped[float | None]
    speed_mps: Mapped[float | None]
    heading_deg: Mapped[float | None]
    status: Mapped[str] = mapped_column(String(16))  # stored, late, clamped, refused: how the engine took it
    source: Mapped[str] = mapped_column(String(16))  # json, osmand, owntracks
