"""Erasing a person: then nothing here, in Redis, in files or at Twilio knows them, and they are still left alone."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import select

import migrations.env_tables  # noqa: F401 - every table is dumped
from messaging.consent import contact_hash, has_opted_out, pepper_of
from messaging.conversations import Origin, Voice, say
from messaging.inbound import record_inbound
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus
from messaging.ratings import rate
from messaging.redactions import count_open
from portal.accounts import IdempotentAnswer
from portal.erase_command import erase_person, person_of
from portal.erasing import finish_erasures
from portal.nightly import compare_day
from portal.redacting import redact
from portal.retain_command import report_retention
from portal.services import Services, build
from portal.settings import read_settings
from portal.workshop import Workshop
from sandbox.journal import Entry
from sandbox.postgres import Cluster
from sandbox.world import World
from tests.builders import local, make_delivery, make_route, make_stop
from tests.not_run import leave_out
from tracking.actors import Actor, ActorKind
from tracking.clocks import SetClock, SystemClock
from tracking.custody import CustodyKind, record
from tracking.deliveries import Delivery, DeliveryStatus, mark_plan_dirty
from tracking.erasing import Person
from tracking.ids import new_id
from tracking.imports import ImportDefaults, apply, parse_csv, preview
from tracking.proofs import Proof, ProofKind
from tracking.storage import Base

PHONE, MAIL, NAME, STREET = "+12015557341", "quillon@example.net", "Quillon Vesterhazy", "77 Zanzibar Terrace"
CHAT, COMMENT, NOTE, PHRASE = "hedgehog", "marmalade", "wisteria", "please stop texting me, I am Quillon the cooper"
SECRETS = (PHONE, PHONE[2:], MAIL, "Quillon", "Vesterhazy", "Zanzibar", CHAT, COMMENT, NOTE, "cooper", "41.23456")
EVE = local("18:30") - timedelta(days=1)
DOOR = (41.23456, -74.12345)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The address of a database: SQLite, where a test does not ask for PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    cluster: Cluster | None = request.getfixturevalue("cluster")
    if cluster is None:
        leave_out("erasing on PostgreSQL", "initdb was not found")
    return cluster.create(f"t{new_id()}", template="template_portal")


@pytest.fixture
def services(environ: dict[str, str], engine: str, world: World, redis: Redis, clock: SetClock) -> Iterator[Services]:
    """The services, with the world's Twilio and mailbox; machine time is the machine's."""
    clock.at, clock.machine_s = EVE, SystemClock().elapsed()
    told = {**environ, **world.environment(), "PORTAL_DATABASE_URL": engine}
    built = build(read_settings(told), clock=clock)
    yield built
    built.database.close()
    built.redis.close()


@pytest.fixture
def shop(services: Services) -> Iterator[Workshop]:
    """The worker's jobs."""
    with asyncio.Runner() as runner:
        made = Workshop(services, runner)
        yield made
        made.close()


@pytest.fixture
def lived(shop: Workshop, services: Services, world: World, clock: SetClock) -> str:
    """A delivery with all that people leave behind: texts both ways, mails, a chat, a photo, a rating, an opt-out."""
    with services.database.writing() as session:
        route = make_route(session)
        stop = make_stop(session, route, address=STREET, lat=DOOR[0], lon=DOOR[1])
        delivery = make_delivery(session, stop=stop, phone=PHONE, email=MAIL, recipient_name=NAME, recipient_note=NOTE)
        delivery.imported = {"recipient": NAME, "phone": PHONE, "address": STREET, "route": route.name}
        make_delivery(session, stop=make_stop(session, route), phone="+12015550888", email=None)
        mark_plan_dirty(session, [delivery.id], EVE)
    send_all(shop)
    clock.at = local("10:30")
    with services.database.writing() as session:
        kept = session.get_one(Delivery, delivery.id)
        kept.status, kept.status_at = DeliveryStatus.OUT_FOR_DELIVERY, clock.at
    for voice, actor_id, body in (
        (Voice.RECIPIENT, "", f"Mind the {CHAT}"),
        (Voice.DRIVER, route.driver_id, f"I see the {CHAT}, {NAME}"),
    ):
        with services.database.writing() as session:
            say(
                session,
                delivery_id=delivery.id,
                voice=voice,
                origin=Origin.PAGE,
                actor_id=actor_id,
                body=body,
                now=clock.at,
            )
    text_in(shop, services, f"The {CHAT} is back")
    text_in(shop, services, PHRASE)
    leave_proof(services, delivery.id, clock)
    send_all(shop)
    for text in world.texts():
        world.wait_for_event(partial(is_over, text.sid))
    return delivery.id


def is_over(sid: str, entry: Entry) -> bool:
    return bool(entry["event"] == "status" and entry["sid"] == sid and entry["status"] in {"delivered", "undelivered"})


def send_all(shop: Workshop) -> None:
    shop.reconcile()
    for channel in (Channel.SMS, Channel.EMAIL, Channel.SMS):
        shop.send(channel)


def text_in(shop: Workshop, services: Services, body: str) -> None:
    ref = f"SM{new_id()}"
    with services.database.writing() as session:
        inbound_id = record_inbound(
            session,
            inbound_id=new_id(),
            channel=Channel.SMS,
            provider_ref=ref,
            from_address=PHONE,
            to_address="+12125550100",
            body=body,
            received_at=services.clock.now(),
        )
    assert inbound_id is not None
    shop.read_inbound(inbound_id)


def leave_proof(services: Services, delivery_id: str, clock: SetClock) -> None:
    clock.at = local("11:00")
    sha256 = services.files.put(f"a photo of {NAME}".encode())
    (services.settings.data_dir / "imports").mkdir(parents=True, exist_ok=True)
    (services.settings.data_dir / "imports" / "upload").write_text(f"{NAME},{PHONE},{MAIL}")
    with services.database.writing() as session:
        kept = session.get_one(Delivery, delivery_id)
        kept.status, kept.status_at, kept.delivered_at = DeliveryStatus.DELIVERED, clock.at, clock.at
        session.add(
            Proof(
                id=new_id(), delivery_id=delivery_id, kind=ProofKind.PHOTO, text=NAME, sha256=sha256, taken_at=clock.at
            )
        )
        record(
            session,
            event_id=new_id(),
            delivery_id=delivery_id,
            kind=CustodyKind.DELIVERED,
            at=clock.at,
            now=clock.at,
            actor=Actor(ActorKind.DRIVER, "d"),
            source="tap",
            where=DOOR,
            detail={"left_with": "Vesterhazy", "note": NOTE},
        )
        session.add(
            IdempotentAnswer(
                id="k/1",
                request_hash="h",
                status_code=200,
                body=f'{{"id": "{delivery_id}", "recipient": "{NAME}"}}',
                created_at=clock.at,
            )
        )
        rate(
            session, delivery_id=delivery_id, score=1, comment=f"No {COMMENT}", source="page", now=clock.at, ids=new_id
        )


def dump(services: Services, redis: Redis) -> str:
    """Return all that is kept: every row, the database's own files, every key of Redis, every file of ours."""
    kept: list[str] = []
    with services.database.reading() as session:
        for table in Base.metadata.sorted_tables:
            kept += [f"{table.name}: {tuple(row)}" for row in session.execute(select(table))]
    for key in redis.scan_iter():
        kept.append(f"{key!r}: {redis.dump(key)!r}")
    folders = [services.settings.data_dir]
    if services.database.is_sqlite:
        file = Path(str(services.database.url.database))
        kept += [path.read_bytes().decode("latin-1") for path in file.parent.glob(f"{file.name}*")]
    for folder in folders:
        kept += [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    return "\n".join(kept)


def hits(services: Services, redis: Redis) -> dict[str, int]:
    everything = dump(services, redis)
    return {secret: everything.count(secret) for secret in SECRETS if secret in everything}


def erase(services: Services, who: str = PHONE, *, sure: bool = True) -> int:
    return erase_person(services, who, is_reference=False, is_sure=sure, is_dry=False)


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_after_erasing_nothing_knows_the_person_and_they_are_left_alone(
    lived: str,
    shop: Workshop,
    services: Services,
    world: World,
    redis: Redis,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert set(hits(services, redis)) == set(SECRETS)
    assert len(world.texts(PHONE)) >= 2
    capfd.readouterr()
    caplog.clear()

    assert erase(services) == 0

    assert hits(services, redis) == {}
    assert world.texts(PHONE) == []
    told = capfd.readouterr()
    assert [secret for secret in SECRETS if secret in told.out + told.err + caplog.text] == []
    assert "What stays, and why:" in told.out
    assert "0 still to be deleted" in told.out
    with services.database.reading() as session:
        hashed = contact_hash(PHONE, pepper_of(services.settings.secret_keys))
        assert has_opted_out(session, hashed, Channel.SMS)
        assert count_open(session) == 0
        score = session.execute(select(Base.metadata.tables["ratings"].c.score)).scalar_one()
        others = session.scalars(select(Delivery.phone).where(Delivery.erased_at.is_(None))).all()
    assert (score, others) == (1, ["+12015550888"])


def test_the_night_finds_nothing_missing_that_was_erased(lived: str, services: Services) -> None:
    erase(services)
    compared = compare_day(services)
    assert compared is not None
    assert compared.missing == []


def test_without_a_yes_nothing_changes(
    lived: str, services: Services, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hits(services, redis)
    assert erase(services, sure=False) == 0
    assert erase_person(services, MAIL, is_reference=False, is_sure=False, is_dry=True) == 0
    assert hits(services, redis) == before
    told = capsys.readouterr().out
    assert "Deliveries: 1" in told
    assert "+1•••••7341, q•••@example.net" in told
    assert "Nothing was changed." in told


def test_an_open_delivery_stands_in_the_way(
    lived: str, services: Services, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    with services.database.writing() as session:
        session.get_one(Delivery, lived).status = DeliveryStatus.OUT_FOR_DELIVERY
    before = hits(services, redis)
    assert erase(services) == 1
    assert hits(services, redis) == before
    assert "still to be brought" in capsys.readouterr().err


def test_what_was_on_its_way_is_erased_when_its_fate_is_known(lived: str, services: Services, world: World) -> None:
    with services.database.writing() as session:
        row = session.scalars(select(Notification).where(Notification.to_address == PHONE).limit(1)).one()
        row.status, found_id = NotificationStatus.AMBIGUOUS, row.id
    erase(services)
    assert finish_erasures(services) == 0
    with services.database.writing() as session:
        kept = session.get_one(Notification, found_id)
        assert kept.to_address == PHONE
        kept.status = NotificationStatus.DELIVERED

    assert finish_erasures(services) == 1
    redact(services)

    with services.database.reading() as session:
        assert session.get_one(Notification, found_id).to_address is None
    assert world.texts(PHONE) == []


def test_what_twilio_refuses_now_is_tried_again_later(
    lived: str, services: Services, world: World, clock: SetClock
) -> None:
    text = world.texts(PHONE)[0]
    text.status = "sending"
    erase(services)
    with services.database.reading() as session:
        assert count_open(session) == 1
    text.status = "delivered"
    assert redact(services) == (0, 1)
    clock.machine_s += 61
    assert redact(services) == (1, 0)
    assert world.texts(PHONE) == []


def test_who_asks_for_it_by_command_does_not_wait_for_the_next_try(
    lived: str, services: Services, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    text = world.texts(PHONE)[0]
    text.status = "sending"
    erase(services)
    report_retention(services, is_sure=True)
    assert "Still to be emptied or deleted at Twilio: 1." in capsys.readouterr().out

    text.status = "delivered"
    report_retention(services, is_sure=True)
    assert "Still to be" not in capsys.readouterr().out
    assert world.texts(PHONE) == []


def test_the_same_file_imported_again_brings_nobody_back(lived: str, services: Services, redis: Redis) -> None:
    header = (
        "date,route,depot,depot_lat,depot_lon,planned_start,driver,driver_phone,vehicle,sequence,reference,recipient,"
        "phone,email,address,lat,lon,window_start,window_end,zone,locale,service_minutes,items,instructions"
    )
    with services.database.reading() as session:
        kept = session.get_one(Delivery, lived)
        key = (kept.import_on, kept.import_route, kept.reference)
    erase(services)
    row = (
        f"{key[0]},{key[1]},North depot,40.71,-74.35,09:00,Dana Ruiz,+12015550150,Van 7,1,{key[2]},{NAME},{PHONE},"
        f"{MAIL},{STREET},{DOOR[0]},{DOOR[1]},10:00,12:00,America/New_York,en,4,,{NOTE}"
    )
    parsed = parse_csv(f"{header}\n{row}\n".encode(), ImportDefaults("US", "America/New_York", "en"))
    assert parsed.problems == ()
    with services.database.writing() as session:
        seen = preview(session, parsed.rows)
        apply(session, parsed.rows, now=services.clock.now(), actor=Actor(ActorKind.STAFF, "s"), ids=new_id)
    reasons = {change.reason for one in seen.changed for change in one.changes if one.kind == "delivery"}
    assert reasons == {"This recipient's data was erased."}
    assert hits(services, redis) == {}


@pytest.mark.parametrize(
    ("told", "person"),
    [
        ("+1 (201) 555-7341", Person(phone=PHONE)),
        ("201 555 7341", Person(phone=PHONE)),
        ("Quillon@Example.net", Person(email="Quillon@example.net")),
        ("JS-4211", Person(reference="JS-4211")),
    ],
)
def test_whom_an_operator_means(told: str, person: Person) -> None:
    assert person_of(told, is_reference=False, region="US") == person


def test_a_number_that_is_none_is_refused_with_a_sentence(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert erase(services, "+999") == 1
    assert capsys.readouterr().err.strip().startswith("The phone number ")
