"""Candidates: the deliveries a number may be writing about, and what was last said to it about each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from messaging.kinds import Channel
from messaging.notifications import Notification
from messaging.resolution import Candidate
from tracking.deliveries import UNDER_WAY, Delivery, DeliveryStatus, load

_ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED)
LATELY = timedelta(hours=24)  # an ended delivery is as likely meant as an open one (DESIGN 8: support keeps it 24 h)
REMEMBERED = timedelta(days=14)  # messaging.md 5.2: as long as the link shows something
PAST_WINDOW = timedelta(days=2)  # an open delivery nobody finished is not meant for ever


def candidates_of(session: Session, address: str, channel: Channel, now: datetime) -> list[Candidate]:
    """Return what this number may be writing about: what is open, and what ended within a day.

    When there is neither, the newest one that ended within 14 days.
    """
    theirs = Delivery.phone == address if channel is Channel.SMS else func.lower(Delivery.email) == address.lower()
    statement = select(Delivery.id).where(
        theirs,
        or_(
            and_(Delivery.status.not_in(_ENDED), Delivery.window_end_at > now - PAST_WINDOW),
            and_(Delivery.status.in_(_ENDED), Delivery.status_at > now - REMEMBERED),
        ),
    )
    found = [load(session, delivery_id) for delivery_id in session.scalars(statement)]
    live = [one for one in found if one.status not in _ENDED or one.status_at > now - LATELY]
    if not live:
        live = sorted(found, key=lambda one: (one.status_at, one.id))[-1:]
    return as_candidates(session, live, address)


def as_candidates(session: Session, deliveries: Sequence[Delivery], address: str) -> list[Candidate]:
    """Return deliveries as resolution reads them, in the order given."""
    spoken = _spoken_of(session, [one.id for one in deliveries], address)
    return [
        Candidate(
            delivery_id=one.id,
            items=one.items,
            reference=one.reference,
            is_open=one.status not in _ENDED,
            is_under_way=one.status in UNDER_WAY,
            stop_id=one.stop_id,
            window_start_at=one.window_start_at,
            spoken_of_at=spoken.get(one.id),
            hours=_hours(one),
        )
        for one in deliveries
    ]


def _hours(delivery: Delivery) -> tuple[str, str]:
    """Return the window on the clocks at the address."""
    zone = ZoneInfo(delivery.zone)
    start, end = delivery.window_start_at.astimezone(zone), delivery.window_end_at.astimezone(zone)
    return f"{start:%H:%M}", f"{end:%H:%M}"


def _spoken_of(session: Session, ids: Sequence[str], address: str) -> dict[str, datetime]:
    statement = (
        select(Notification.delivery_id, func.max(Notification.accepted_at))
        .where(
            Notification.delivery_id.in_(ids),
            Notification.to_address == address,
            Notification.accepted_at.is_not(None),
        )
        .group_by(Notification.delivery_id)
    )
    return {delivery_id: at for delivery_id, at in session.execute(statement) if delivery_id and at}
