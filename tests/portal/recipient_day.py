"""A truck on its way to one recipient, for tests of their page and stream."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from tests.builders import local, make_delivery, make_driver, make_route, make_stop
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.fixes import Fix, dump_fix
from tracking.ids import new_link_id
from tracking.links import Audience, Link, LinkSigner
from tracking.links import recipient_link as make_link
from tracking.routes import RouteState, RouteStatus
from tracking.stops import Stop

NOW = local("14:04")
HOME = (40.7185, -74.3312)


def on_the_way(
    session: Session,
    *,
    stops_before: int = 3,
    minutes: int = 21,
    fix_age_s: float = 20,
    status: DeliveryStatus = DeliveryStatus.OUT_FOR_DELIVERY,
    driver_phone: str = "+12015550150",
    **columns: Any,
) -> Delivery:
    """Add a started route whose truck is about 2 km away, heading north-east, and a delivery on it; return it whole."""
    driver = make_driver(session, "Dana Ruiz", driver_phone)
    route = make_route(session, status=RouteStatus.STARTED, started_at=local("09:00"), driver=driver)
    for index in range(3):
        make_stop(session, route, lat=40.60 - 0.01 * index, lon=-74.40)
    eta_at = NOW + timedelta(minutes=minutes)
    stop = make_stop(
        session,
        route,
        lat=HOME[0],
        lon=HOME[1],
        address="12 Orchard Lane, Millburn",
        eta_at=eta_at,
        eta_lo_at=eta_at - timedelta(minutes=15),
        eta_hi_at=eta_at + timedelta(minutes=15),
        stops_before=stops_before,
        eta_basis="live",
        eta_made_at=NOW,
    )
    keep_fix(session, stop, age_s=fix_age_s)
    given = {
        "items": "Oak bookcase",
        "promise_point_at": local("14:25"),
        "promise_lo_at": local("14:10"),
        "promise_hi_at": local("14:40"),
        "promise_made_at": NOW,
    }
    return make_delivery(session, stop=stop, window="13:00-15:00", status=status, **{**given, **columns})


def keep_fix(session: Session, stop: Stop, *, age_s: float) -> None:
    """Give the stop's route a remembered fix of that age, 2 km south-west of the recipient's home."""
    at: datetime = NOW - timedelta(seconds=age_s)
    fix = Fix(HOME[0] - 0.0143, HOME[1] - 0.013, at, at, 8.0, 9.0, 48.0)
    state = session.get(RouteState, stop.route_id)
    if state is None:
        state = RouteState(route_id=stop.route_id, engine={}, plan_version=1)
        session.add(state)
    state.engine = {"recent": [dump_fix(fix)]}
    session.flush()


def link_of(session: Session, delivery: Delivery, *, days: int = 14) -> Link:
    """Add the recipient's link, good for so many days from now."""
    return make_link(
        session, delivery_id=delivery.id, link_id=new_link_id(), now=NOW, expires_at=NOW + timedelta(days=days)
    )


def token_of(session: Session, delivery: Delivery, signer: LinkSigner) -> str:
    """Return the token of the recipient's link."""
    return signer.token(link_of(session, delivery).id, Audience.RECIPIENT)
