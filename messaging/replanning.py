"""Replanning: after a change of the rules, or of the world's clocks, the plans it concerns are marked as dirty.

In small steps with a transaction each, in the order of ids: so it survives a kill, holds no lock long, and never waits
for a reconciler that waits for it.
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from messaging.in_force import rules_in_force
from messaging.message_versions import MessageVersion
from messaging.notifications import Notification, NotificationStatus
from messaging.plan_after import RATING_USEFUL
from messaging.schedule import Rules
from tracking.deliveries import OPEN, Delivery, DeliveryStatus, mark_plan_dirty
from tracking.local_time import local_instant
from tracking.storage import Database

STEP = 200  # deliveries in one transaction (our choice)
_ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED)


def spread(database: Database, now: datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Mark what a change of the rules concerns, for every change that has not been spread; return how many deliveries.

    Stopped in the middle, the next run begins again: a mark set twice is one mark.
    """
    with database.reading() as session:
        pending = list(session.scalars(select(MessageVersion.id).where(MessageVersion.spread_at.is_(None))))
    if not pending:
        return 0
    marked, after = 0, ""
    while not should_stop():
        with database.writing() as session:
            found = _concerned(session, after, now)
            if not found:
                done = update(MessageVersion).where(MessageVersion.id.in_(pending))
                session.execute(done.values(spread_at=now))
                return marked
            mark_plan_dirty(session, found, now)
        marked, after = marked + len(found), found[-1]
    return marked


def _concerned(session: Session, after: str, now: datetime) -> list[str]:
    """Return, locked, the next deliveries that something may still be said about, or that has something waiting."""
    waiting = select(Notification.delivery_id).where(Notification.status == NotificationStatus.DUE)
    statement = select(Delivery.id).where(
        Delivery.id > after,
        or_(
            Delivery.status.in_(OPEN | {DeliveryStatus.ATTEMPT_FAILED, DeliveryStatus.RESCHEDULED}),
            (Delivery.status.in_(_ENDED)) & (Delivery.status_at > now - RATING_USEFUL - timedelta(hours=24)),
            Delivery.id.in_(waiting),
        ),
        Delivery.window_end_at > now - timedelta(days=30),
    )
    return list(session.scalars(statement.order_by(Delivery.id).limit(STEP).with_for_update()))


def recheck_clocks(session: Session, now: datetime) -> int:
    """Mark deliveries whose waiting messages would be due at another instant today; return how many messages.

    The local words behind each ``due_at`` are kept beside it (DESIGN 6). They give another instant after an update of
    the tz database, which a process reads when it starts: so each worker looks once.
    """
    rules = rules_in_force(session)
    waiting = select(Notification).where(
        Notification.status == NotificationStatus.DUE,
        Notification.due_at > now,
        Notification.planned_on.is_not(None),
        Notification.planned_at_local.is_not(None),
        Notification.zone.is_not(None),
    )
    moved = [row.delivery_id for row in session.scalars(waiting) if row.delivery_id and row.due_at != _due(row, rules)]
    for start in range(0, len(moved), STEP):
        mark_plan_dirty(session, sorted(set(moved))[start : start + STEP], now)
    return len(moved)


def _due(row: Notification, rules: Rules) -> datetime:
    """Return when a planned message is due by its local words."""
    assert row.planned_on is not None
    assert row.planned_at_local is not None
    assert row.zone is not None
    at = local_instant(row.planned_on, time.fromisoformat(row.planned_at_local), row.zone)
    quiet = rules.quiet_of(row.kind, is_under_way=False)
    return at if quiet is None else quiet.release(at, row.zone)
