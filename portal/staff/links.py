"""Links that staff send again: the driver's by text, the recipient's by all their channels, each a new occasion."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.contacts import Contact
from messaging.kinds import Channel, Kind
from messaging.outbox import queue
from messaging.texts import language_of, small_words
from tracking.deliveries import Delivery
from tracking.links import Audience, Link
from tracking.routes import Route

USEFUL_FOR = timedelta(hours=12)  # our choice: the next day has messages of its own


def send_to_driver(session: Session, route: Route, *, now: datetime, ids: Callable[[], str]) -> bool:
    """Text the route's link to its driver now, whatever was sent before."""
    added = queue(
        session,
        kind=Kind.DRIVER_LINK,
        channel=Channel.SMS,
        subject=route.id,
        occasion=f"{route.driver_id}/{ids()}",
        delivery_id=None,
        route_id=route.id,
        to_address=route.driver.phone,
        locale=route.driver.locale,
        context={"to": "driver", "driver_id": route.driver_id},
        now=now,
        ids=ids,
        useful_until=now + USEFUL_FOR,
    )
    return added is not None


def send_to_recipient(
    session: Session, delivery: Delivery, *, now: datetime, ids: Callable[[], str], to: Contact | None = None
) -> list[Channel]:
    """Send the page's link on every channel the recipient has, or those of ``to``, and return the channels."""
    to = to or Contact(delivery.phone, delivery.email)
    text = small_words(language_of(delivery.locale))["resend"]
    sent = []
    occasion = f"resend/{ids()}"
    for channel, address in ((Channel.SMS, to.phone), (Channel.EMAIL, to.email)):
        if address is None:
            continue
        added = queue(
            session,
            kind=Kind.CHAT,
            channel=channel,
            subject=delivery.id,
            occasion=occasion,
            delivery_id=delivery.id,
            to_address=address,
            locale=delivery.locale,
            context={"text": text, "to": "recipient"},
            now=now,
            ids=ids,
            useful_until=now + USEFUL_FOR,
        )
        sent += [channel] if added else []
    return sent


def driver_links(session: Session, route_id: str) -> list[Link]:
    """Return the links to a route, newest first."""
    statement = select(Link).where(Link.route_id == route_id, Link.audience == Audience.DRIVER)
    return list(session.scalars(statement.order_by(Link.created_at.desc()).limit(10)))


def release_phone(session: Session, route_id: str) -> int:
    """Let the route's live links be opened on another phone: the one that had them loses them. Return how many."""
    bound = update(Link).where(
        Link.route_id == route_id,
        Link.audience == Audience.DRIVER,
        Link.revoked_at.is_(None),
        Link.bound_to.is_not(None),
    )
    released = session.execute(bound.values(bound_to=None, bound_at=None).returning(Link.id))
    return len(released.all())
