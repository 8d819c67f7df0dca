from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from messaging.consent import ConsentAction, contact_hash, note_consent
from messaging.kinds import Channel, Kind, Lane
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import Lease, claim, has_due, mark_posting, overdue, put_back, queue, recover
from messaging.reconciler import dirty_deliveries, of_delivery, reconcile
from tests.builders import local, make_delivery
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.deliveries import advance as advance_delivery
from tracking.storage import Database

DAY = timedelta(days=1)
NOON = local("12:00") - 2 * DAY
PEPPER = "pepper"
Ids = Callable[[], str]
_S = NotificationStatus


def add(database: Database) -> str:
    with database.writing() as session:
        return make_delivery(session, plan_dirty_at=NOON, phone="+12015550111", email="anna@example.net").id


def run(database: Database, delivery_id: str, ids: Ids, now: object = NOON) -> None:
    with database.writing() as session:
        reconcile(session, delivery_id, now=now, ids=ids, pepper=PEPPER)  # type: ignore[arg-type]


def states(database: Database, delivery_id: str) -> dict[tuple[Kind, Channel], NotificationStatus]:
    with database.reading() as session:
        return {(row.kind, row.channel): row.status for row in of_delivery(session, delivery_id)}


def test_the_plan_is_made_once_and_the_mark_is_cleared(database: Database, ids: Ids) -> None:
    made = add(database)

    run(database, made, ids)
    run(database, made, ids)

    assert len(states(database, made)) == 4
    assert set(states(database, made).values()) == {_S.DUE}
    with database.reading() as session:
        assert dirty_deliveries(session, 10) == []


def test_another_day_moves_nothing_twice_and_back_again_revives(database: Database, ids: Ids) -> None:
    made = add(database)
    run(database, made, ids)
    with database.writing() as session:
        delivery = session.get_one(Delivery, made)
        delivery.service_on += DAY
        delivery.window_start_at += DAY
        delivery.window_end_at += DAY
    run(database, made, ids)
    with database.reading() as session:
        rows = of_delivery(session, made)
    assert {(row.occasion, row.status) for row in rows if row.kind is Kind.DAY_BEFORE} == {
        ("2026-03-05", _S.WITHDRAWN),
        ("2026-03-06", _S.DUE),
    }
    with database.writing() as session:
        delivery = session.get_one(Delivery, made)
        delivery.service_on -= DAY
        delivery.window_start_at -= DAY
        delivery.window_end_at -= DAY

    run(database, made, ids)

    with database.reading() as session:
        rows = of_delivery(session, made)
    assert {(row.occasion, row.status) for row in rows if row.kind is Kind.DAY_BEFORE} == {
        ("2026-03-05", _S.DUE),
        ("2026-03-06", _S.WITHDRAWN),
    }


def test_a_corrected_number_is_where_it_goes(database: Database, ids: Ids) -> None:
    made = add(database)
    run(database, made, ids)
    with database.writing() as session:
        session.get_one(Delivery, made).phone = "+12015550122"

    run(database, made, ids)

    with database.reading() as session:
        addresses = {row.to_address for row in of_delivery(session, made) if row.channel is Channel.SMS}
    assert addresses == {"+12015550122"}


def test_who_opts_out_has_no_plan_on_that_channel_until_they_come_back(database: Database, ids: Ids) -> None:
    made = add(database)
    run(database, made, ids)
    words = []
    for action in (ConsentAction.OPT_OUT, ConsentAction.OPT_IN):
        with database.writing() as session:
            contact = contact_hash("+12015550111", PEPPER)
            note_consent(
                session, contact=contact, channel=Channel.SMS, action=action, source="sms_word", actor=SYSTEM, now=NOON
            )
        run(database, made, ids)
        words.append(states(database, made)[Kind.DAY_BEFORE, Channel.SMS])

    assert words == [_S.WITHDRAWN, _S.DUE]
    assert states(database, made)[Kind.DAY_BEFORE, Channel.EMAIL] is _S.DUE


def test_what_went_out_is_never_withdrawn(database: Database, ids: Ids) -> None:
    made = add(database)
    run(database, made, ids)
    with database.writing() as session:
        sent = next(row for row in of_delivery(session, made) if row.kind is Kind.DAY_BEFORE)
        advance(session, sent.id, _S.SENDING)
        advance(session, sent.id, _S.ACCEPTED, accepted_at=NOON)
        advance_delivery(session, made, DeliveryStatus.CANCELLED, at=NOON)

    run(database, made, ids)

    found = states(database, made)
    assert found[sent.kind, sent.channel] is _S.ACCEPTED
    assert found[Kind.CANCELLED, Channel.SMS] is _S.DUE
    assert found[Kind.MORNING_OF, Channel.SMS] is _S.WITHDRAWN


def test_the_undo_of_a_delivery_withdraws_its_message_and_delivering_again_revives_it(
    database: Database, ids: Ids
) -> None:
    made = add(database)
    at = local("11:00")
    found = []
    for status in (DeliveryStatus.DELIVERED, DeliveryStatus.ARRIVED, DeliveryStatus.DELIVERED):
        with database.writing() as session:
            delivery = session.get_one(Delivery, made)
            delivery.status, delivery.delivered_at, delivery.arrived_at = status, at, at
        run(database, made, ids, at)
        found.append(states(database, made)[Kind.DELIVERED, Channel.SMS])

    assert found == [_S.DUE, _S.WITHDRAWN, _S.DUE]


def put(database: Database, ids: Ids, kind: Kind, occasion: str) -> str | None:
    with database.writing() as session:
        return queue(
            session,
            kind=kind,
            channel=Channel.SMS,
            subject="s",
            occasion=occasion,
            delivery_id=None,
            to_address="+12015550111",
            locale="en",
            context={},
            now=NOON,
            useful_until=NOON + timedelta(hours=1),
            ids=ids,
        )


def test_one_occasion_is_one_row(database: Database, ids: Ids) -> None:
    assert put(database, ids, Kind.REPLY, "1") is not None
    assert put(database, ids, Kind.REPLY, "1") is None


def test_claims_take_lanes_in_order_and_never_the_same_row_twice(database: Database, ids: Ids) -> None:
    rating, reply = put(database, ids, Kind.RATING_REQUEST, "1"), put(database, ids, Kind.REPLY, "1")
    taken = []
    for owner in ("one", "two", "three"):
        with database.writing() as session:
            lease = Lease(owner, 130.0)
            taken += claim(
                session, channel=Channel.SMS, lanes=list(Lane), limit=1, now=NOON, elapsed=100.0, lease=lease
            )

    assert taken == [reply, rating]
    with database.reading() as session:
        assert not has_due(session, Channel.SMS, now=NOON, elapsed=100.0)


def test_an_expired_lease_is_due_before_posting_and_ambiguous_after(database: Database, ids: Ids) -> None:
    put(database, ids, Kind.REPLY, "1")
    put(database, ids, Kind.REPLY, "2")
    lease = Lease("gone", 130.0)
    with database.writing() as session:
        first, second = claim(
            session, channel=Channel.SMS, lanes=list(Lane), limit=9, now=NOON, elapsed=100.0, lease=lease
        )
        mark_posting(session, {second: {}}, lease, 101.0)

    with database.writing() as session:
        assert recover(session, 129.0, lease_s=30.0, now=NOON) == (0, 0)
        assert recover(session, 130.0, lease_s=30.0, now=NOON) == (1, 1)

    with database.reading() as session:
        rows = {row.id: row.status for row in session.scalars(select(Notification))}
    assert rows == {first: _S.DUE, second: _S.AMBIGUOUS}


def test_only_the_owner_of_a_lease_puts_a_row_back(database: Database, ids: Ids) -> None:
    put(database, ids, Kind.REPLY, "1")
    with database.writing() as session:
        (taken,) = claim(
            session,
            channel=Channel.SMS,
            lanes=list(Lane),
            limit=9,
            now=NOON,
            elapsed=100.0,
            lease=Lease("me", 130.0),
        )
        assert not put_back(session, taken, owner="other", retry_after=None)
        assert put_back(session, taken, owner="me", retry_after=110.0)
        assert not has_due(session, Channel.SMS, now=NOON, elapsed=109.0)
        assert has_due(session, Channel.SMS, now=NOON, elapsed=110.0)
        assert overdue(session, now=NOON) == []
        assert [row.id for row in overdue(session, now=NOON + timedelta(hours=1))] == [taken]
