"""Erasing: what deliveries, stops, custody and proofs know of a person goes; what they say of the goods stays."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from tracking.custody import CustodyEvent
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.links import Link, revoke
from tracking.proofs import Proof
from tracking.stops import Stop

ERASED = "(erased)"
# What of a route file's row says something of the person; the rest tells routes of one file apart.
PERSONAL_COLUMNS = frozenset({"recipient", "phone", "email", "address", "lat", "lon", "instructions", "items"})
COARSE = 2  # decimals of a place that is kept: about a kilometre, enough for what was learned of the route
_OVER = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED})
_PLAIN = re.compile(r"[0-9a-f]{32}|\d{4}-\d{2}-\d{2}[T0-9:+.Z-]{0,30}")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to erase: everybody behind one phone, one mail address, or one delivery's reference."""

    phone: str | None = None
    email: str | None = None
    reference: str | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """The address that was given; what was written to or from it goes too, whatever it was about."""
        return frozenset(address for address in (self.phone, self.email) if address)


@dataclass(slots=True)
class ErasedGoods:
    """What went: link ids that were revoked, hashes of files that nothing of these deliveries needs any more."""

    link_ids: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    shared_stops: int = 0  # addresses kept, because somebody else lives there too


def deliveries_of(session: Session, person: Person) -> list[Delivery]:
    """Return every delivery of a person that was not erased, oldest first."""
    found = select(Delivery).where(Delivery.erased_at.is_(None))
    if person.reference is not None:
        found = found.where(Delivery.reference == person.reference)
    else:
        same = []
        if person.phone is not None:
            same.append(Delivery.phone == person.phone)
        if person.email is not None:
            same.append(func.lower(Delivery.email) == person.email.lower())
        found = found.where(or_(*same))
    return list(session.scalars(found.order_by(Delivery.service_on, Delivery.reference)))


def old_deliveries(session: Session, before: date, limit: int) -> list[str]:
    """Return ids of deliveries before a day that still know their person."""
    found = select(Delivery.id).where(Delivery.service_on < before, Delivery.erased_at.is_(None))
    return list(session.scalars(found.order_by(Delivery.service_on).limit(limit)))


def is_over(delivery: Delivery, today: date) -> bool:
    """True when nobody needs the person's data any more to bring the goods."""
    return delivery.status in _OVER or (today - delivery.service_on).days > 1


def erase_goods(session: Session, delivery_ids: Sequence[str], *, now: datetime) -> ErasedGoods:
    """Take the person out of these deliveries. Custody keeps what happened and when, without place and words."""
    erased = ErasedGoods()
    stop_ids: set[str] = set()
    for delivery in session.scalars(select(Delivery).where(Delivery.id.in_(delivery_ids)).with_for_update()):
        stop_ids.add(delivery.stop_id)
        _blank(delivery, now)
    session.flush()
    for stop in session.scalars(select(Stop).where(Stop.id.in_(stop_ids))):
        others = select(func.count()).where(Delivery.stop_id == stop.id, Delivery.erased_at.is_(None))
        if session.scalar(others):
            erased.shared_stops += 1
        else:
            stop.address, stop.lat, stop.lon = ERASED, round(stop.lat, COARSE), round(stop.lon, COARSE)
    for event in session.scalars(select(CustodyEvent).where(CustodyEvent.delivery_id.in_(delivery_ids))):
        event.lat = event.lon = None
        event.detail = {name: value for name, value in event.detail.items() if not _is_personal(value)}
    for proof in session.scalars(select(Proof).where(Proof.delivery_id.in_(delivery_ids))):
        erased.files |= {sha256 for sha256 in (proof.sha256, proof.public_sha256) if sha256}
    session.execute(delete(Proof).where(Proof.delivery_id.in_(delivery_ids)))
    links = select(Link.id).where(Link.delivery_id.in_(delivery_ids), Link.revoked_at.is_(None))
    erased.link_ids = list(session.scalars(links))
    revoke(session, erased.link_ids, now)
    session.flush()
    return erased


def files_in_use(session: Session, hashes: Iterable[str]) -> set[str]:
    """Return those of these files that some proof still shows."""
    wanted = list(hashes)
    used = select(Proof.sha256, Proof.public_sha256).where(
        or_(Proof.sha256.in_(wanted), Proof.public_sha256.in_(wanted))
    )
    return {sha256 for row in session.execute(used) for sha256 in row if sha256 in wanted}


def _blank(delivery: Delivery, now: datetime) -> None:
    delivery.recipient_name = ERASED
    delivery.phone = delivery.email = None
    delivery.items = delivery.instructions = delivery.recipient_note = delivery.failure_note = ""
    delivery.recipient_note_at = delivery.not_loaded_reason = None
    delivery.imported = {name: value for name, value in delivery.imported.items() if name not in PERSONAL_COLUMNS}
    delivery.plan_dirty_at, delivery.erased_at = None, now
    delivery.version += 1


def _is_personal(value: object) -> bool:
    """Words may name somebody; ids, dates and numbers do not."""
    return isinstance(value, str) and _PLAIN.fullmatch(value) is None
