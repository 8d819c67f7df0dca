from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from messaging.channels.base import Handed
from messaging.consent import pepper_of
from messaging.house import House
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import Lease, claim
from messaging.preparing import Prepared, prepare
from messaging.reconciler import reconcile
from messaging.recording import Recorder, Sent
from messaging.sending import OTHERS
from messaging.wording import Company
from tests.builders import local, make_delivery, make_route
from tracking.clocks import SetClock
from tracking.ids import new_id
from tracking.links import LinkSigner
from tracking.storage import Database

KEY = "a-key-0123456789abcdef"
PEPPER = pepper_of([KEY])
HOUSE = House(Company("Juniper", "", "", "http://x"), LinkSigner([KEY]), PEPPER, new_id)
EVE = local("18:00", on=local("18:00").date().replace(day=4))


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Collect what is sent to the database."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def plan(session: Session, clock: SetClock, count: int) -> None:
    """Bring the eve's messages of so many deliveries into the outbox."""
    clock.at = EVE
    route = make_route(session)
    for delivery_id in [make_delivery(session, route=route).id for _ in range(count)]:
        reconcile(session, delivery_id, now=clock.now(), ids=new_id, pepper=PEPPER)


def posted(database: Database, clock: SetClock, channel: Channel, count: int) -> list[Prepared]:
    with database.writing() as session:
        lease = Lease("me", clock.elapsed() + 30)
        now, elapsed = clock.now(), clock.elapsed()
        ids = claim(session, channel=channel, lanes=OTHERS, limit=count, now=now, elapsed=elapsed, lease=lease)
        prepared, _ = prepare(session, ids, owner="me", lease_s=30, house=HOUSE, clock=clock)
    assert len(prepared) == count
    return prepared


def recorded(database: Database, clock: SetClock, prepared: list[Prepared]) -> Sent:
    sent = Sent()
    outcomes = [(one, Handed(f"SM{one.outgoing.reference}", NotificationStatus.ACCEPTED)) for one in prepared]
    with database.writing() as session:
        Recorder(HOUSE, clock, "twilio", "me", None).record(session, outcomes, sent)
    return sent


@pytest.mark.parametrize("channel", Channel)
def test_a_part_takes_as_many_statements_however_many_messages_are_in_it(
    database: Database, clock: SetClock, channel: Channel
) -> None:
    counted = []
    for count in (3, 12):
        with database.writing() as session:
            plan(session, clock, count)
        with statements_of(database) as seen:
            recorded(database, clock, posted(database, clock, channel, count))
        counted.append(len(seen))

    assert counted[0] == counted[1]


def test_what_goes_out_is_what_the_row_keeps(database: Database, clock: SetClock) -> None:
    with database.writing() as session:
        plan(session, clock, 3)
    prepared = posted(database, clock, Channel.EMAIL, 3)
    sent = recorded(database, clock, prepared)

    assert sent.handed == 3
    with database.reading() as session:
        rows = {row.id: row for row in session.scalars(select(Notification))}
    for one in prepared:
        row = rows[one.outgoing.reference]
        assert (row.subject, row.body, row.segments) == (one.outgoing.subject, one.outgoing.body, one.segments)
        assert row.context["said"]["service_on"] == "2026-03-05"
        assert (row.status, row.provider, row.provider_ref) == (
            NotificationStatus.ACCEPTED,
            "twilio",
            f"SM{row.id}",
        )
        assert (row.posting_since, row.accepted_at) == (clock.elapsed(), clock.now())


def test_a_receipt_that_was_faster_than_the_answer_stays_among_many(database: Database, clock: SetClock) -> None:
    with database.writing() as session:
        plan(session, clock, 3)
    prepared = posted(database, clock, Channel.SMS, 3)
    first = prepared[0].outgoing.reference
    with database.writing() as session:
        advance(session, first, NotificationStatus.DELIVERED, provider="twilio", provider_ref="SMfirst")

    recorded(database, clock, prepared)

    with database.reading() as session:
        rows = {row.id: row for row in session.scalars(select(Notification))}
    assert (rows[first].status, rows[first].provider_ref) == (NotificationStatus.DELIVERED, "SMfirst")
    assert {rows[one.outgoing.reference].status for one in prepared[1:]} == {NotificationStatus.ACCEPTED}
