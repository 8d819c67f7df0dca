"""Somebody is erased while a text to them is on its way: whatever becomes of it is recorded, and then it goes too."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import select

import migrations.env_tables  # noqa: F401 - every table is read
from messaging.cases import Task
from messaging.channels.base import Handed, OutcomeUnknown, Outgoing, Refused
from messaging.channels.names import TWILIO
from messaging.consent import ConsentEvent, contact_hash, pepper_of
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import queue, recover
from messaging.redactions import Redaction
from portal.erasing import erase
from portal.retain_command import retain
from portal.services import Services, build
from portal.settings import read_settings
from portal.workshop import Workshop
from sandbox.postgres import Cluster
from tests.builders import local, make_delivery, make_route
from tests.not_run import leave_out
from tracking.clocks import SetClock
from tracking.deliveries import DeliveryStatus, mark_plan_dirty
from tracking.erasing import Person
from tracking.ids import new_id

PHONE, NAME, OTHER = "+12015557341", "Quillon Vesterhazy", "+12015550888"
AT = local("11:30")
_S = NotificationStatus
ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


class Shelf:
    """A provider that says what it is told to, and calls ``meanwhile`` while it has a text to ``PHONE``."""

    name, at_once, can_find = TWILIO, 4, True

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        self.answer: Exception | None = None
        self.taken: list[Outgoing] = []
        self.found: list[Handed] = []

    async def send(self, message: Outgoing) -> Handed:
        if message.to == PHONE:
            await asyncio.to_thread(self.meanwhile)
            if self.answer is not None:
                raise self.answer
        self.taken.append(message)
        return Handed(f"SM{message.reference}", _S.ACCEPTED)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        return self.found

    async def close(self) -> None:
        pass


@pytest.fixture(params=ENGINES)
def services(
    request: pytest.FixtureRequest, environ: dict[str, str], redis: Redis, clock: SetClock
) -> Iterator[Services]:
    """The services, at noon, on each engine."""
    url = environ["PORTAL_DATABASE_URL"]
    if request.param == "postgres":
        cluster: Cluster | None = request.getfixturevalue("cluster")
        if cluster is None:
            leave_out("erasing in mid-send on PostgreSQL", "initdb was not found")
            return
        url = cluster.create(f"t{new_id()}", template="template_portal")
    clock.at, clock.machine_s = AT, 1_000.0
    fast = {"PORTAL_SEND_TIMEOUT_S": "20", "PORTAL_LEASE_S": "60", "PORTAL_SETTLE_S": "3"}
    built = build(read_settings({**environ, "PORTAL_DATABASE_URL": url, **fast}), clock=clock)
    yield built
    built.database.close()
    built.redis.close()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def shop(services: Services, shelf: Shelf) -> Iterator[Workshop]:
    """The worker's jobs, with that provider for texts."""
    with asyncio.Runner() as runner:
        made = Workshop(services, runner, providers={Channel.SMS: shelf})
        yield made
        made.close()


@pytest.fixture
def delivery_id(services: Services) -> str:
    """Two people whose goods were handed over just now; the id of the delivery of the one who is erased."""
    over = {"status": DeliveryStatus.DELIVERED, "delivered_at": AT, "status_at": AT, "email": None}
    with services.database.writing() as session:
        route = make_route(session)
        made = [make_delivery(session, route=route, phone=OTHER, recipient_name="Anna", **over)]
        made.append(make_delivery(session, route=route, phone=PHONE, recipient_name=NAME, **over))
        mark_plan_dirty(session, [one.id for one in made], AT - timedelta(minutes=2))
        for one in made:
            one.delivered_at = AT - timedelta(minutes=2)
    return made[1].id


def put_reply(services: Services) -> str:
    """Queue an answer to a text of theirs that belongs to no delivery."""
    with services.database.writing() as session:
        found = queue(
            session,
            kind=Kind.REPLY,
            channel=Channel.SMS,
            subject="i",
            occasion="answer",
            delivery_id=None,
            to_address=PHONE,
            locale="en",
            context={"text": f"Thanks, {NAME}"},
            now=AT,
            ids=new_id,
        )
    assert found is not None
    return found


def rows(services: Services, to: str | None = None) -> list[Notification]:
    with services.database.reading() as session:
        found = list(session.scalars(select(Notification).order_by(Notification.id)))
    return [row for row in found if to is None or row.to_address == to]


def left(services: Services) -> list[str]:
    """Return what of the outbox and of staff's tasks still knows the person."""
    with services.database.reading() as session:
        told = [
            f"{row.to_address} {row.subject} {row.body} {row.context}" for row in session.scalars(select(Notification))
        ]
        told += [f"{task.reason} {task.tried}" for task in session.scalars(select(Task))]
    return [one for one in told if PHONE in one or "•7341" in one or "Quillon" in one]


def open_tasks(services: Services) -> list[str]:
    with services.database.reading() as session:
        return [task.reason for task in session.scalars(select(Task).where(Task.resolved_at.is_(None)))]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Refused("30005", "unknown", permanent=True),
        Refused("21610", "opted out", permanent=True, opted_out=True),
        Refused("20429", "too many", permanent=False),
        OutcomeUnknown("no answer in time"),
    ],
    ids=["taken", "refused", "opted_out", "not_now", "unknown"],
)
@pytest.mark.parametrize("whom", ["delivery", "reply"])
def test_erased_in_mid_send_the_answer_is_recorded_and_then_it_all_goes(
    services: Services,
    shop: Workshop,
    shelf: Shelf,
    clock: SetClock,
    delivery_id: str,
    answer: Exception | None,
    whom: str,
) -> None:
    if whom == "reply":
        put_reply(services)
    else:
        shop.reconcile()
    shelf.answer = answer
    shelf.meanwhile = lambda: erase(services, Person(phone=PHONE))

    shop.send(Channel.SMS)
    shop.reconcile()
    shelf.meanwhile, shelf.answer = lambda: None, None
    for _ in range(3):
        clock.machine_s += 400
        shop.settle()
        shop.sweep()
        shop.send(Channel.SMS)
    assert open_tasks(services) == []
    retain(services)

    if whom == "delivery":
        assert [row.status for row in rows(services, OTHER)] == [_S.ACCEPTED]
    assert [message.to for message in shelf.taken].count(PHONE) == (1 if answer is None else 0)
    assert left(services) == []
    assert not [row for row in rows(services) if row.status in {_S.DUE, _S.SENDING, _S.AMBIGUOUS}]
    with services.database.reading() as session:
        assert set(session.scalars(select(Redaction.provider_ref))) == {
            f"SM{message.reference}" for message in shelf.taken if message.to == PHONE
        }
        hashed = contact_hash(PHONE, pepper_of(services.settings.secret_keys))
        outs = set(session.scalars(select(ConsentEvent.contact_hash)))
    assert outs == ({hashed} if isinstance(answer, Refused) and answer.opted_out else set())


def test_what_a_sender_that_was_held_up_had_sent_after_all_goes_at_the_provider(
    services: Services, shop: Workshop, shelf: Shelf, clock: SetClock, delivery_id: str
) -> None:
    def held_up() -> None:
        """The lease runs out, nothing is found at the provider, and the message waits to be sent again."""
        clock.machine_s += 100
        with services.database.writing() as session:
            recover(session, clock.machine_s, lease_s=60.0, now=AT)
            advance(session, reply_id, _S.DUE, lease_owner=None, retry_after=clock.machine_s + 50)
        erase(services, Person(phone=PHONE))

    reply_id = put_reply(services)
    shelf.meanwhile = held_up

    shop.send(Channel.SMS)

    assert [row.status for row in rows(services) if row.id == reply_id] == [_S.WITHDRAWN]
    assert left(services) == []
    with services.database.reading() as session:
        assert session.scalars(select(Redaction.provider_ref)).all() == [f"SM{reply_id}"]


def test_a_drivers_text_about_the_person_loses_its_words_and_keeps_the_drivers_number(
    services: Services, shop: Workshop, shelf: Shelf, delivery_id: str
) -> None:
    with services.database.writing() as session:
        row_id = queue(
            session,
            kind=Kind.CHAT,
            channel=Channel.SMS,
            subject=delivery_id,
            occasion="line",
            delivery_id=delivery_id,
            to_address=OTHER,
            locale="en",
            context={"text": f"{NAME}: mind the dog", "to": "driver"},
            now=AT,
            ids=new_id,
        )
        session.get_one(Notification, row_id).status = _S.AMBIGUOUS
    erase(services, Person(phone=PHONE))
    with services.database.writing() as session:
        advance(session, str(row_id), _S.DELIVERED)

    retain(services)

    (row,) = [row for row in rows(services) if row.id == row_id]
    assert (row.to_address, row.body, row.context) == (OTHER, "", {"to": "driver"})
