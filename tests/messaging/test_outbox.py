from datetime import timedelta

from sqlalchemy import update
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
