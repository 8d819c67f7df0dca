"""One day's list at the provider, set against the outbox."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import select

from messaging.cases import Task, TaskKind, open_task, open_tasks
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.provider_days import ProviderDay, last_days
from portal.nightly import compare_day
from portal.services import Services
from portal.workshop import Workshop
from sandbox.journal import Entry
from sandbox.texts import Text, new_sid
from sandbox.world import World
from tests.builders import local, make_delivery, make_route, make_stop
from tracking.clocks import SetClock
from tracking.deliveries import mark_plan_dirty
from tracking.ids import new_id

Rows = Callable[[], list[Notification]]
_S = NotificationStatus
EVE = local("18:30").replace(day=4)


@pytest.fixture
def sent(world_services: Services, workshop: Workshop, world: World, clock: SetClock) -> Services:
    """Three texts sent on the eve, and delivered; nobody heard of their receipts. To Twilio, too, it is the eve."""
    clock.at, clock.machine_s = EVE, EVE.timestamp()
    with world_services.database.writing() as session:
        route = make_route(session)
        made = [make_delivery(session, stop=make_stop(session, route), email=None) for _ in range(3)]
        mark_plan_dirty(session, [one.id for one in made], EVE)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    for text in world.texts():
        world.wait_for_event(partial(is_delivered, text.sid))
        text.created_at = text.sent_at = EVE
    return world_services


def is_delivered(sid: str, entry: Entry) -> bool:
    return bool(entry["event"] == "status" and entry["sid"] == sid and entry["status"] == "delivered")


def texts_of(rows: Rows) -> list[Notification]:
    return [row for row in rows() if row.channel is Channel.SMS and row.kind is Kind.DAY_BEFORE]


def kept(services: Services) -> ProviderDay:
    with services.database.reading() as session:
        (day,) = last_days(session)
    return day


def test_states_that_were_missed_are_adopted_and_a_second_look_finds_nothing(
    sent: Services, world: World, rows: Rows
) -> None:
    assert {row.status for row in texts_of(rows)} == {_S.ACCEPTED}

    first = compare_day(sent, EVE.date())

    assert {row.status for row in texts_of(rows)} == {_S.DELIVERED}
    assert first is not None
    assert (first.listed, len(first.adopted), first.strangers, first.missing) == (3, 3, [], [])
    again = compare_day(sent, EVE.date())
    assert again is not None
    assert (again.listed, again.adopted) == (3, [])
    assert kept(sent).adopted == 0
    with sent.database.reading() as session:
        assert open_tasks(session) == []


def test_a_day_longer_than_one_page_is_read_to_its_end(sent: Services, world: World) -> None:
    add_texts(world, 1_200)
    compared = compare_day(sent, EVE.date())
    assert compared is not None
    assert (compared.listed, len(compared.strangers)) == (1_203, 1_200)
    with sent.database.reading() as session:
        (task,) = open_tasks(session)
    assert task.kind is TaskKind.PROVIDER_DIFFERENCE
    assert "1200 texts there were sent by nobody here: SM" in task.reason
    assert "and 1195 more" in task.reason


def add_texts(world: World, count: int, *, body: str = "Somebody else's words", to: str = "+12015550999") -> None:
    for _ in range(count):
        text = Text(
            sid=new_sid("SM"),
            account_sid=world.account_sid,
            to=to,
            sender=world.sms_from,
            body=body,
            direction="outbound-api",
            status="delivered",
            created_at=EVE,
        )
        world.outside.twilio.texts.add(text)


def test_a_row_the_provider_does_not_have_is_named(sent: Services, world: World, rows: Rows) -> None:
    gone, *_ = texts_of(rows)
    world.outside.twilio.texts.delete(world.texts(gone.to_address)[0])

    compared = compare_day(sent, EVE.date())

    assert compared is not None
    assert (compared.listed, compared.missing) == (2, [gone.id])
    with sent.database.reading() as session:
        assert [gone.id in task.reason for task in open_tasks(session)] == [True]


def test_what_was_given_up_as_lost_and_was_sent_after_all_is_adopted(sent: Services, world: World, rows: Rows) -> None:
    lost, doubted, _ = texts_of(rows)
    with sent.database.writing() as session:
        for row, status in ((lost, _S.FAILED), (doubted, _S.AMBIGUOUS)):
            kept_row = session.get_one(Notification, row.id)
            kept_row.status, kept_row.provider_ref = status, None
        open_task(session, kind=TaskKind.POSSIBLY_LOST, key=f"lost/{lost.id}", reason="?", now=EVE, ids=new_id)

    compared = compare_day(sent, EVE.date())

    assert compared is not None
    assert (compared.strangers, len(compared.adopted)) == ([], 3)
    found = {row.id: row for row in texts_of(rows)}
    assert found[doubted.id].status is _S.DELIVERED
    assert found[lost.id].provider_ref in {text.sid for text in world.texts(lost.to_address)}
    with sent.database.reading() as session:
        assert session.scalars(select(Task.resolution)).all() == ["It was sent: the provider lists it."]


def test_a_text_sent_twice_shows_as_a_stranger(sent: Services, world: World, rows: Rows) -> None:
    first, *_ = texts_of(rows)
    add_texts(world, 1, body=first.body, to=first.to_address or "")
    compared = compare_day(sent, EVE.date())
    assert compared is not None
    assert len(compared.strangers) == 1


def test_a_provider_that_does_not_answer_changes_nothing(sent: Services, world: World, rows: Rows) -> None:
    before = [row.status for row in texts_of(rows)]
    world.outside.twilio.account_sid = "AC" + "9" * 32
    assert compare_day(sent, EVE.date()) is None
    assert [row.status for row in texts_of(rows)] == before
    with sent.database.reading() as session:
        assert last_days(session) == []
