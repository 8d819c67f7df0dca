"""Addresses of a delivery that cannot be written to: a landline, a number not in use, a mailbox that is not there."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.channels.twilio_words import NO_TEXTS
from messaging.contacts import Contact, contact_of
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus
from tracking.deliveries import Delivery

NO_MAILBOX = "5.1"  # how the status of a mail to a wrong address begins (RFC 3463)
_LOST = frozenset({NotificationStatus.UNDELIVERED, NotificationStatus.FAILED})


def takes_nothing(channel: Channel, code: str) -> bool:
    """True when ``code`` says that no other message will arrive at the address either."""
    return code in NO_TEXTS if channel is Channel.SMS else code.startswith(NO_MAILBOX)


def living_contact(session: Session, delivery: Delivery, pepper: str) -> Contact:
    """Return the recipient's contact without what is known to take nothing. ``pepper`` is ``consent.pepper_of``."""
    lost = select(Notification.channel, Notification.to_address, Notification.error_code).where(
        Notification.delivery_id == delivery.id, Notification.status.in_(_LOST), Notification.error_code.is_not(None)
    )
    dead = {(channel, to) for channel, to, code in session.execute(lost) if takes_nothing(channel, code or "")}
    contact = contact_of(session, delivery, pepper)
    if (Channel.SMS, contact.phone) in dead:
        contact = replace(contact, phone=None)
    return replace(contact, email=None) if (Channel.EMAIL, contact.email) in dead else contact
