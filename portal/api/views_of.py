"""From rows to what the API gives."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.api.shapes import (
    ChangeOut,
    CustodyOut,
    DeliveryOut,
    DeliveryWhole,
    DifferenceOut,
    ImportedRoute,
    ImportOut,
    MissingOut,
    PromiseOut,
    RouteOut,
    RouteWhole,
    StopOut,
    Trouble,
    WindowOut,
)
from tracking import custody
from tracking.deliveries import Delivery
from tracking.import_plan import ImportPreview
from tracking.links import Audience, Link
from tracking.publishing import promise_of
from tracking.routes import Route
from tracking.stops import Stop


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """Return a delivery that was loaded whole."""
    return DeliveryOut.model_validate(_fields(delivery))


def delivery_whole(session: Session, delivery: Delivery, tracking_url: str | None) -> DeliveryWhole:
    """Return a delivery with its custody."""
    events = [
        CustodyOut(
            kind=event.kind.value, at=event.at, by=event.actor_kind, source=event.source, lat=event.lat, lon=event.lon
        )
        for event in custody.history(session, delivery.id)
    ]
    return DeliveryWhole.model_validate({**_fields(delivery), "tracking_url": tracking_url, "custody": events})


def _fields(delivery: Delivery) -> dict[str, object]:
    stop = delivery.stop
    same = ("id", "reference", "status_at", "phone", "email", "locale", "items", "instructions", "version")
    fields: dict[str, object] = {name: getattr(delivery, name) for name in same}
    fields |= {name: getattr(delivery, name) for name in ("not_loaded_reason", "failure_reason")}
    fields |= {name: getattr(delivery, name) for name in ("arrived_at", "delivered_at")}
    fields |= {name: getattr(stop, name) for name in ("sequence", "address", "lat", "lon", "eta_at", "stops_before")}
    promise = promise_of(delivery)
    return fields | {
        "date": delivery.service_on,
        "route_id": stop.route_id,
        "route": stop.route.name,
        "stop_id": stop.id,
        "status": delivery.status.value,
        "recipient": delivery.recipient_name,
        "note": delivery.recipient_note,
        "window": WindowOut(start_at=delivery.window_start_at, end_at=delivery.window_end_at, zone=delivery.zone),
        "promise": None
        if promise is None
        else PromiseOut(
            from_at=promise.lo_at,
            until_at=promise.hi_at,
            expected_at=promise.point_at,
            cause=promise.cause.value if promise.cause else None,
            changed_at=promise.made_at,
        ),
    }


def live_link_id(session: Session, delivery_id: str) -> str | None:
    """Return the newest recipient link that was not revoked, or None."""
    held = select(Link.id).where(Link.delivery_id == delivery_id, Link.audience == Audience.RECIPIENT)
    return session.scalar(held.where(Link.revoked_at.is_(None)).order_by(Link.created_at.desc()).limit(1))


def route_out(route: Route) -> RouteOut:
    """Return a route that was loaded with its depot and driver."""
    return RouteOut.model_validate(_route_fields(route))


def route_whole(route: Route, stops: Sequence[Stop], deliveries: Sequence[Delivery]) -> RouteWhole:
    """Return a route with its stops in their order."""
    outs = []
    for stop in stops:
        same = ("id", "sequence", "address", "lat", "lon", "planned_arrival_at", "eta_at", "stops_before")
        fields: dict[str, object] = {name: getattr(stop, name) for name in same}
        fields |= {"arrived_at": stop.arrived_at, "departed_at": stop.departed_at}
        fields["deliveries"] = [delivery_out(delivery) for delivery in deliveries if delivery.stop_id == stop.id]
        outs.append(StopOut.model_validate(fields))
    return RouteWhole.model_validate({**_route_fields(route), "stops": outs})


def _route_fields(route: Route) -> dict[str, object]:
    same = ("id", "vehicle", "zone", "planned_start_at", "started_at", "finished_at", "plan_version")
    return {name: getattr(route, name) for name in same} | {
        "date": route.service_on,
        "route": route.name,
        "status": route.status.value,
        "depot": route.depot.name,
        "driver": route.driver.name,
        "driver_phone": route.driver.phone,
    }


def import_out(found: ImportPreview, routes: Sequence[Route], *, is_dry_run: bool) -> ImportOut:
    """Return what an import did or would do."""
    changed = [
        DifferenceOut(
            kind=each.kind,
            id=each.id,
            name=each.name,
            changes=[ChangeOut(field=c.column, old=c.old, new=c.new, refused=c.reason) for c in each.changes],
        )
        for each in found.changed
    ]
    missing = [
        MissingOut(
            id=each.delivery_id,
            date=each.service_on,
            route=each.route,
            reference=each.reference,
            status=each.status,
        )
        for each in found.missing
    ]
    return ImportOut(
        is_dry_run=is_dry_run,
        routes=[ImportedRoute(id=route.id, date=route.service_on, route=route.name) for route in routes],
        new_routes=len(found.new_routes),
        new_deliveries=len(found.new),
        unchanged=found.unchanged,
        changed=changed,
        missing=missing,
        refused=[Trouble(path=str(each.row.origin), reason=each.reason) for each in found.refused],
    )
