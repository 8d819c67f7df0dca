import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

import portal.workshop
from messaging.cases import Task, TaskKind
from messaging.channels.base import LATE, Outgoing, Refused
from messaging.channels.twilio import TwilioSms
from messaging.consent import ConsentAction, contact_hash, note_consent, pepper_of
from messaging.house import House
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import Lease, claim, resend
from messaging.preparing import Prepared, prepare
from messaging.reconciler import OUT
from messaging.recording import MOST_ATTEMPTS, Recorder, Sent
from messaging.sending import LEAST_PART, OTHERS
from messaging.wakeups import REST
from messaging.wording import Company
from portal.services import Services
from portal.workshop import Workshop
from sandbox.world import World
from tests.builders import local, make_delivery, make_route, make_stop
from tests.messaging.shelf import Answer, Shelf
from tracking.actors import SYSTEM
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, advance, mark_plan_dirty
from tracking.ids import new_id

Rows = Callable[[], list[Notification]]
EVE = local("18:00") - timedelta(days=1)
SIDE_BY_SIDE = 4


@pytest.fixture
def delivery(world_services: Services, clock: SetClock) -> Delivery:
    """One delivery for tomorrow, on the eve at six, dirty."""
    clock.at = EVE
    with world_services.database.writing() as session:
        made = make_delivery(session)
        mark_plan_dirty(session, [made.id], EVE)
    return made


def test_the_eve_brings_one_text_and_one_mail(delivery: Delivery, workshop: Workshop, world: World, rows: Rows) -> None:
    workshop.reconcile()
    workshop.send(Channel.SMS)
    workshop.send(Channel.EMAIL)
    workshop.sweep()
    workshop.send(Channel.SMS)
    workshop.send(Channel.EMAIL)

    (text,), (mail,) = world.texts(delivery.phone), world.mails(delivery.email)
    assert "your delivery comes tomorrow, Thursday, between 10:00 am and 12:00 pm" in text.body
    assert "http://127.0.0.1:8000/t/" in text.body
    assert mail.subject == "Your delivery comes tomorrow, Thursday"
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.message["Message-ID"].endswith("@example.com>")
    sent = {row.channel: row.status for row in rows() if row.kind is Kind.DAY_BEFORE}
    assert sent == {Channel.SMS: NotificationStatus.ACCEPTED, Channel.EMAIL: NotificationStatus.SENT}


def statuses(rows: Rows) -> dict[Channel, NotificationStatus]:
    return {row.channel: row.status for row in rows() if row.kind is Kind.DAY_BEFORE}


def the_text(rows: Rows) -> Notification:
    return next(row for row in rows() if row.kind is Kind.DAY_BEFORE and row.channel is Channel.SMS)


def try_again(workshop: Workshop, clock: SetClock, *, after_s: float) -> None:
    """Let machine time pass and do what the sweep would wake."""
    clock.machine_s += after_s
    workshop.sweep()
    workshop.settle()
    workshop.send(Channel.SMS)
    workshop.send(Channel.EMAIL)


@pytest.mark.parametrize("kind", ["too_many", "reset_before"])
def test_a_refusal_for_now_is_tried_again(
    kind: str, delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault(kind, times=1)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    assert world.texts() == []

    try_again(workshop, clock, after_s=70)
    try_again(workshop, clock, after_s=70)

    assert len(world.texts(delivery.phone)) == 1
    assert the_text(rows).status is NotificationStatus.ACCEPTED


@pytest.mark.parametrize("kind", ["error_after", "reset_after", "slow_after"])
def test_what_was_taken_without_an_answer_is_found_and_not_sent_again(
    kind: str, delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault(kind, times=1, seconds=20)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    assert the_text(rows).status is NotificationStatus.AMBIGUOUS

    for _ in range(4):
        try_again(workshop, clock, after_s=5)

    assert [text.sid for text in world.texts(delivery.phone)] == [the_text(rows).provider_ref]
    assert the_text(rows).reason == "found at the provider"


@pytest.mark.parametrize("kind", [Kind.DAY_BEFORE, Kind.NEXT_STOP])
def test_a_text_that_was_taken_in_spite_of_a_429_is_found_and_not_sent_again(
    kind: Kind,
    delivery: Delivery,
    workshop: Workshop,
    world: World,
    rows: Rows,
    clock: SetClock,
    world_services: Services,
) -> None:
    if kind is Kind.NEXT_STOP:
        clock.at = local("10:40")
        with world_services.database.writing() as session:
            found = session.get_one(Delivery, delivery.id)
            found.status, found.next_stop_at = DeliveryStatus.OUT_FOR_DELIVERY, clock.at
    world.fault("callback_drop")
    world.fault("too_many_after", times=1)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    (row,) = (row for row in rows() if row.kind is kind and row.channel is Channel.SMS)
    assert (row.status, row.error_code) == (NotificationStatus.DUE, "429")

    try_again(workshop, clock, after_s=70)

    (row,) = (row for row in rows() if row.kind is kind and row.channel is Channel.SMS)
    assert [text.sid for text in world.texts(delivery.phone) if text.body == row.body] == [row.provider_ref]
    assert row.status in OUT


def test_a_refusal_that_is_not_the_providers_own_costs_no_planned_text(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault("proxy_before", times=1)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    assert the_text(rows).status is NotificationStatus.AMBIGUOUS

    for _ in range(3):
        try_again(workshop, clock, after_s=10)

    assert len(world.texts(delivery.phone)) == 1
    assert the_text(rows).status in OUT


def test_a_provider_that_asks_for_a_second_each_time_does_not_use_up_the_attempts(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault("too_many", seconds=1.0)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    for _ in range(70):  # a little more than a minute
        try_again(workshop, clock, after_s=1.0)
    assert the_text(rows).status is NotificationStatus.DUE
    assert the_text(rows).attempt < 10


def test_what_was_not_taken_goes_out_again_only_after_the_settle_time(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault("error_before", times=1)
    workshop.reconcile()
    workshop.send(Channel.SMS)

    try_again(workshop, clock, after_s=4)
    assert world.texts() == []
    try_again(workshop, clock, after_s=20)

    assert len(world.texts(delivery.phone)) == 1
    assert the_text(rows).attempt == 2


def test_a_text_that_is_listed_late_is_still_found(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault("error_after", times=1)
    world.fault("list_late", times=1, seconds=3600)
    workshop.reconcile()
    workshop.send(Channel.SMS)
    workshop.settle()
    assert the_text(rows).status is NotificationStatus.AMBIGUOUS
    (text,) = world.texts()
    text.listed_at = text.created_at

    try_again(workshop, clock, after_s=20)

    assert len(world.texts(delivery.phone)) == 1
    assert the_text(rows).status in OUT


def test_a_worker_killed_after_claiming_costs_a_lease_and_nothing_else(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock, world_services: Services
) -> None:
    workshop.reconcile()
    with world_services.database.writing() as session:
        lease = Lease("killed", clock.elapsed() + 4)
        claimed = claim(
            session,
            channel=Channel.SMS,
            lanes=OTHERS,
            limit=10,
            now=clock.now(),
            elapsed=clock.elapsed(),
            lease=lease,
        )
    workshop.send(Channel.SMS)
    assert len(claimed) == 1
    assert world.texts() == []

    try_again(workshop, clock, after_s=5)

    assert len(world.texts(delivery.phone)) == 1
    assert the_text(rows).attempt == 2


def test_a_worker_that_comes_back_after_its_lease_sends_nothing(
    delivery: Delivery, workshop: Workshop, world: World, clock: SetClock, world_services: Services
) -> None:
    workshop.reconcile()
    database = world_services.database
    with database.writing() as session:
        lease = Lease("paused", clock.elapsed() + 4)
        now, elapsed = clock.now(), clock.elapsed()
        claimed = claim(session, channel=Channel.SMS, lanes=OTHERS, limit=10, now=now, elapsed=elapsed, lease=lease)
    try_again(workshop, clock, after_s=5)
    house = House(Company("J", "", "", "http://x"), world_services.links, "pepper", new_id)
    with database.writing() as session:
        prepared, _ = prepare(session, claimed, owner="paused", lease_s=4, house=house, clock=clock)

    assert prepared == []
    assert len(world.texts(delivery.phone)) == 1


def test_a_happening_now_text_is_never_sent_twice_and_a_possible_loss_is_listed(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock, world_services: Services
) -> None:
    clock.at = local("10:40")
    with world_services.database.writing() as session:
        found = session.get_one(Delivery, delivery.id)
        found.status, found.next_stop_at, found.plan_dirty_at = DeliveryStatus.OUT_FOR_DELIVERY, clock.at, clock.at
    world.fault("error_before", times=1, to=delivery.phone or "")
    workshop.reconcile()
    for _ in range(4):
        try_again(workshop, clock, after_s=10)

    row = next(row for row in rows() if row.kind is Kind.NEXT_STOP)
    assert (row.status, row.reason) == (NotificationStatus.FAILED, "possibly lost")
    assert [text.body for text in world.texts() if "you are next" in text.body] == []
    with world_services.database.reading() as session:
        assert session.scalars(select(Task.kind)).all() == [TaskKind.POSSIBLY_LOST]


def test_a_number_that_cannot_be_texted_is_followed_by_a_mail_and_then_by_a_task(
    workshop: Workshop, world: World, rows: Rows, clock: SetClock, world_services: Services
) -> None:
    clock.at = local("10:40")
    with world_services.database.writing() as session:
        for email in ("anna@example.net", "bounce-bo@example.net"):
            make_delivery(
                session,
                phone="+15005550009",
                email=email,
                status=DeliveryStatus.OUT_FOR_DELIVERY,
                next_stop_at=clock.at,
                plan_dirty_at=clock.at,
            )
    workshop.reconcile()
    for _ in range(3):
        try_again(workshop, clock, after_s=1)

    assert [mail.subject for mail in world.mails("anna@example.net") if "next" in mail.subject] != []
    with world_services.database.reading() as session:
        tasks = session.scalars(select(Task)).all()
    assert [task.kind for task in tasks if "next stop" in task.reason] == [TaskKind.COULD_NOT_REACH]


def test_who_opted_out_is_not_written_to_on_that_channel(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock, world_services: Services
) -> None:
    workshop.reconcile()
    with world_services.database.writing() as session:
        note_consent(
            session,
            contact=contact_hash(delivery.phone or "", pepper_of(world_services.settings.secret_keys)),
            channel=Channel.SMS,
            action=ConsentAction.OPT_OUT,
            source="sms_word",
            actor=SYSTEM,
            now=clock.now(),
        )
    workshop.send(Channel.SMS)
    workshop.send(Channel.EMAIL)

    assert world.texts() == []
    assert len(world.mails(delivery.email)) == 1
    assert statuses(rows)[Channel.SMS] is NotificationStatus.SUPPRESSED


def test_nothing_goes_out_in_quiet_hours_and_it_goes_when_they_end(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    workshop.reconcile()
    clock.at = local("21:00") - timedelta(days=1)
    workshop.send(Channel.SMS)
    held = the_text(rows)
    clock.at = local("08:00")
    workshop.send(Channel.SMS)

    assert (held.status, held.due_at) == (NotificationStatus.DUE, local("08:00"))
    assert "your delivery comes today" in world.texts(delivery.phone)[0].body


def test_a_change_between_plan_and_claim_is_planned_anew_before_anything_goes_out(
    delivery: Delivery, workshop: Workshop, world: World, clock: SetClock, world_services: Services
) -> None:
    workshop.reconcile()
    with world_services.database.writing() as session:
        advance(session, delivery.id, DeliveryStatus.CANCELLED, at=clock.now())
    workshop.send(Channel.SMS)
    assert world.texts() == []

    workshop.reconcile()
    workshop.send(Channel.SMS)

    assert ["was cancelled" in text.body for text in world.texts(delivery.phone)] == [True]


@pytest.mark.parametrize(("kind", "count"), [("mail_drop", 1), ("mail_drop_after", 2), ("mail_defer", 1)])
def test_a_mail_whose_outcome_is_unknown_goes_again_under_the_same_message_id(
    kind: str, count: int, delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    world.fault(kind, times=1)
    workshop.reconcile()
    workshop.send(Channel.EMAIL)
    for _ in range(4):
        try_again(workshop, clock, after_s=70)

    mails = world.mails(delivery.email)
    assert len(mails) == count
    assert len({mail.id for mail in mails}) == 1
    assert statuses(rows)[Channel.EMAIL] is NotificationStatus.SENT


def test_a_refused_mailbox_fails_for_good(delivery: Delivery, workshop: Workshop, world: World, rows: Rows) -> None:
    world.fault("mail_refuse", times=1)
    workshop.reconcile()
    workshop.send(Channel.EMAIL)

    assert statuses(rows)[Channel.EMAIL] is NotificationStatus.FAILED


def test_the_driver_gets_the_days_link_an_hour_before_the_start(
    workshop: Workshop, world: World, clock: SetClock, world_services: Services
) -> None:
    with world_services.database.writing() as session:
        make_delivery(session)
    clock.at = local("07:59")
    workshop.sweep()
    assert not workshop.send(Channel.SMS).handed
    clock.at = local("08:00")
    for _ in range(2):
        workshop.sweep()
        workshop.send(Channel.SMS)

    (text,) = world.texts("+12015550150")
    assert "/d/" in text.body
    assert "with 1 stops starts at 9:00 am" in text.body


def test_a_receipt_that_never_came_is_asked_for(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock
) -> None:
    workshop.reconcile()
    workshop.send(Channel.SMS)
    sid = the_text(rows).provider_ref
    world.wait_for_event(lambda entry: entry["event"] == "status" and entry["status"] == "delivered")
    workshop.catch_up()
    assert the_text(rows).status is NotificationStatus.ACCEPTED

    clock.machine_s += 601
    workshop.catch_up()

    assert (the_text(rows).status, the_text(rows).provider_ref) == (NotificationStatus.DELIVERED, sid)


def test_a_resend_is_a_new_occasion(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, clock: SetClock, world_services: Services
) -> None:
    workshop.reconcile()
    workshop.send(Channel.SMS)
    with world_services.database.writing() as session:
        resend(session, the_text(rows).id, now=clock.now(), ids=new_id)
        mark_plan_dirty(session, [delivery.id], clock.now())
    workshop.reconcile()
    workshop.send(Channel.SMS)

    assert len(world.texts(delivery.phone)) == 2


def test_mails_that_wait_their_turn_are_not_taken_for_unanswered(
    workshop: Workshop, world: World, rows: Rows, clock: SetClock, world_services: Services
) -> None:
    clock.at = EVE
    with world_services.database.writing() as session:
        route = make_route(session)
        made = [make_delivery(session, stop=make_stop(session, route)) for _ in range(30)]
        mark_plan_dirty(session, [one.id for one in made], EVE)
    world.fault("mail_slow", seconds=0.9)  # eight at once: the last would wait longer than the 3 s an envelope may take
    workshop.reconcile()

    assert workshop.send(Channel.EMAIL).unknown == 0
    assert len(world.mails()) == 30


def test_what_went_out_is_recorded_when_the_database_is_back(
    delivery: Delivery, workshop: Workshop, world: World, rows: Rows, world_services: Services
) -> None:
    workshop.reconcile()
    troubles = iter((True, True))

    @event.listens_for(world_services.database.engine, "begin")
    def away(_connection: object) -> None:
        if world.mails() and next(troubles, False):
            raise OperationalError("BEGIN", {}, Exception("the server is away"))

    with suppress(OperationalError):  # the next claim may be what meets it
        workshop.send(Channel.EMAIL)

    assert statuses(rows)[Channel.EMAIL] is NotificationStatus.SENT


def send_through_twilio(world: World, message: Outgoing, *, is_late: bool = False) -> None:
    async def send() -> None:
        sms = TwilioSms(
            account_sid=world.account_sid,
            auth_token=world.auth_token,
            sender=world.sms_from,
            messaging_service_sid=None,
            public_url="http://127.0.0.1:1",
            api_url=world.twilio_url,
            send_timeout_s=5.0,
        )
        begin_by = asyncio.get_running_loop().time() - 0.001 if is_late else None
        try:
            await sms.send(replace(message, begin_by=begin_by))
        finally:
            await sms.close()

    asyncio.run(send())


def test_a_text_whose_time_has_passed_is_not_written(world: World) -> None:
    with pytest.raises(Refused) as refused:
        send_through_twilio(world, Outgoing("r" * 32, "+12025550101", "Hello", 60), is_late=True)

    assert not refused.value.permanent
    assert world.texts() == []


def test_a_text_arrives_letter_for_letter(world: World) -> None:
    body = '50% off & 2+2=4; naïve "Ω" 👍🏽 a=b#c?d/e~f|g\'h\n(é) https://x.example/t/a_b-c.d?e=1&f=2'

    send_through_twilio(world, Outgoing("r" * 32, "+12025550101", body, 60))

    (text,) = world.texts()
    assert (text.to, text.body) == ("+12025550101", body)


def test_planning_that_takes_long_lets_others_through_and_goes_on(
    delivery: Delivery, workshop: Workshop, redis: Redis, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    monkeypatch.setattr(portal.workshop, "PLAN_FOR_S", -1.0)  # time is up before it has begun
    workshop.sweep()
    assert rows() == []

    waiting = Queue(REST, connection=redis).jobs

    assert [job.func_name for job in waiting] == ["worker.reconcile"]


def test_a_text_that_was_taken_and_failed_at_once_is_followed_by_a_mail(
    delivery: Delivery, world_services: Services, rows: Rows, clock: SetClock
) -> None:
    clock.at = local("10:40")
    with world_services.database.writing() as session:
        found = session.get_one(Delivery, delivery.id)
        found.status, found.next_stop_at, found.plan_dirty_at = DeliveryStatus.OUT_FOR_DELIVERY, clock.at, clock.at
    shelf = Shelf("twilio", can_find=True, answers=[Answer.FAILED_AT_ONCE])
    with asyncio.Runner() as runner:
        workshop = Workshop(world_services, runner, providers={Channel.SMS: shelf})
        workshop.reconcile()
        workshop.send(Channel.SMS)
        workshop.close()

    said = {row.channel: row for row in rows() if row.kind is Kind.NEXT_STOP}
    assert said[Channel.SMS].status is NotificationStatus.FAILED
    assert said[Channel.EMAIL].instead_of == said[Channel.SMS].id


def test_a_text_whose_turn_came_too_late_again_and_again_is_not_given_up(
    delivery: Delivery, workshop: Workshop, world_services: Services, rows: Rows, clock: SetClock
) -> None:
    workshop.reconcile()
    with world_services.database.writing() as session:
        row = session.get_one(Notification, the_text(rows).id)
        row.status, row.attempt, row.lease_owner = NotificationStatus.SENDING, MOST_ATTEMPTS + 1, "slow"
    late = Refused(LATE, "its turn came too late", permanent=False)
    with world_services.database.writing() as session:
        house = House(Company("J", "", "", "http://x"), world_services.links, "pepper", new_id)
        outgoing = Outgoing(row.id, row.to_address or "", "Hello", 60)
        recorder = Recorder(house, clock, "twilio", "slow", None)
        recorder.record(session, [(Prepared(outgoing, row.kind, 1, {}), late)], Sent())
    assert the_text(rows).status is NotificationStatus.DUE


def test_what_is_listed_is_not_taken_for_a_resend_while_the_first_has_no_answer(
    delivery: Delivery, workshop: Workshop, world: World, world_services: Services, rows: Rows, clock: SetClock
) -> None:
    workshop.reconcile()
    workshop.send(Channel.SMS)
    first = the_text(rows)
    with world_services.database.writing() as session:
        again_id = resend(session, first.id, now=EVE, ids=new_id)
        again = session.get_one(Notification, again_id)
        again.status, again.body, again.posting_since = NotificationStatus.AMBIGUOUS, first.body, clock.elapsed()
        held = session.get_one(Notification, first.id)
        held.status, held.provider_ref, held.lease_until = NotificationStatus.SENDING, None, clock.elapsed() + 8
    workshop.settle()
    assert {row.status for row in rows() if row.id == again_id} == {NotificationStatus.AMBIGUOUS}

    with world_services.database.writing() as session:
        held = session.get_one(Notification, first.id)
        held.status, held.provider_ref = NotificationStatus.ACCEPTED, first.provider_ref
    for _ in range(3):
        try_again(workshop, clock, after_s=10)

    assert len({row.provider_ref for row in rows() if row.id in {first.id, again_id}}) == 2
    assert len(world.texts(delivery.phone)) == 2


def test_one_list_that_does_not_come_makes_the_others_wait_no_longer(
    delivery: Delivery, workshop: Workshop, world: World, world_services: Services, rows: Rows, clock: SetClock
) -> None:
    with world_services.database.writing() as session:
        mark_plan_dirty(session, [make_delivery(session, phone="+12025550177").id], EVE)
    world.fault("error_after", times=2)
    world.fault("callback_drop")
    workshop.reconcile()
    workshop.send(Channel.SMS)
    world.fault("list_error", times=1)
    clock.machine_s += 3
    workshop.settle()
    texts = [row for row in rows() if row.kind is Kind.DAY_BEFORE and row.channel is Channel.SMS]
    assert sorted(row.status is NotificationStatus.AMBIGUOUS for row in texts) == [False, True]

    clock.machine_s += 5
    workshop.settle()

    texts = [row for row in rows() if row.kind is Kind.DAY_BEFORE and row.channel is Channel.SMS]
    assert {row.status for row in texts} <= OUT


@pytest.mark.parametrize(("is_urgent", "in_doubt"), [(False, LEAST_PART), (True, SIDE_BY_SIDE)])
def test_a_part_is_posted_together_and_of_urgent_mails_only_what_is_on_its_way(
    is_urgent: bool, in_doubt: int, world_services: Services, rows: Rows, clock: SetClock
) -> None:
    clock.at = local("10:40") if is_urgent else EVE
    with world_services.database.writing() as session:
        route = make_route(session)
        made = [make_delivery(session, stop=make_stop(session, route), phone=None) for _ in range(30)]
        for one in made if is_urgent else []:
            one.status, one.next_stop_at = DeliveryStatus.OUT_FOR_DELIVERY, clock.at
        mark_plan_dirty(session, [one.id for one in made], clock.at)
    posted: list[int] = []

    def count(_message: Outgoing) -> None:
        posted.append(sum(row.posting_since is not None for row in rows()))

    shelf = Shelf("smtp", can_find=False, seen=count, at_once=SIDE_BY_SIDE)
    with asyncio.Runner() as runner:
        workshop = Workshop(world_services, runner, providers={Channel.EMAIL: shelf})
        workshop.reconcile()
        workshop.send(Channel.EMAIL)
        workshop.close()

    assert posted[0] == in_doubt
