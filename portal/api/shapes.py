"""What the HTTP API takes and gives, as pydantic models: the OpenAPI document is made from them."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Clock = Field(examples=["10:00"], pattern=r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$")


class In(BaseModel):
    """What comes in: unknown fields are refused, so that a typo does not pass for success."""

    model_config = ConfigDict(extra="forbid")


class RescheduleIn(In):
    """Another day, or another window of the same day. Times are local to the address."""

    date: date
    window_start: str = Clock
    window_end: str = Clock
    route_id: str | None = Field(None, description="A route of that day; without it the delivery waits unassigned.")


class DeliveryPatch(In):
    """What to change of a delivery; fields left out stay. A null takes a phone, an email or a note away."""

    status: Literal["cancelled"] | None = None
    reason: str = Field("", max_length=200, description="Why it is cancelled.")
    reschedule: RescheduleIn | None = None
    recipient: str | None = Field(None, min_length=1)
    phone: str | None = None
    email: str | None = None
    instructions: str | None = None
    note: str | None = None


class Trouble(BaseModel):
    """One thing wrong with a request: where, as a path into its body, and why."""

    path: str
    reason: str


class Problem(BaseModel):
    """RFC 9457. ``problems`` names everything wrong with what was sent."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    problems: list[Trouble] = []


class WindowOut(BaseModel):
    """Instants in UTC, and the zone of the address."""

    start_at: datetime
    end_at: datetime
    zone: str


class PromiseOut(BaseModel):
    """What the recipient is shown, in UTC."""

    from_at: datetime
    until_at: datetime
    expected_at: datetime
    cause: str | None
    changed_at: datetime


class CustodyOut(BaseModel):
    """Who had the goods, when and where."""

    kind: str
    at: datetime
    by: str
    source: str
    lat: float | None
    lon: float | None


class DeliveryOut(BaseModel):
    """One delivery. ``tracking_url`` is the recipient's link, once there is one."""

    id: str
    reference: str
    date: date
    route_id: str
    route: str
    stop_id: str
    sequence: int
    status: str
    status_at: datetime
    recipient: str
    phone: str | None
    email: str | None
    locale: str
    address: str
    lat: float
    lon: float
    window: WindowOut
    promise: PromiseOut | None
    eta_at: datetime | None
    stops_before: int | None
    items: str
    instructions: str
    note: str
    not_loaded_reason: str | None
    failure_reason: str | None
    arrived_at: datetime | None
    delivered_at: datetime | None
    version: int


class DeliveryWhole(DeliveryOut):
    """One delivery with its custody."""

    tracking_url: str | None
    custody: list[CustodyOut]


class DeliveryPage(BaseModel):
    """Some deliveries; ``next`` is the value of ``after`` for more, null at the end."""

    deliveries: list[DeliveryOut]
    next: str | None


class StopOut(BaseModel):
    """A place in a route's order."""

    id: str
    sequence: int
    address: str
    lat: float
    lon: float
    planned_arrival_at: datetime | None
    eta_at: datetime | None
    stops_before: int | None
    arrived_at: datetime | None
    departed_at: datetime | None
    deliveries: list[DeliveryOut]


class RouteOut(BaseModel):
    """One truck's day."""

    id: str
    date: date
    route: str
    status: str
    depot: str
    driver: str
    driver_phone: str
    vehicle: str
    zone: str
    planned_start_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    plan_version: int


class RouteWhole(RouteOut):
    """One truck's day with its stops in their order."""

    stops: list[StopOut]


class RoutePage(BaseModel):
    """Some routes; ``next`` is the value of ``after`` for more, null at the end."""

    routes: list[RouteOut]
    next: str | None


class ChangeOut(BaseModel):
    """One field that differs from what was imported before. ``refused`` says why it stays."""

    field: str
    old: Any
    new: Any
    refused: str | None


class DifferenceOut(BaseModel):
    """What differs for one delivery, route, depot or driver."""

    kind: str
    id: str
    name: str
    changes: list[ChangeOut]


class MissingOut(BaseModel):
    """A delivery of one of these routes that was not named this time. It stays as it is."""

    id: str
    date: date
    route: str
    reference: str
    status: str


class ImportedRoute(BaseModel):
    """A route of the request, by the id it has here."""

    id: str
    date: date
    route: str


class ImportOut(BaseModel):
    """What an import did, or with ``dry_run`` would do."""

    is_dry_run: bool
    routes: list[ImportedRoute]
    new_routes: int
    new_deliveries: int
    unchanged: int
    changed: list[DifferenceOut]
    missing: list[MissingOut]
    refused: list[Trouble]
