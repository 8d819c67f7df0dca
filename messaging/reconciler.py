"""The reconciler: makes the outbox hold what `schedule.planned` says, where a plan is dirty (DESIGN 6)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.asking import may_ask
from messaging.contacts import contact_of
from messaging.in_force import rules_in_force
from messaging.inserts import insert_once
from messaging.kinds import RULES, Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance, dedupe_key
from messaging.ratings import Rating
from messaging.schedule import PLANNED_KINDS, Rules, Subject, Told, Wanted, planned
from messaging.search_index import keep_about
from messaging.wish_actions import lapse
from tracking.custody import CustodyEvent, CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, load

_S = NotificationStatus
# What the recipient has, or may have, in hand.
OUT = frozenset({_S.AMBIGUOUS, _S.ACCEPTED, _S.SENT, _S.DELIVERED})


@dataclass(slots=True)
class Reconciled:
    """What one run did: how many rows it added, moved, withdrew and revived, and which channels have work now."""

    added: int = 0
    moved: int = 0
    withdrawn: int = 0
    revived: int = 0
    due: set[Channel] = field(default_factory=set)


def dirty_deliveries(session: Session, limit: int) -> list[str]:
    """Return ids of deliveries whose plan is dirty, those waiting longest first."""
    statement = select(Delivery.id).where(Delivery.plan_dirty_at.is_not(None))
    return list(session.scalars(statement.order_by(Delivery.plan_dirty_at).limit(limit)))


def lock_free(session: Session, delivery_ids: Iterable[str]) -> list[str]:
    """Lock those of these deliveries that nobody else holds, and return their ids in order.

    The fix consumer and staff's changes hold many deliveries, in orders of their own: to wait for one of them while
    holding others would be a deadlock.
    """
    free = select(Delivery.id).where(Delivery.id.in_(list(delivery_ids))).order_by(Delivery.id)
    return list(session.scalars(free.with_for_update(skip_locked=True)))


def reconcile(
    session: Session,
    delivery_id: str,
    *,
    now: datetime,
    ids: Callable[[], str],
    pepper: str,
    rules: Rules | None = None,
    done: Reconciled | None = None,
) -> Reconciled:
    """Bring the notifications of one delivery into line and clear the dirty mark it read, not a newer one.

    Locks the delivery, so two reconcilers never work on the same one. Without ``rules`` those in force are read behind
    the lock: who changes them marks the delivery afterwards. Raises ``NotFound``.
    """
    done = done or Reconciled()
    session.execute(select(Delivery.id).where(Delivery.id == delivery_id).with_for_update())
    delivery = load(session, delivery_id)
    keep_about(session, delivery)
    lapse(session, delivery, now)
    mark = delivery.plan_dirty_at
    rows = of_delivery(session, delivery_id)
    subject = subject_of(session, delivery, now)
    contact = contact_of(session, delivery, pepper)
    rules = rules or rules_in_force(session)
    wanted = planned(subject, rules=rules, contact=contact, told=told_by(rows), now=now)
    _apply(session, delivery, wanted, rows, now=now, ids=ids, done=done)
    if mark is not None:
        clear = update(Delivery).where(Delivery.id == delivery_id, Delivery.plan_dirty_at == mark)
        session.execute(clear.values(plan_dirty_at=None).execution_options(synchronize_session=False))
    return done


def of_delivery(session: Session, delivery_id: str) -> list[Notification]:
    """Return every notification about a delivery, oldest first."""
    statement = select(Notification).where(Notification.delivery_id == delivery_id)
    return list(session.scalars(statement.order_by(Notification.created_at, Notification.id)))


def subject_of(session: Session, delivery: Delivery, now: datetime) -> Subject:
    """Return what the plan of ``delivery`` (whole, see ``deliveries.load``) is made from."""
    moved = select(CustodyEvent.recorded_at).where(
        CustodyEvent.delivery_id == delivery.id, CustodyEvent.kind == CustodyKind.RESCHEDULED
    )
    return Subject(
        status=delivery.status,
        status_at=delivery.status_at,
        zone=delivery.zone,
        service_on=delivery.service_on,
        window_start_at=delivery.window_start_at,
        window_end_at=delivery.window_end_at,
        created_at=delivery.created_at,
        original_on=_original_on(delivery),
        rescheduled_at=session.scalar(moved.order_by(CustodyEvent.recorded_at.desc()).limit(1)),
        route_started_at=delivery.stop.route.started_at,
        next_stop_at=delivery.next_stop_at,
        arrived_at=delivery.arrived_at,
        delivered_at=delivery.delivered_at,
        promise_point_at=delivery.promise_point_at,
        promise_hi_at=delivery.promise_hi_at,
        promise_broken_at=delivery.promise_broken_at,
        is_rated=session.get(Rating, delivery.id) is not None,
        may_ask=delivery.status is not DeliveryStatus.DELIVERED or may_ask(session, delivery, now),
    )


def _original_on(delivery: Delivery) -> date:
    """Return the date of the file's row as last imported; the key's date when the row does not say."""
    said = delivery.imported.get("date")
    return date.fromisoformat(said) if isinstance(said, str) else delivery.import_on


def told_by(rows: Iterable[Notification]) -> list[Told]:
    """Return what the recipient was told, from rows that went out or are going out now."""
    return [_told(row) for row in rows if _is_out(row)]


def _is_out(row: Notification) -> bool:
    return row.status in OUT or (row.status is _S.SENDING and row.posting_since is not None)


def _told(row: Notification) -> Told:
    said: Mapping[str, Any] = row.context.get("said", {})
    start, end = _instant(said.get("window_start")), _instant(said.get("window_end"))
    on = said.get("service_on")
    return Told(
        kind=row.kind,
        channel=row.channel,
        occasion=row.occasion,
        at=row.accepted_at or row.due_at,
        service_on=None if on is None else date.fromisoformat(on),
        window=None if start is None or end is None else (start, end),
        promised_until=_instant(said.get("promised_until")),
        asked=bool(said.get("asked", False)),
        zone=said.get("zone"),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _apply(
    session: Session,
    delivery: Delivery,
    wanted: Iterable[Wanted],
    rows: list[Notification],
    *,
    now: datetime,
    ids: Callable[[], str],
    done: Reconciled,
) -> None:
    by_key = {row.dedupe_key: row for row in rows}
    kept: set[str] = set()
    said: set[tuple[Kind, str]] = set()
    for want in wanted:
        key = dedupe_key(subject=delivery.id, kind=want.kind, channel=want.channel, occasion=want.occasion)
        kept.add(key)
        said.add((want.kind, want.occasion))
        row = by_key.get(key)
        if row is None:
            _add(session, delivery, want, key, now=now, ids=ids, done=done)
        elif row.status in {_S.DUE, _S.WITHDRAWN}:
            _move(session, delivery, want, row, now=now, done=done)
    for row in rows:
        stands_in = row.instead_of is not None and ((row.kind, row.occasion) in said or "is_wish" in row.context)
        if row.status is _S.DUE and row.kind in PLANNED_KINDS and row.dedupe_key not in kept and not stands_in:
            done.withdrawn += advance(session, row.id, _S.WITHDRAWN, reason="no longer applies")


def _add(
    session: Session,
    delivery: Delivery,
    want: Wanted,
    key: str,
    *,
    now: datetime,
    ids: Callable[[], str],
    done: Reconciled,
) -> None:
    if want.useful_until is not None and want.useful_until <= now:
        return
    done.added += insert_once(
        session,
        Notification,
        id=ids(),
        dedupe_key=key,
        kind=want.kind,
        channel=want.channel,
        occasion=want.occasion,
        delivery_id=delivery.id,
        route_id=None,
        lane=RULES[want.kind].lane,
        status=_S.DUE,
        context={},
        created_at=now,
        **_columns(delivery, want),
    )
    _note_due(want, now, done)


def _move(
    session: Session, delivery: Delivery, want: Wanted, row: Notification, *, now: datetime, done: Reconciled
) -> None:
    columns = _columns(delivery, want)
    if row.status is _S.WITHDRAWN:
        if want.useful_until is not None and want.useful_until <= now:
            return
        done.revived += advance(session, row.id, _S.DUE, reason="", retry_after=None, **columns)
    else:
        if row.due_at <= now and want.due_at <= now:
            del columns["due_at"]  # what is said at once keeps its place in the queue
        if all(getattr(row, name) == value for name, value in columns.items()):
            return
        statement = update(Notification).where(Notification.id == row.id, Notification.status == _S.DUE)
        session.execute(statement.values(**columns).execution_options(synchronize_session=False))
        done.moved += 1
    _note_due(want, now, done)


def _columns(delivery: Delivery, want: Wanted) -> dict[str, Any]:
    return {
        "to_address": want.address,
        "locale": delivery.locale,
        "due_at": want.due_at,
        "useful_until": want.useful_until,
        "planned_on": want.planned_on,
        "planned_at_local": None if want.planned_at is None else f"{want.planned_at:%H:%M}",
        "zone": delivery.zone,
    }


def _note_due(want: Wanted, now: datetime, done: Reconciled) -> None:
    if want.due_at <= now:
        done.due.add(want.channel)
