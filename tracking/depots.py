"""Depots: where routes start."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base


class Depot(Base):
    """A place that trucks leave from. Coordinates in degrees (WGS 84)."""

    __tablename__ = "depots"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    lat: Mapped[float]
    lon: Mapped[float]
    zone: Mapped[str] = mapped_column(String(64))
