"""Routes: one truck's day, its state of progress, and the moves between its statuses."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, ForeignKey, Index, String, UniqueConstraint, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.storage import Base, words


class RouteStatus(StrEnum):
    """What a route is doing (DESIGN 4)."""

    PLANNED = "planned"
    STARTED = "started"
    FINISHED = "finished"
    CANCELLED = "cancelled"


MOVES: dict[RouteStatus, frozenset[RouteStatus]] = {
    RouteStatus.PLANNED: frozenset({RouteStatus.STARTED, RouteStatus.CANCELLED}),
    RouteStatus.STARTED: frozenset({RouteStatus.FINISHED, RouteStatus.CANCELLED}),
    RouteStatus.FINISHED: frozenset({RouteStatus.STARTED}),  # a parcel found in the van after all
    RouteStatus.CANCELLED: frozenset(),
}


class Route(Base):
    """One driver's ordered stops on one day. ``plan_version`` counts changes of order, stops and driver."""

    __tablename__ = "routes"
    __table_args__ = (
        UniqueConstraint("service_on", "name"),
        Index("ix_routes_driver_id", "driver_id", "service_on"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    service_on: Mapped[date]
    name: Mapped[str] = mapped_column(String(120))
    depot_id: Mapped[str] = mapped_column(ForeignKey("depots.id"))
    driver_id: Mapped[str] = mapped_column(ForeignKey("drivers.id"))
    vehicle: Mapped[str] = mapped_column(String(120), default="")
    zone: Mapped[str] = mapped_column(String(64))
    planned_start_at: Mapped[datetime]
    status: Mapped[RouteStatus] = mapped_column(words(RouteStatus, "route_status"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    plan_version: Mapped[int] = mapped_column(default=1)

    depot: Mapped[Depot] = relationship(lazy="raise")
    driver: Mapped[Driver] = relationship(lazy="raise")


class RouteState(Base):
    """Where the truck of a route is and what its ETA engine knows: so a killed consumer resumes.

    ``engine`` is ``tracking.progress.RouteProgress.dump()``; ``plan_version`` the plan it was made for; ``revision``
    counts how often it was written, so that a consumer can tell whether what it remembers still holds.
    """

    __tablename__ = "route_states"

    route_id: Mapped[str] = mapped_column(ForeignKey("routes.id"), primary_key=True)
    engine: Mapped[dict[str, Any]]
    plan_version: Mapped[int]
    revision: Mapped[int] = mapped_column(default=0, server_default="0")
    last_lat: Mapped[float | None]
    last_lon: Mapped[float | None]
    last_heading_deg: Mapped[float | None]
    last_fix_at: Mapped[datetime | None]
    last_received_at: Mapped[datetime | None]


def advance(session: Session, route_id: str, target: RouteStatus, **columns: Any) -> bool:
    """Move to ``target`` and set ``columns`` with it; False, and nothing changes, when that is no allowed move."""
    sources = [status for status, targets in MOVES.items() if target in targets]
    statement = update(Route).where(Route.id == route_id, Route.status.in_(sources)).values(status=target, **columns)
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount == 1
