"""A small day (``sandbox.small_day``) put into a record: imported, loaded, started, with links for everybody."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from sandbox.small_day import ON, ZONE, Round, documents
from tracking import driver_day, imports
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery
from tracking.drivers import issue_device_token
from tracking.ids import new_id, new_link_id
from tracking.links import Audience, LinkSigner, driver_link, recipient_link
from tracking.routes import Route
from tracking.stops import Stop
from tracking.storage import Database
from tracking.taps import Tap

VALID_FOR = timedelta(days=7)


def load_rounds(database: Database, signer: LinkSigner, rounds: Sequence[Round], now: datetime) -> None:
    """Import the routes, load and start each one, and note ids, device tokens and links' tokens in ``rounds``."""
    read = imports.parse_json(documents(rounds), imports.ImportDefaults("US", ZONE.key, "en"))
    if not read.is_good:
        raise ValueError(f"the made-up day cannot be read: {read.problems}")
    with database.writing() as session:
        imports.apply(session, read.rows, now=now - timedelta(days=1), actor=SYSTEM, ids=new_id)
    for one in rounds:
        with database.writing() as session:
            _start(session, one, signer, now)


def tap(now: datetime) -> Tap:
    """Return a tap that the driver's phone might send."""
    return Tap(actor=SYSTEM, now=now, ids=new_id, request_id=new_id())


def _start(session: Session, one: Round, signer: LinkSigner, now: datetime) -> None:
    route = session.scalars(select(Route).where(Route.name == one.name, Route.service_on == ON)).one()
    one.route_id, one.driver_id = route.id, route.driver_id
    rows = session.scalars(select(Delivery).join(Stop).where(Stop.route_id == route.id))
    by_reference = {delivery.reference: delivery for delivery in rows}
    ends_at = now + VALID_FOR
    one.device_token = issue_device_token(
        session, token_id=new_id(), driver_id=route.driver_id, label="small day", now=now, expires_at=None
    )
    for parcel in one.parcels:
        delivery = by_reference[parcel.reference]
        parcel.delivery_id, parcel.stop_id = delivery.id, delivery.stop_id
        driver_day.load(session, delivery.id, tap(now))
        link = recipient_link(session, delivery_id=delivery.id, link_id=new_link_id(), now=now, expires_at=ends_at)
        parcel.token = signer.token(link.id, Audience.RECIPIENT)
    driver_day.start_route(session, route.id, tap(now))
    link = driver_link(
        session,
        route_id=route.id,
        driver_id=route.driver_id,
        link_id=new_link_id(),
        now=now,
        expires_at=ends_at,
    )
    one.driver_token = signer.token(link.id, Audience.DRIVER)
