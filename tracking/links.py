"""Signed links: an 11-character random id and a 128-bit MAC over it, one salt an audience.

Forging one needs the key and a live id; garbage is refused without touching the database. Expiry, revocation and
audience live in the row. Keys, limits and logs use the id, never the token (DESIGN 9).
"""

import functools
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from itsdangerous import BadSignature, Signer
from sqlalchemy import ForeignKey, Index, String, bindparam, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tracking.errors import TrackingError
from tracking.ids import LINK_ID_LENGTH
from tracking.storage import Base, words

# An id, and 128 bits in base64. The last letter has four bits to spare: of the 16 spellings that mean the same only
# ours counts, where they are 0.
_TOKEN = re.compile(rf"[A-Za-z0-9]{{{LINK_ID_LENGTH}}}\.[A-Za-z0-9_-]{{21}}[AQgw]", re.ASCII)
_BLAKE2B_128 = functools.partial(hashlib.blake2b, digest_size=16)


class Audience(StrEnum):
    """Who a link is for. The value is part of the signature's salt."""

    RECIPIENT = "recipient"
    DRIVER = "driver"
    UNSUBSCRIBE = "unsubscribe"


class Link(Base):
    """One link that was sent to somebody. A driver's link is for one route and bound to the first phone."""

    __tablename__ = "links"
    __table_args__ = (
        Index("ix_links_delivery_id", "delivery_id"),
        Index("ix_links_route_id", "route_id"),
    )

    id: Mapped[str] = mapped_column(String(LINK_ID_LENGTH), primary_key=True)
    audience: Mapped[Audience] = mapped_column(words(Audience, "link_audience"))
    delivery_id: Mapped[str | None] = mapped_column(ForeignKey("deliveries.id"))
    route_id: Mapped[str | None] = mapped_column(ForeignKey("routes.id"))
    driver_id: Mapped[str | None] = mapped_column(ForeignKey("drivers.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    bound_to: Mapped[str | None] = mapped_column(String(64))  # hash of the browser secret of the first phone
    bound_at: Mapped[datetime | None]


_ONE = select(Link).where(Link.id == bindparam("link_id"))  # built once: this is read for every page


class UnknownLink(TrackingError):
    """Forged, malformed or never made: all the same to whoever asks."""

    def __init__(self) -> None:
        super().__init__("There is no such link.")


class ClosedLink(TrackingError):
    """The signature is true, but the link has expired or was revoked. ``link_id`` names it."""

    def __init__(self, link_id: str) -> None:
        super().__init__("This link is no longer in use.")
        self.link_id = link_id


class LinkSigner:
    """Signs link ids and reads them back. ``keys``: oldest first; the last one signs, all verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._signers = {
            audience: Signer(list(keys), salt=f"{audience}-link.v1", digest_method=_BLAKE2B_128)
            for audience in Audience
        }

    def token(self, link_id: str, audience: Audience) -> str:
        """Return the token for a link id: 34 characters, ``id.signature``."""
        return self._signers[audience].sign(link_id).decode()

    def link_id(self, token: str, audience: Audience) -> str:
        """Return the link id a token was made for; raises ``UnknownLink``. Only the canonical spelling is accepted."""
        if _TOKEN.fullmatch(token) is None:
            raise UnknownLink
        try:
            return self._signers[audience].unsign(token).decode()
        except BadSignature:
            raise UnknownLink from None


def live_link(session: Session, link_id: str, audience: Audience, now: datetime) -> Link:
    """Return the row of a link that may be used; raises ``UnknownLink`` or ``ClosedLink``."""
    link = session.scalar(_ONE, {"link_id": link_id})
    if link is None or link.audience is not audience:
        raise UnknownLink
    if link.revoked_at is not None or link.expires_at <= now:
        raise ClosedLink(link_id)
    return link


def recipient_link(session: Session, *, delivery_id: str, link_id: str, now: datetime, expires_at: datetime) -> Link:
    """Return the delivery's newest usable recipient link, or add one with ``link_id`` that ends at ``expires_at``."""
    statement = select(Link).where(
        Link.delivery_id == delivery_id,
        Link.audience == Audience.RECIPIENT,
        Link.revoked_at.is_(None),
        Link.expires_at > now,
    )
    link = session.scalar(statement.order_by(Link.created_at.desc()).limit(1))
    if link is None:
        link = _new_link(link_id, Audience.RECIPIENT, now=now, expires_at=expires_at)
        link.delivery_id = delivery_id
        session.add(link)
    return link


def unsubscribe_link(session: Session, *, delivery_id: str, link_id: str, now: datetime, expires_at: datetime) -> Link:
    """Return the delivery's link that ends mail, or add one with ``link_id``."""
    link = session.scalar(
        select(Link).where(Link.delivery_id == delivery_id, Link.audience == Audience.UNSUBSCRIBE).limit(1)
    )
    if link is None:
        link = _new_link(link_id, Audience.UNSUBSCRIBE, now=now, expires_at=expires_at)
        link.delivery_id = delivery_id
        session.add(link)
    return link


def driver_link(
    session: Session, *, route_id: str, driver_id: str, link_id: str, now: datetime, expires_at: datetime
) -> Link:
    """Return the newest usable link of this driver to this route, or add one with ``link_id``."""
    statement = select(Link).where(
        Link.route_id == route_id,
        Link.driver_id == driver_id,
        Link.audience == Audience.DRIVER,
        Link.revoked_at.is_(None),
        Link.expires_at > now,
    )
    link = session.scalar(statement.order_by(Link.created_at.desc()).limit(1))
    if link is None:
        link = _new_link(link_id, Audience.DRIVER, now=now, expires_at=expires_at)
        link.route_id, link.driver_id = route_id, driver_id
        session.add(link)
    return link


def revoke(session: Session, link_ids: Sequence[str], now: datetime) -> None:
    """End these links at once. Whoever calls publishes ``facts.revoked`` after commit."""
    session.execute(update(Link).where(Link.id.in_(link_ids), Link.revoked_at.is_(None)).values(revoked_at=now))


def _new_link(link_id: str, audience: Audience, *, now: datetime, expires_at: datetime) -> Link:
    return Link(
        id=link_id,
        audience=audience,
        delivery_id=None,
        route_id=None,
        driver_id=None,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        bound_to=None,
        bound_at=None,
    )
