"""The outbox: rows come in once, are claimed under a lease, and leave it by one of the moves of ``notifications``.

Claims read columns, never memory: a worker that dies costs a lease's wait. Day time (``now``) decides what is due and
useful, machine time (``elapsed``, seconds) decides leases and back-off.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from messaging.doubts import DoubtBegan, begin_doubts
from messaging.inserts import insert_once
from messaging.kinds import RULES, Channel, Kind, Lane
from messaging.notifications import Notification, NotificationStatus, advance, dedupe_key
from tracking.storage import Base

_S = NotificationStatus
MOST_CLAIMED = 500  # DESIGN 6
MOST_RECOVERED = 5_000
_ROWS = Base.metadata.tables[Notification.__tablename__]
LEASE_SLACK_S = 5.0  # between the clocks of two machines (our choice)
# Nothing is ever told to wait longer (the longest back-off is 300 s): a later time was written before the clock was set
# back, and is over.
LONGEST_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Who claims, and until when (machine seconds)."""

    owner: str
    until: float


def queue(
    session: Session,
    *,
    kind: Kind,
    channel: Channel,
    subject: str,
    occasion: str,
    delivery_id: str | None,
    to_address: str,
    locale: str,
    context: dict[str, Any],
    now: datetime,
    ids: Callable[[], str],
    useful_until: datetime | None = None,
    due_at: datetime | None = None,
    route_id: str | None = None,
    instead_of: str | None = None,
) -> str | None:
    """Add one row that is due now, or at ``due_at``, and return its id; None when this occasion has one already.

    ``context`` holds words for the template beyond those of the delivery; for ``chat`` and ``reply`` it has ``text``,
    and ``to`` ("driver" or "recipient") says whose link goes with it.
    """
    notification_id = ids()
    added = insert_once(
        session,
        Notification,
        id=notification_id,
        dedupe_key=dedupe_key(subject=subject, kind=kind, channel=channel, occasion=occasion),
        kind=kind,
        channel=channel,
        occasion=occasion,
        delivery_id=delivery_id,
        route_id=route_id,
        to_address=to_address,
        locale=locale,
        lane=RULES[kind].lane,
        status=_S.DUE,
        due_at=due_at or now,
        useful_until=useful_until,
        context=context,
        created_at=now,
        instead_of=instead_of,
    )
    return notification_id if added else None


def claim(
    session: Session,
    *,
    channel: Channel,
    lanes: Sequence[Lane],
    limit: int,
    now: datetime,
    elapsed: float,
    lease: Lease,
) -> list[str]:
    """Take up to ``limit`` due rows for one attempt, lane by lane, and return their ids in order of urgency.

    Rows due at the same instant, such as a whole city's at 18:00, come in any order: to sort them, all would be read.
    """
    taken: list[str] = []
    for lane in lanes:
        room = min(limit, MOST_CLAIMED) - len(taken)
        if room <= 0:
            break
        due = _due(channel, now=now, elapsed=elapsed).where(Notification.lane == lane)
        taken.extend(_take(session, due.order_by(Notification.due_at).limit(room), lease))
    return taken


def _take(session: Session, due: Select[Any], lease: Lease) -> list[str]:
    """Find rows and take them in one statement, and return their ids, those due first first.

    They are taken where they lie in the table: looking each up by its id costs as much as finding them did, and to ask
    for their status again would make SQLite walk through all that is due.
    """
    place: ColumnElement[Any]
    if session.get_bind().dialect.name == "postgresql":
        place = literal_column("notifications.ctid")
        found = due.with_only_columns(place).with_for_update(skip_locked=True).correlate(None)
        here = place == func.any(func.array(found.scalar_subquery()))
    else:
        place = literal_column("notifications.rowid")
        here = place.in_(due.with_only_columns(place).correlate(None))
    values = {"lease_owner": lease.owner, "lease_until": lease.until, "posting_since": None, "retry_after": None}
    taken = update(_ROWS).where(here).values(status=_S.SENDING, attempt=_ROWS.c.attempt + 1, **values)
    # What the engine itself gives for an instant is good enough to sort by, and five hundred need not be read.
    rows = session.execute(taken.returning(_ROWS.c.id, type_coerce(_ROWS.c.due_at, NullType())))
    return [found_id for found_id, _ in sorted(rows, key=itemgetter(1))]


def has_due(session: Session, channel: Channel, *, now: datetime, elapsed: float) -> bool:
    """Tell whether something could be claimed now."""
    return bool(session.scalar(select(exists(_due(channel, now=now, elapsed=elapsed)))))


def _due(channel: Channel, *, now: datetime, elapsed: float) -> Select[str]:
    return select(Notification.id).where(
        Notification.channel == channel,
        Notification.status == _S.DUE,
        Notification.due_at <= now,
        or_(Notification.useful_until.is_(None), Notification.useful_until > now),
        may_retry(elapsed),
    )


def may_retry(elapsed: float) -> ColumnElement[bool]:
    """Return the condition that a row need not wait any longer."""
    after = Notification.retry_after
    return or_(after.is_(None), after <= elapsed, after > elapsed + LONGEST_WAIT_S)


def still_mine(session: Session, ids: Iterable[str], owner: str) -> list[Notification]:
    """Return, locked, those of the claimed rows that nothing has moved meanwhile."""
    statement = select(Notification).where(
        Notification.id.in_(list(ids)), Notification.status == _S.SENDING, Notification.lease_owner == owner
    )
    return list(session.scalars(statement.with_for_update()))


def mark_posting(session: Session, texts: Mapping[str, Mapping[str, Any]], lease: Lease, elapsed: float) -> None:
    """Note that from now on the provider may see these rows: an expired lease is then ambiguous, not simply due.

    ``texts`` holds by id what is written into a row with it, the same columns for all. The lease begins anew. Core, for
    many rows at once: the ORM would write each twice.
    """
    if not texts:
        return
    mine = update(_ROWS).where(
        _ROWS.c.id == bindparam("its_id"), _ROWS.c.status == _S.SENDING, _ROWS.c.lease_owner == lease.owner
    )
    rows = [{"its_id": found_id, **columns} for found_id, columns in texts.items()]
    session.execute(mine.values(posting_since=elapsed, lease_until=lease.until), rows)


def put_back(session: Session, notification_id: str, *, owner: str, retry_after: float | None, **columns: Any) -> bool:
    """Make a claimed row due again after ``retry_after`` (machine seconds); False when it is not ours any more."""
    statement = update(Notification).where(
        Notification.id == notification_id, Notification.status == _S.SENDING, Notification.lease_owner == owner
    )
    values = {"lease_owner": None, "lease_until": None, "posting_since": None, "retry_after": retry_after, **columns}
    result = session.execute(statement.values(status=_S.DUE, **values).execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def overdue(session: Session, *, now: datetime, limit: int = MOST_CLAIMED) -> list[Notification]:
    """Return rows that nobody sent while they were useful."""
    statement = select(Notification).where(Notification.status == _S.DUE, Notification.useful_until <= now)
    return list(session.scalars(statement.order_by(Notification.useful_until).limit(limit)))


def recover(session: Session, elapsed: float, *, lease_s: float, now: datetime) -> tuple[int, int]:
    """Deal with leases that ran out: never posted is due again, the rest is in doubt. Return how many of each.

    Rows that somebody is recording just now are left to them: two who lock many rows in different orders deadlock.
    A lease that lasts longer than leases do was written before the clock was set back: it begins anew. One that ran
    out because the clock was set forward counts as ended now, so that the settle time is waited for all the same.
    """
    too_long = update(Notification).where(
        Notification.status == _S.SENDING, Notification.lease_until > elapsed + lease_s + LEASE_SLACK_S
    )
    session.execute(too_long.values(lease_until=elapsed + lease_s).execution_options(synchronize_session=False))
    expired = select(Notification.id, Notification.posting_since, Notification.channel).where(
        Notification.status == _S.SENDING, Notification.lease_until <= elapsed
    )
    expired = expired.order_by(Notification.id).limit(MOST_RECOVERED).with_for_update(skip_locked=True)
    found = session.execute(expired).all()
    never_posted = [found_id for found_id, posting_since, _ in found if posting_since is None]
    maybe_posted = [found_id for found_id, posting_since, _ in found if posting_since is not None]
    reason = "the sender stopped before the answer came"
    for ids, values in (
        (never_posted, {"status": _S.DUE, "lease_owner": None, "lease_until": None}),
        (maybe_posted, {"status": _S.AMBIGUOUS, "lease_until": elapsed, "retry_after": elapsed, "reason": reason}),
    ):
        statement = update(Notification).where(Notification.id.in_(ids), Notification.status == _S.SENDING)
        session.execute(statement.values(**values).execution_options(synchronize_session=False))
    doubted = [(found_id, channel) for found_id, posting_since, channel in found if posting_since is not None]
    begin_doubts(session, doubted, DoubtBegan.SENDER_STOPPED, now=now)
    return len(never_posted), len(maybe_posted)


def withdraw(session: Session, notification_id: str, reason: str) -> bool:
    """Take a row back that has not gone out; False when it has, or is going out now."""
    return advance(session, notification_id, _S.WITHDRAWN, reason=reason)


def resend(session: Session, notification_id: str, *, now: datetime, ids: Callable[[], str]) -> str | None:
    """Queue the same message again, by a person's wish, and return its id. Each wish is a new occasion.

    ``context`` goes along without what was said, so the words are those that are true when it goes out.
    """
    row = session.get_one(Notification, notification_id)
    return queue(
        session,
        kind=row.kind,
        channel=row.channel,
        subject=row.dedupe_key.partition("/")[0],
        occasion=f"again-{ids()}",
        delivery_id=row.delivery_id,
        to_address=row.to_address or "",
        locale=row.locale,
        context={name: value for name, value in row.context.items() if name != "said"} | {"is_wish": True},
        now=now,
        ids=ids,
        route_id=row.route_id,
        instead_of=row.id,
    )
