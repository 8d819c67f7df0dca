"""Changes of the day by staff and by the API: of one delivery, its contacts and links; of a route.

Each needs an open transaction and leaves custody, dirty plans and versions in it; ``Changed`` says what to publish
after commit. What the state does not allow raises ``WrongMove``; what makes no sense raises ``BadChange``. Both texts
are sentences for people.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking import custody, links
from tracking.actors import Actor
from tracking.custody import CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, load, mark_plan_dirty, require_move
from tracking.import_rows import LIMITS
from tracking.links import Audience, Link
from tracking.recipients import normal_email, normal_phone
from tracking.rescheduling import clock_time, load_for_change, newest_move, reschedule, undo_reschedule
from tracking.route_changes import BadChange, Changed, add_stop, reassign, reorder

__all__ = [
    "BadChange",
    "Changed",
    "add_stop",
    "cancel",
    "clock_time",
    "correct_contact",
    "newest_move",
    "reassign",
    "renew_link",
    "reorder",
    "reschedule",
    "revoke_links",
    "set_instructions",
    "set_note",
    "undo_reschedule",
]

NOTE_LENGTH = 500  # characters, as on the recipient's page


def cancel(
    session: Session, delivery_id: str, *, now: datetime, actor: Actor, ids: Callable[[], str], reason: str = ""
) -> Changed:
    """Cancel the delivery; cancelling it again changes nothing. Raises ``WrongMove`` at the door and after."""
    _require_printable(reason)
    delivery = load(session, delivery_id)
    if delivery.status is DeliveryStatus.CANCELLED:
        return Changed()
    require_move(session, delivery_id, DeliveryStatus.CANCELLED, at=now)
    custody.record(
        session,
        event_id=ids(),
        delivery_id=delivery_id,
        kind=CustodyKind.CANCELLED,
        at=now,
        now=now,
        actor=actor,
        source=actor.kind.value,
        detail={"reason": " ".join(reason.split())[:200]} if reason.strip() else {},
    )
    delivery.stop.route.plan_version += 1
    session.flush()
    return Changed((delivery_id,), (delivery.stop.route_id,))


def correct_contact(
    session: Session,
    delivery_id: str,
    *,
    now: datetime,
    region: str,
    phone: str | None = None,
    email: str | None = None,
    recipient_name: str | None = None,
) -> Changed:
    """Correct how the recipient is reached; None leaves a field, an empty text takes it away.

    ``region`` reads phone numbers without a country code. Raises ``BadChange`` for what is no number or address, and
    when nothing would be left to reach the recipient by.
    """
    delivery = load_for_change(session, delivery_id)
    wanted = {"phone": delivery.phone, "email": delivery.email, "recipient_name": delivery.recipient_name}
    if phone is not None:
        wanted["phone"] = _phone(phone, region)
    if email is not None:
        wanted["email"] = _email(email)
    if recipient_name is not None:
        wanted["recipient_name"] = _line(recipient_name, "recipient")
    if wanted["phone"] is None and wanted["email"] is None:
        raise BadChange("A phone number or an email address is needed.")
    if all(getattr(delivery, name) == value for name, value in wanted.items()):
        return Changed()
    for name, value in wanted.items():
        setattr(delivery, name, value)
    session.flush()
    return _changed(session, delivery, now)


def set_note(session: Session, delivery_id: str, *, note: str, now: datetime) -> Changed:
    """Keep what the recipient wants the driver to know; an empty one takes it away."""
    delivery = load_for_change(session, delivery_id)
    note = note.strip()
    if len(note) > NOTE_LENGTH:
        raise BadChange(f"A note has at most {NOTE_LENGTH} characters.")
    _require_printable(note)
    if note == delivery.recipient_note:
        return Changed()
    delivery.recipient_note, delivery.recipient_note_at = note, now if note else None
    delivery.version += 1
    session.flush()
    return Changed((delivery_id,), (delivery.stop.route_id,))


def set_instructions(session: Session, delivery_id: str, *, instructions: str, now: datetime) -> Changed:
    """Replace the company's instructions to the driver. Raises ``BadChange`` when they are too long."""
    delivery = load_for_change(session, delivery_id)
    instructions = instructions.strip()
    if len(instructions) > LIMITS["instructions"]:
        raise BadChange(f"Instructions have at most {LIMITS['instructions']} characters.")
    _require_printable(instructions)
    if instructions == delivery.instructions:
        return Changed()
    delivery.instructions = instructions
    delivery.version += 1
    session.flush()
    return Changed((delivery_id,), (delivery.stop.route_id,))


def revoke_links(session: Session, delivery_id: str, *, now: datetime) -> Changed:
    """End every link of the recipient's to this delivery at once."""
    load(session, delivery_id)
    held = select(Link.id).where(
        Link.delivery_id == delivery_id, Link.audience == Audience.RECIPIENT, Link.revoked_at.is_(None)
    )
    link_ids = tuple(session.scalars(held))
    links.revoke(session, link_ids, now)
    return Changed((delivery_id,), (), link_ids)


def renew_link(
    session: Session, delivery_id: str, *, expires_at: datetime, now: datetime, link_id: str
) -> tuple[str, Changed]:
    """End the recipient's links and give out a new one under ``link_id``; return its id too."""
    changed = revoke_links(session, delivery_id, now=now)
    link = links.recipient_link(session, delivery_id=delivery_id, link_id=link_id, now=now, expires_at=expires_at)
    session.flush()
    return link.id, changed


def _changed(session: Session, delivery: Delivery, now: datetime) -> Changed:
    mark_plan_dirty(session, [delivery.id], now)
    return Changed((delivery.id,), (delivery.stop.route_id,))


def _phone(text: str, region: str) -> str | None:
    if not text.strip():
        return None
    try:
        return normal_phone(text, region)
    except ValueError as error:
        raise BadChange(f"The phone number {error}.") from None


def _email(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        return normal_email(text)
    except ValueError as error:
        raise BadChange(str(error)) from None


def _line(text: str, column: str) -> str:
    line = " ".join(text.split())
    if not line or len(line) > LIMITS[column]:
        raise BadChange(f"A name has 1 to {LIMITS[column]} characters.")
    _require_printable(line)
    return line


def _require_printable(text: str) -> None:
    """Raise ``BadChange`` for characters that databases refuse: NUL and lone surrogates."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadChange("The text holds an unprintable character.")
