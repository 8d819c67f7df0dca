"""What the company may say in public: how often it came inside the range shown an hour before, as measured."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracking.truth_days import DAYS, PromiseDay

# Fewer deliveries say too little (issue: honesty in public).
LEAST_DELIVERED = 200


@dataclass(frozen=True, slots=True)
class HitRate:
    """Deliveries of the last 28 days, and those handed over inside the range shown an hour before."""

    delivered: int
    kept: int

    @property
    def of_ten(self) -> int:
        """Return how many times out of ten, rounded down: never better than it was."""
        return 10 * self.kept // self.delivered

    @property
    def percent(self) -> float:
        """Return the share in percent."""
        return 100.0 * self.kept / self.delivered


def hit_rate(
    session: Session, today: date, *, depot_id: str | None = None, least: int = LEAST_DELIVERED
) -> HitRate | None:
    """Return the figure of the 28 days before ``today``; None while there are fewer than ``least`` deliveries."""
    counted = select(func.sum(PromiseDay.delivered), func.sum(PromiseDay.kept)).where(
        PromiseDay.on >= today - timedelta(days=DAYS), PromiseDay.on < today
    )
    if depot_id is not None:
        counted = counted.where(PromiseDay.depot_id == depot_id)
    delivered, kept = session.execute(counted).one()
    if not delivered or delivered < least:
        return None
    return HitRate(int(delivered), int(kept))
