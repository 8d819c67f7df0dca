from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.kinds import Channel, Kind, Lane
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import Lease, claim, queue, recover
from tests.builders import local, make_delivery
from tracking.ids import new_id
from tracking.storage import Database

NOW = local("11:00")
LEASE_S = 30.0


def queued(session: Session) -> str:
    """Add one text that is due."""
    delivery = make_delivery(session)
    queued_id = queue(
        session,
        kind=Kind.REPLY,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion="1",
        delivery_id=delivery.id,
        to_address=delivery.phone or "",
        locale="en",
        context={"text": "Yes."},
        now=NOW,
        ids=new_id,
    )
    assert queued_id is not None
    return queued_id


def taken(session: Session, elapsed: float) -> list[str]:
    return claim(
        session,
        channel=Channel.SMS,
        lanes=(Lane.CONVERSATION,),
        limit=10,
        now=NOW + timedelta(seconds=1),
        elapsed=elapsed,
        lease=Lease("me", elapsed + LEASE_S),
    )


def test_a_lease_from_before_the_clock_was_set_back_begins_anew(database: Database) -> None:
    with database.writing() as session:
        queued_id = queued(session)
        assert taken(session, 10_000.0) == [queued_id]

        assert recover(session, 6_400.0, lease_s=LEASE_S, now=NOW) == (0, 0)
        assert recover(session, 6_429.0, lease_s=LEASE_S, now=NOW) == (0, 0)
        assert recover(session, 6_430.0, lease_s=LEASE_S, now=NOW) == (1, 0)


def test_what_was_in_hand_when_the_clock_was_set_forward_settles_from_then_on(database: Database) -> None:
    with database.writing() as session:
        queued_id = queued(session)
        taken(session, 10_000.0)
        session.execute(update(Notification).values(posting_since=10_001.0))

        assert recover(session, 13_600.0, lease_s=LEASE_S, now=NOW) == (0, 1)
        session.expire_all()

        row = session.get_one(Notification, queued_id)
        assert (row.status, row.lease_until) == (NotificationStatus.AMBIGUOUS, 13_600.0)


def test_a_back_off_from_before_the_clock_was_set_back_is_over(database: Database) -> None:
    with database.writing() as session:
        queued_id = queued(session)
        session.execute(update(Notification).values(retry_after=10_005.0))

        assert taken(session, 10_000.0) == []
        assert taken(session, 6_400.0) == [queued_id]


def due_rows(database: Database, count: int) -> list[str]:
    """Add texts that fell due a second apart, the last first; return their ids, those due first first."""
    with database.writing() as session:
        ids = [queued(session) for _ in range(count)]
        for number, queued_id in enumerate(ids):
            due = update(Notification).where(Notification.id == queued_id)
            session.execute(due.values(due_at=NOW - timedelta(seconds=number)))
    return ids[::-1]


def test_a_claim_takes_what_has_been_due_longest_in_that_order(database: Database) -> None:
    ids = due_rows(database, 12)

    with database.writing() as session:
        first, second = taken(session, 10_000.0), taken(session, 10_000.0)

    assert (first, second) == (ids[:10], ids[10:])


def test_claims_side_by_side_share_what_is_due(database: Database) -> None:
    ids = due_rows(database, 60)

    def claim_all(_number: int) -> list[str]:
        mine: list[str] = []
        while True:
            with database.writing() as session:
                found = taken(session, 10_000.0)
            if not found:
                return mine
            mine += found

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(claim_all, range(4)))

    assert sorted(one for share in shares for one in share) == sorted(ids)
    with database.reading() as session:
        rows = session.scalars(select(Notification)).all()
    assert {(row.status, row.attempt, row.lease_owner) for row in rows} == {(NotificationStatus.SENDING, 1, "me")}
