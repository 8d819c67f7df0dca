"""The ledger of promises: what a recipient was shown before, and since when it is another."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracking.deliveries import PromiseChange


class Moved(NamedTuple):
    """The last change of a promise: when, and the range that was shown until then."""

    at: datetime
    from_lo_at: datetime
    from_hi_at: datetime


def last_move(session: Session, delivery_id: str) -> Moved | None:
    """Return the last change of what this recipient was promised; None while the first promise holds."""
    statement = (
        select(PromiseChange.at, PromiseChange.from_lo_at, PromiseChange.from_hi_at)
        .where(PromiseChange.delivery_id == delivery_id, PromiseChange.from_lo_at.is_not(None))
        .order_by(PromiseChange.at.desc(), PromiseChange.id.desc())
        .limit(1)
    )
    row = session.execute(statement).one_or_none()
    if row is None or row.from_lo_at is None or row.from_hi_at is None:
        return None
    return Moved(row.at, row.from_lo_at, row.from_hi_at)
