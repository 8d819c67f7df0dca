"""The ledger of promises: what a recipient was shown before, and since when it is another."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from tracking.deliveries import PromiseChange


class Moved(NamedTuple):
    """The last change of a promise: when, and the range that was shown until then."""

    at: datetime
    from_lo_at: datetime
    from_hi_at: datetime


# Built once: these are read for every page.
_LAST = (
    select(PromiseChange.at, PromiseChange.from_lo_at, PromiseChange.from_hi_at)
    .where(PromiseChange.delivery_id == bindparam("delivery_id"), PromiseChange.from_lo_at.is_not(None))
    .order_by(PromiseChange.at.desc(), PromiseChange.id.desc())
    .limit(1)
)
_PROMISES = (
    select(PromiseChange.id, PromiseChange.at, PromiseChange.cause, PromiseChange.lo_at, PromiseChange.hi_at)
    .where(PromiseChange.delivery_id == bindparam("delivery_id"))
    .order_by(PromiseChange.id)
)


class Promised(NamedTuple):
    """A promise that was made: since when, why, and its range. ``id`` counts up."""

    id: int
    at: datetime
    cause: str | None
    lo_at: datetime
    hi_at: datetime


def promises(session: Session, delivery_id: str) -> list[Promised]:
    """Return what this recipient was promised, oldest first."""
    return [Promised._make(row) for row in session.execute(_PROMISES, {"delivery_id": delivery_id})]


def last_move(session: Session, delivery_id: str) -> Moved | None:
    """Return the last change of what this recipient was promised; None while the first promise holds."""
    row = session.execute(_LAST, {"delivery_id": delivery_id}).one_or_none()
    if row is None or row.from_lo_at is None or row.from_hi_at is None:
        return None
    return Moved(row.at, row.from_lo_at, row.from_hi_at)
