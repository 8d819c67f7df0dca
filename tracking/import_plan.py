"""What a route file would change: its rows beside the record, field by field, before anything is touched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, joinedload

from tracking.deliveries import STATE_SENTENCES, Delivery, DeliveryStatus
from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.import_rows import COLUMNS, Row
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop

ROUTE_COLUMNS = ("depot", "planned_start", "driver_phone", "vehicle")
SHARED_COLUMNS = ("depot_lat", "depot_lon", "driver")  # of the depot and the driver, not of a route
ROW_COLUMNS = tuple(name for name in COLUMNS if name not in ROUTE_COLUMNS + SHARED_COLUMNS)
STOP_COLUMNS = frozenset({"sequence", "address", "lat", "lon", "service_minutes"})
# What may still change once the goods are on their way: how to reach people, and what the driver is told.
CONTACT_COLUMNS = frozenset({"recipient", "phone", "email", "locale", "instructions"})
CHANGEABLE = frozenset({DeliveryStatus.SCHEDULED, DeliveryStatus.LOADED})
KEYS_A_QUERY = 300

RouteKey = tuple[date, str]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs, as the file says it. ``reason`` is set when the change is refused."""

    column: str
    old: Any
    new: Any
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs for one delivery, route, depot or driver. ``name`` is what people call it."""

    kind: Literal["delivery", "route", "depot", "driver"]
    id: str
    name: str
    service_on: date | None
    route: str | None
    changes: tuple[FieldChange, ...]

    @property
    def accepted(self) -> tuple[FieldChange, ...]:
        """Return what will be changed."""
        return tuple(change for change in self.changes if change.reason is None)

    @property
    def refused(self) -> tuple[FieldChange, ...]:
        """Return what will not, each with its reason."""
        return tuple(change for change in self.changes if change.reason is not None)


@dataclass(frozen=True, slots=True)
class NewRoute:
    """A route that is not on record yet."""

    service_on: date
    route: str
    driver: str
    stops: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A new row that cannot be added, and why."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A delivery of one of the file's routes that the file no longer names. It stays as it is."""

    delivery_id: str
    service_on: date
    route: str
    reference: str
    recipient: str
    status: str


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What applying the rows would do. ``refused`` are new rows; refused fields are inside ``changed``."""

    new_routes: tuple[NewRoute, ...]
    new: tuple[Row, ...]
    changed: tuple[Difference, ...]
    unchanged: int
    missing: tuple[MissingRow, ...]
    refused: tuple[RefusedRow, ...]

    @property
    def is_noop(self) -> bool:
        """True when applying the rows would change nothing."""
        return not self.new and not any(difference.accepted for difference in self.changed)


@dataclass(slots=True)
class Record:
    """What is on record of the file's routes, by the keys of the file."""

    routes: dict[RouteKey, Route]
    deliveries: dict[tuple[date, str, str], Delivery]
    depots: dict[str, Depot]
    drivers: dict[str, Driver]
    file_routes: dict[RouteKey, list[Row]] = field(default_factory=dict)


def read_record(session: Session, rows: Sequence[Row]) -> Record:
    """Return what is on record of these rows, with each delivery's stop and route."""
    file_routes: dict[RouteKey, list[Row]] = {}
    for row in rows:
        file_routes.setdefault((row.service_on, row.route), []).append(row)
    routes: dict[RouteKey, Route] = {}
    deliveries = {}
    keys = list(file_routes)
    for start in range(0, len(keys), KEYS_A_QUERY):
        some = keys[start : start + KEYS_A_QUERY]
        on_record = select(Route).where(tuple_(Route.service_on, Route.name).in_(some))
        for route in session.scalars(on_record.options(joinedload(Route.driver), joinedload(Route.depot))):
            routes[route.service_on, route.name] = route
        held = select(Delivery).where(tuple_(Delivery.import_on, Delivery.import_route).in_(some))
        for delivery in session.scalars(held.options(joinedload(Delivery.stop).joinedload(Stop.route))):
            deliveries[delivery.import_on, delivery.import_route, delivery.reference] = delivery
    depots = {depot.name: depot for depot in session.scalars(select(Depot))}
    drivers = {driver.phone: driver for driver in session.scalars(select(Driver))}
    return Record(routes, deliveries, depots, drivers, file_routes)


def compare(record: Record, rows: Sequence[Row]) -> ImportPreview:
    """Return what applying ``rows`` to ``record`` would do."""
    new, refused, changed, unchanged = [], [], [], 0
    for row in rows:
        delivery = record.deliveries.get(row.key)
        if delivery is not None:
            difference = _row_difference(row, delivery)
            if difference is None:
                unchanged += 1
            else:
                changed.append(difference)
            continue
        reason = _why_not_added(record.routes.get((row.service_on, row.route)))
        if reason is None:
            new.append(row)
        else:
            refused.append(RefusedRow(row, reason))
    shared = [*_route_differences(record), *_shared_differences(record, rows)]
    return ImportPreview(
        new_routes=tuple(_new_routes(record)),
        new=tuple(new),
        changed=(*shared, *changed),
        unchanged=unchanged,
        missing=tuple(_missing(record, rows)),
        refused=tuple(refused),
    )


def _why_not_added(route: Route | None) -> str | None:
    if route is None or route.status in {RouteStatus.PLANNED, RouteStatus.STARTED}:
        return None
    return f"Route {route.name} is {route.status}, so nothing can be added to it."


def _row_difference(row: Row, delivery: Delivery) -> Difference | None:
    wanted, held = row.fields(), delivery.imported
    changes = [
        FieldChange(name, held.get(name), wanted[name], _why_not_changed(name, delivery))
        for name in ROW_COLUMNS
        if held.get(name) != wanted[name]
    ]
    if not changes:
        return None
    return Difference("delivery", delivery.id, row.reference, row.service_on, row.route, tuple(changes))


def _why_not_changed(column: str, delivery: Delivery) -> str | None:
    if delivery.erased_at is not None:
        return "This recipient's data was erased."
    if column in CONTACT_COLUMNS:
        return None
    if delivery.status not in CHANGEABLE:
        return STATE_SENTENCES[delivery.status]
    if has_moved(delivery) and column != "items":
        route = delivery.stop.route
        return f"Staff moved this delivery to route {route.name} of {route.service_on}."
    return None


def has_moved(delivery: Delivery) -> bool:
    """Tell whether the delivery is no longer on the route that its row names."""
    route = delivery.stop.route
    return (route.service_on, route.name) != (delivery.import_on, delivery.import_route)


def _route_differences(record: Record) -> Iterable[Difference]:
    """Compare with the rows last imported, so that what staff changed since is not changed back."""
    last_imported: dict[RouteKey, dict[str, Any]] = {}
    for delivery in record.deliveries.values():
        last_imported.setdefault((delivery.import_on, delivery.import_route), delivery.imported)
    for key, rows in record.file_routes.items():
        route = record.routes.get(key)
        if route is None:
            continue
        wanted = rows[0].fields()
        held = last_imported.get(key) or _as_imported(route)
        reason = None if route.status is RouteStatus.PLANNED else f"Route {route.name} is {route.status}."
        changes = tuple(
            FieldChange(name, held.get(name), wanted[name], reason)
            for name in ROUTE_COLUMNS
            if held.get(name) != wanted[name]
        )
        if changes:
            yield Difference("route", route.id, route.name, route.service_on, route.name, changes)


def _as_imported(route: Route) -> dict[str, Any]:
    return {"depot": route.depot.name, "driver_phone": route.driver.phone, "vehicle": route.vehicle}


def _shared_differences(record: Record, rows: Sequence[Row]) -> Iterable[Difference]:
    depots = {row.depot: row for row in rows}
    for name, row in depots.items():
        depot = record.depots.get(name)
        if depot is not None and (depot.lat, depot.lon) != (row.depot_lat, row.depot_lon):
            changes = (
                FieldChange("depot_lat", depot.lat, row.depot_lat),
                FieldChange("depot_lon", depot.lon, row.depot_lon),
            )
            yield Difference("depot", depot.id, name, None, None, changes)
    drivers = {row.driver_phone: row for row in rows}
    for phone, row in drivers.items():
        driver = record.drivers.get(phone)
        if driver is not None and driver.name != row.driver:
            change = FieldChange("driver", driver.name, row.driver)
            yield Difference("driver", driver.id, driver.name, None, None, (change,))


def _new_routes(record: Record) -> Iterable[NewRoute]:
    for key, rows in record.file_routes.items():
        if key not in record.routes:
            stops = len({row.sequence for row in rows})
            yield NewRoute(*key, driver=rows[0].driver, stops=stops, deliveries=len(rows))


def _missing(record: Record, rows: Sequence[Row]) -> Iterable[MissingRow]:
    named = {row.key for row in rows}
    for key, delivery in sorted(record.deliveries.items()):
        if key not in named:
            yield MissingRow(delivery.id, *key, recipient=delivery.recipient_name, status=delivery.status.value)
