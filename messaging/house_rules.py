"""House rules: what the company decides once and staff can change. Each change is a new version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.errors import MessagingError
from tracking.storage import Base

MOST_DAYS = 7  # offered; our choice, a text names the first few
LOOK_AHEAD = timedelta(days=60)


class HouseRuleVersion(Base):
    """One version of the rules; the newest counts."""

    __tablename__ = "house_rule_versions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    accepts_safe_place: Mapped[bool]
    delivery_days: Mapped[list[Any]]
    days_offered: Mapped[int]
    saved_at: Mapped[datetime]
    saved_by: Mapped[str] = mapped_column(String(32))


class BadRules(MessagingError):
    """The rules make no sense. The text says why."""


@dataclass(frozen=True, slots=True)
class HouseRules:
    """What holds. ``delivery_days`` are weekdays (Monday is 0) on which another day can be offered.

    ``accepts_safe_place``: a safe place is agreed by itself. It is off until the company chooses it, since who leaves
    goods unattended takes the risk.
    """

    accepts_safe_place: bool = False
    delivery_days: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    days_offered: int = 4


def house_rules(session: Session) -> HouseRules:
    """Return the rules that hold now."""
    newest = session.scalar(select(HouseRuleVersion).order_by(HouseRuleVersion.id.desc()).limit(1))
    return HouseRules() if newest is None else _rules(newest)


def save_rules(session: Session, rules: HouseRules, *, staff_id: str, now: datetime) -> None:
    """Let these rules hold from now on. Raises ``BadRules``."""
    if not rules.delivery_days or not set(rules.delivery_days) <= set(range(7)):
        raise BadRules("Choose at least one day of the week.")
    if not 1 <= rules.days_offered <= MOST_DAYS:
        raise BadRules(f"Offer between 1 and {MOST_DAYS} days.")
    session.add(
        HouseRuleVersion(
            accepts_safe_place=rules.accepts_safe_place,
            delivery_days=sorted(set(rules.delivery_days)),
            days_offered=rules.days_offered,
            saved_at=now,
            saved_by=staff_id,
        )
    )
    session.flush()


def days_after(rules: HouseRules, *, service_on: date, today: date) -> Sequence[date]:
    """Return the next days that may be offered instead of ``service_on``, soonest first, never today."""
    first = max(today, service_on) + timedelta(days=1)
    ahead = (first + timedelta(days=number) for number in range(LOOK_AHEAD.days))
    return [day for day in ahead if day.weekday() in rules.delivery_days][: rules.days_offered]


def _rules(row: HouseRuleVersion) -> HouseRules:
    return HouseRules(row.accepts_safe_place, tuple(int(day) for day in row.delivery_days), row.days_offered)
