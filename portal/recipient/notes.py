"""The recipient's note to the driver: gate code, safe place."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery, load

NOTE_LENGTH = 500  # characters; our choice: a paragraph


def keep_note(session: Session, delivery_id: str, note: str, now: datetime) -> str:
    """Keep ``note``, or take it away when it is empty; return the id of the route whose driver should see it.

    It also says that the recipient has seen the page.
    """
    delivery = load(session, delivery_id)
    values = {
        Delivery.recipient_note: note,
        Delivery.recipient_note_at: now if note else None,
        Delivery.seen_at: delivery.seen_at or now,
        Delivery.version: Delivery.version + 1,
    }
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values({column.key: value for column, value in values.items()})
        .execution_options(synchronize_session="fetch")
    )
    return delivery.stop.route_id
