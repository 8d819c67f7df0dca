"""Reading routes from JSON: the same fields as the route file, nested by route and stop."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracking.import_checks import cross_checks
from tracking.import_rows import ImportDefaults, Origin, Problem, Row, read_row

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Nested(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DepotIn(_Nested):
    """Where the route starts. Coordinates in degrees (WGS 84)."""

    name: str
    lat: Number
    lon: Number


class DriverIn(_Nested):
    """Who drives; known by phone."""

    name: str
    phone: str


class DeliveryIn(_Nested):
    """One recipient's goods. Window as local ``HH:MM``; a phone or an email is needed."""

    reference: str
    recipient: str
    phone: str | None = None
    email: str | None = None
    window_start: str = Field(examples=["10:00"])
    window_end: str = Field(examples=["12:00"])
    zone: str | None = Field(None, examples=["Europe/London"])
    locale: str | None = Field(None, examples=["en"])
    items: str | None = None
    instructions: str | None = None


class StopIn(_Nested):
    """A place in the route's order, with one or more deliveries."""

    sequence: int
    address: str
    lat: Number
    lon: Number
    service_minutes: Number | None = None
    deliveries: list[DeliveryIn] = Field(min_length=1)


class RouteIn(_Nested):
    """One truck's day. ``planned_start`` is local ``HH:MM`` in the zone of the first delivery."""

    date: str = Field(examples=["2026-01-31"])
    route: str
    depot: DepotIn
    planned_start: str = Field(examples=["08:30"])
    driver: DriverIn
    vehicle: str | None = None
    stops: list[StopIn] = Field(min_length=1)


class RoutesIn(_Nested):
    """What ``POST /api/v1/routes`` takes."""

    routes: list[RouteIn] = Field(min_length=1)


def parse_payload(payload: Any, defaults: ImportDefaults) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a JSON document (as loaded) and every problem that it has, by path."""
    try:
        document = RoutesIn.model_validate(payload)
    except ValidationError as error:
        return [], [
            Problem(None, _path(found["loc"]), found["msg"].lower()) for found in error.errors(include_url=False)
        ]
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, route in enumerate(document.routes):
        for raw, paths in _flat(route, f"routes[{number}]"):
            row = read_row(raw, Origin(None, paths), defaults, problems)
            if row is not None:
                rows.append(row)
    unique = list(dict.fromkeys([*problems, *_repeated_stops(document), *cross_checks(rows)]))
    return rows, unique


def _flat(route: RouteIn, at: str) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Return each delivery of ``route`` as texts by column, and where in the document each column is."""
    whole = {
        "date": (route.date, f"{at}.date"),
        "route": (route.route, f"{at}.route"),
        "depot": (route.depot.name, f"{at}.depot.name"),
        "depot_lat": (route.depot.lat, f"{at}.depot.lat"),
        "depot_lon": (route.depot.lon, f"{at}.depot.lon"),
        "planned_start": (route.planned_start, f"{at}.planned_start"),
        "driver": (route.driver.name, f"{at}.driver.name"),
        "driver_phone": (route.driver.phone, f"{at}.driver.phone"),
        "vehicle": (route.vehicle, f"{at}.vehicle"),
    }
    flat = []
    for number, stop in enumerate(route.stops):
        at_stop = f"{at}.stops[{number}]"
        place = {name: (getattr(stop, name), f"{at_stop}.{name}") for name in _STOP_FIELDS}
        for index, delivery in enumerate(stop.deliveries):
            at_delivery = f"{at_stop}.deliveries[{index}]"
            goods = {name: (getattr(delivery, name), f"{at_delivery}.{name}") for name in DeliveryIn.model_fields}
            told = {**whole, **place, **goods}
            raw = {name: _text(value) for name, (value, _) in told.items()}
            flat.append((raw, {name: path for name, (_, path) in told.items()}))
    return flat


_STOP_FIELDS = ("sequence", "address", "lat", "lon", "service_minutes")


def _text(value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.9f}" if isinstance(value, float) else str(value)


def _repeated_stops(document: RoutesIn) -> list[Problem]:
    problems = []
    for number, route in enumerate(document.routes):
        seen: set[int] = set()
        for index, stop in enumerate(route.stops):
            if stop.sequence in seen:
                path = f"routes[{number}].stops[{index}].sequence"
                problems.append(Problem(None, path, f"{stop.sequence} comes twice in route {route.route}"))
            seen.add(stop.sequence)
    return problems


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.lstrip(".") or "(document)"
