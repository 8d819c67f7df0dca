"""Contacts: the addresses of a delivery's recipient, and which of them may be written to."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from messaging.consent import contact_hash, has_opted_out
from messaging.kinds import Channel, Reach
from tracking.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class Contact:
    """Where a person can be reached. An address that opted out is None here."""

    phone: str | None
    email: str | None

    def address(self, channel: Channel) -> str | None:
        """Return the address on ``channel``; None when there is none that may be used."""
        return self.phone if channel is Channel.SMS else self.email

    def channels(self, reach: Reach) -> tuple[Channel, ...]:
        """Return the channels that carry a kind with this reach."""
        known = tuple(channel for channel in (Channel.SMS, Channel.EMAIL) if self.address(channel) is not None)
        return known if reach is Reach.ALL else known[:1]


def contact_of(session: Session, delivery: Delivery, pepper: str) -> Contact:
    """Return the recipient's contact as the consent ledger stands. ``pepper`` is ``consent.pepper_of``."""
    return Contact(
        phone=_allowed(session, delivery.phone, Channel.SMS, pepper),
        email=_allowed(session, delivery.email, Channel.EMAIL, pepper),
    )


def _allowed(session: Session, address: str | None, channel: Channel, pepper: str) -> str | None:
    if not address or has_opted_out(session, contact_hash(address, pepper), channel):
        return None
    return address


def masked(address: str) -> str:
    """Return an address as staff lists show it: ``+1•••••2671``, ``a•••@example.net``."""
    if "@" in address:
        name, _, domain = address.partition("@")
        return f"{name[:1]}•••@{domain}"
    return f"{address[:2]}•••••{address[-4:]}"
