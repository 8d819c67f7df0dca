"""How long raw positions and estimates are kept. What was learned from them stays."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from tracking.deliveries import EstimateMade
from tracking.positions import Position

POSITIONS_KEPT = timedelta(days=30)  # reference/tracking.md 5
ESTIMATES_KEPT = timedelta(days=35)  # the page tells of the last 28 days (our choice: a week more)
ROWS_AT_ONCE = 20_000


def forget_old(session: Session, now: datetime, *, positions_kept: timedelta = POSITIONS_KEPT) -> int:
    """Delete up to ``ROWS_AT_ONCE`` old rows of each kind and return how many; call it again until it says 0."""
    positions = select(Position.id).where(Position.at < now - positions_kept).limit(ROWS_AT_ONCE)
    estimates = select(EstimateMade.id).where(EstimateMade.made_at < now - ESTIMATES_KEPT).limit(ROWS_AT_ONCE)
    gone = 0
    for statement in (
        delete(Position).where(Position.id.in_(positions)),
        delete(EstimateMade).where(EstimateMade.id.in_(estimates)),
    ):
        result: Any = session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(result, CursorResult)
        gone += result.rowcount
    return gone
