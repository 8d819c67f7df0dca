"""Carrying out what a route file would change, in the caller's transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from tracking.actors import Actor
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.import_places import Placement, place_rows
from tracking.import_plan import (
    STOP_COLUMNS,
    Difference,
    ImportPreview,
    Record,
    RouteKey,
    compare,
    read_record,
)
from tracking.import_rows import Row
from tracking.local_time import local_instant
from tracking.planning import plan_arrivals
from tracking.route_changes import Changed, reassign
from tracking.routes import Route, RouteStatus

# Any fixed number: imports on PostgreSQL wait for each other under it. SQLite has one writer anyway.
IMPORT_LOCK = 20_260_301
WINDOW_COLUMNS = frozenset({"window_start", "window_end", "zone"})
_SIMPLE = {"recipient": "recipient_name", "phone": "phone", "email": "email", "locale": "locale"}
_SIMPLE |= {"items": "items", "instructions": "instructions"}


class Application:
    """One import under way: the record as read, what differs, and what was touched so far."""

    def __init__(
        self, session: Session, rows: Sequence[Row], *, now: datetime, actor: Actor, ids: Callable[[], str]
    ) -> None:
        self._session = session
        self._rows = rows
        self._now = now
        self._actor = actor
        self._ids = ids
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": IMPORT_LOCK})
        self._record: Record = read_record(session, rows)
        self.preview: ImportPreview = compare(self._record, rows)
        self._touched: dict[str, None] = {}
        self._replan: dict[str, None] = {}
        self._revoked: list[str] = []
        self._new: list[dict[str, Any]] = []

    def run(self) -> Changed:
        """Do it all and return what was touched. Doing it again with the same rows touches nothing."""
        if self.preview.is_noop:
            return Changed()
        self._settle_depots()
        self._settle_drivers()
        self._add_routes()
        self._session.flush()
        acting = {row.key for row in self.preview.new}
        for difference in self.preview.changed:
            if difference.kind == "route" and difference.accepted:
                self._change_route(difference)
        acting |= self._change_deliveries()
        self._place(acting)
        self._session.flush()
        if self._new:
            self._session.execute(insert(Delivery), self._new)  # Core: 50,000 rows at once keep the lock for seconds
        for route_id in self._replan:
            plan_arrivals(self._session, route_id)
        self._session.flush()
        return Changed(tuple(self._touched), tuple(self._replan), tuple(self._revoked))

    def _settle_depots(self) -> None:
        """Add depots that are new, and move those that the file has elsewhere: their routes begin there now."""
        for row in {row.depot: row for row in self._rows}.values():
            depot = self._record.depots.get(row.depot)
            if depot is None:
                depot = Depot(id=self._ids(), name=row.depot, lat=row.depot_lat, lon=row.depot_lon, zone=row.zone)
                self._session.add(depot)
                self._record.depots[row.depot] = depot
            if (depot.lat, depot.lon) != (row.depot_lat, row.depot_lon):
                depot.lat, depot.lon = row.depot_lat, row.depot_lon
                of_depot = [route for route in self._record.routes.values() if route.depot_id == depot.id]
                self._replan.update(dict.fromkeys(route.id for route in of_depot))

    def _settle_drivers(self) -> None:
        for row in {row.driver_phone: row for row in self._rows}.values():
            driver = self._record.drivers.get(row.driver_phone)
            if driver is None:
                driver = Driver(id=self._ids(), name=row.driver, phone=row.driver_phone, locale=row.driver_locale)
                self._session.add(driver)
                self._record.drivers[row.driver_phone] = driver
            driver.name = row.driver

    def _add_routes(self) -> None:
        for key, rows in self._record.file_routes.items():
            if key in self._record.routes:
                continue
            first = rows[0]
            route = Route(
                id=self._ids(),
                service_on=first.service_on,
                name=first.route,
                depot_id=self._record.depots[first.depot].id,
                driver_id=self._record.drivers[first.driver_phone].id,
                vehicle=first.vehicle,
                zone=first.zone,
                planned_start_at=planned_start_at(first),
                status=RouteStatus.PLANNED,
                plan_version=1,
            )
            self._session.add(route)
            self._record.routes[key] = route
            self._replan[route.id] = None

    def _change_route(self, difference: Difference) -> None:
        """Change what the file says of a whole route; every row of it remembers that as imported."""
        key = _route_key(difference)
        route, first = self._record.routes[key], self._record.file_routes[key][0]
        accepted = {change.column: change.new for change in difference.accepted}
        if "depot" in accepted:
            route.depot_id = self._record.depots[first.depot].id
        if "planned_start" in accepted:
            route.planned_start_at = planned_start_at(first)
        if "vehicle" in accepted:
            route.vehicle = first.vehicle
        if "driver_phone" in accepted:
            driver_id = self._record.drivers[first.driver_phone].id
            changed = reassign(
                self._session, route.id, driver_id=driver_id, now=self._now, actor=self._actor, ids=self._ids
            )
            self._revoked += changed.revoked_link_ids
        for delivery in self._record.deliveries.values():
            if (delivery.import_on, delivery.import_route) == key:
                delivery.imported = {**delivery.imported, **accepted}
                self._touch(delivery)
        self._replan[route.id] = None

    def _change_deliveries(self) -> set[tuple[Any, ...]]:
        """Change what the file says of single deliveries; return the keys of those whose stop must be found anew."""
        rows = {row.key: row for row in self._rows}
        moving: set[tuple[Any, ...]] = set()
        for difference in self.preview.changed:
            if difference.kind != "delivery" or not difference.accepted:
                continue
            key = (*_route_key(difference), difference.name)
            row, delivery = rows[key], self._record.deliveries[key]
            columns = {change.column for change in difference.accepted}
            delivery.imported = {**delivery.imported, **{c.column: c.new for c in difference.accepted}}
            for column in columns & _SIMPLE.keys():
                setattr(delivery, _SIMPLE[column], getattr(row, column))
            if columns & WINDOW_COLUMNS:
                delivery.zone = row.zone
                delivery.window_start_at, delivery.window_end_at = row.window
                self._replan[delivery.stop.route_id] = None
            if columns & STOP_COLUMNS:
                moving.add(key)
            self._touch(delivery)
        return moving

    def _touch(self, delivery: Delivery) -> None:
        delivery.plan_dirty_at = self._now
        if delivery.id not in self._touched:
            delivery.version += 1
        self._touched[delivery.id] = None

    def _place(self, acting: set[tuple[Any, ...]]) -> None:
        """Find or make the stop of each new or moved row, then add the new deliveries."""
        is_moved = {
            _route_key(difference)
            for difference in self.preview.changed
            if difference.kind == "delivery" and any(change.column == "sequence" for change in difference.accepted)
        }
        for key, rows in self._record.file_routes.items():
            if not any(row.key in acting for row in rows):
                continue
            route = self._record.routes[key]
            placement = Placement(route.id, rows, frozenset(acting), takes_order=key in is_moved)
            stop_ids = place_rows(self._session, placement, self._record, self._ids)
            for row in rows:
                if row.key not in acting:
                    continue
                delivery = self._record.deliveries.get(row.key)
                if delivery is None:
                    columns = new_delivery(row, delivery_id=self._ids(), stop_id=stop_ids[row.key], now=self._now)
                    self._new.append(columns)
                    self._touched[columns["id"]] = None
                else:
                    delivery.stop_id = stop_ids[row.key]
            if route.id not in self._replan:
                route.plan_version += 1
            self._replan[route.id] = None


def new_delivery(row: Row, *, delivery_id: str, stop_id: str, now: datetime) -> dict[str, Any]:
    """Return the columns of the delivery that ``row`` tells of, at its stop."""
    window_start_at, window_end_at = row.window
    return {
        "id": delivery_id,
        "stop_id": stop_id,
        "reference": row.reference,
        "import_on": row.service_on,
        "import_route": row.route,
        "imported": row.fields(),
        "status": DeliveryStatus.SCHEDULED,
        "status_at": now,
        "recipient_name": row.recipient,
        "phone": row.phone,
        "email": row.email,
        "locale": row.locale,
        "zone": row.zone,
        "service_on": row.service_on,
        "window_start_at": window_start_at,
        "window_end_at": window_end_at,
        "items": row.items,
        "instructions": row.instructions,
        "created_at": now,
        "plan_dirty_at": now,
        "version": 1,
        "recipient_note": "",
        "failure_note": "",
    }


def _route_key(difference: Difference) -> RouteKey:
    if difference.service_on is None or difference.route is None:
        raise ValueError(f"a {difference.kind} has no route")
    return difference.service_on, difference.route


def planned_start_at(row: Row) -> datetime:
    """Return when the route of this row is planned to start: its local time in the row's zone."""
    return local_instant(row.service_on, row.planned_start, row.zone)
