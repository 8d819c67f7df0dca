"""A phone that texts us, in tests: rows to text about, what we answered, and what came into the thread."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.consent import contact_hash, has_opted_out
from messaging.conversations import ChatMessage, Voice
from messaging.inbound import (
    InboundContext,
    InboundOutcome,
    read_inbound,
    record_inbound,
)
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from tests.builders import local, make_delivery, make_route
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.ids import new_id
from tracking.routes import Route, RouteStatus

NOW = local("11:00")
PHONE = "+12015550111"
OURS = "+12125550100"


def told(session: Session, body: str, *, sender: str = PHONE, at: datetime = NOW, **options: Any) -> InboundOutcome:
    """Receive a text and read it."""
    settings = {key: options.pop(key) for key in ("opt_out_replies", "support_phone") if key in options}
    inbound_id = record_inbound(
        session,
        inbound_id=new_id(),
        channel=Channel.SMS,
        provider_ref=options.pop("provider_ref", f"SM{new_id()}"),
        from_address=sender,
        to_address=OURS,
        body=body,
        opt_out_type=options.pop("opt_out_type", ""),
        received_at=at,
    )
    assert inbound_id is not None
    return read_inbound(session, inbound_id, now=at, context=replace(CONTEXT, **settings))


CONTEXT = InboundContext(
    company_name="Juniper",
    support_phone="+12125550199",
    support_email="help@example.net",
    pepper="pepper",
    default_region="US",
    ids=new_id,
)


def started(session: Session, **columns: Any) -> Route:
    return make_route(session, status=RouteStatus.STARTED, started_at=local("09:00"), **columns)


def out(session: Session, route: Route | None = None, **columns: Any) -> Delivery:
    """Return a delivery under way to ``PHONE``."""
    given = {"phone": PHONE, "status": DeliveryStatus.OUT_FOR_DELIVERY, **columns}
    return make_delivery(session, route=route or started(session), **given)


def delivered(session: Session, **columns: Any) -> Delivery:
    """Return a delivery that has just been handed over, with the question for a rating sent."""
    delivery = out(session, **{"status": DeliveryStatus.DELIVERED, "delivered_at": NOW, "status_at": NOW, **columns})
    sent(session, delivery, Kind.DELIVERED, NOW, asked=True)
    return delivery


def sent(
    session: Session, delivery: Delivery, kind: Kind, at: datetime, to: str = PHONE, *, asked: bool = False
) -> None:
    """Add a text that the carrier took at ``at``, and whether it asked for a rating."""
    notification_id = queue(
        session,
        kind=kind,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion=f"sent-{at.isoformat()}",
        delivery_id=delivery.id,
        to_address=to,
        locale="en",
        context={"said": {"asked": True}} if asked else {},
        now=at,
        ids=new_id,
    )
    row = session.get_one(Notification, notification_id)
    row.status, row.accepted_at = NotificationStatus.ACCEPTED, at
    session.flush()


def replies(session: Session, to: str = PHONE) -> list[str]:
    """Return what we answered a number, oldest first."""
    statement = select(Notification).where(Notification.kind == Kind.REPLY, Notification.to_address == to)
    found = session.scalars(statement.order_by(Notification.created_at))
    return [notification.context["text"] for notification in found]


def lines(session: Session, delivery: Delivery) -> list[tuple[Voice, str]]:
    statement = select(ChatMessage).where(ChatMessage.conversation_id == delivery.id).order_by(ChatMessage.id)
    return [(line.voice, line.body) for line in session.scalars(statement)]


def persons_lines(session: Session, delivery: Delivery) -> list[tuple[Voice, str]]:
    """Return what people said, without the notes that we put beside it."""
    return [(voice, body) for voice, body in lines(session, delivery) if voice is not Voice.SYSTEM]


def is_out(session: Session, phone: str = PHONE) -> bool:
    return has_opted_out(session, contact_hash(phone, "pepper"), Channel.SMS)
