"""What staff hear of the ways out, and what goes by mail while texts rest."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.alarms import SLOW_S, WINDOW_S, divert, look_for_silence, look_for_slowness, slow_share
from messaging.breakers import FAILURES_TO_OPEN, Health, ProviderState, note_health, room, states
from messaging.cases import Task, open_tasks
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import queue
from portal.services import Services
from portal.workshop import Workshop
from sandbox.world import World
from tests.builders import local, make_delivery
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.storage import Database

Ids = Callable[[], str]
_S = NotificationStatus
NOW, ELAPSED = local("10:30"), 50_000.0


def rest(session: Session, provider: str) -> None:
    """Let a provider fail, and its probe too."""
    fails = [(Health.FAILS, "no answer in time")] * FAILURES_TO_OPEN
    note_health(session, provider, fails, owner="a", now=NOW, elapsed=ELAPSED)
    room(session, provider, wished=9, owner="a", elapsed=ELAPSED + 2, probe_s=30)
    note_health(session, provider, fails[:1], owner="a", now=NOW, elapsed=ELAPSED + 2)


def text(session: Session, delivery: Delivery, ids: Ids, kind: Kind = Kind.NEXT_STOP, occasion: str = "1") -> str:
    """Queue one text to a delivery's recipient."""
    queued = queue(
        session,
        kind=kind,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion=occasion,
        delivery_id=delivery.id,
        to_address=delivery.phone or "",
        locale="en",
        context={},
        now=NOW,
        ids=ids,
    )
    assert queued is not None
    return queued


def handed(session: Session, delivery: Delivery, ids: Ids, number: int, *, ago_s: float, took_s: float | None) -> None:
    """Add a text that was handed over ``ago_s`` ago and arrived after ``took_s``, or not yet."""
    row = session.get_one(Notification, text(session, delivery, ids, occasion=str(number)))
    row.provider, row.provider_ref, row.posting_since = "twilio", f"SM{number}", ELAPSED - ago_s
    row.status, row.took_s = (_S.SENT if took_s is None else _S.DELIVERED), took_s
    session.flush()


@pytest.mark.parametrize(
    ("slow", "is_alarm"), [([], False), ([SLOW_S + 1], False), ([SLOW_S + 1, SLOW_S + 60], True), ([None, None], True)]
)
def test_slow_texts_of_the_last_quarter_of_an_hour_are_an_alarm(
    slow: list[float | None], is_alarm: bool, session: Session, ids: Ids
) -> None:
    delivery = make_delivery(session)
    for number, took_s in enumerate([*slow, *[4.0] * (12 - len(slow))]):
        handed(session, delivery, ids, number, ago_s=600.0, took_s=took_s)
    handed(session, delivery, ids, 99, ago_s=WINDOW_S + 1, took_s=SLOW_S * 2)
    handed(session, delivery, ids, 98, ago_s=60.0, took_s=None)  # still has time

    assert look_for_slowness(session, now=NOW, elapsed=ELAPSED) is is_alarm
    state = states(session).get("twilio")
    assert (state is not None and state.slow_since_at == NOW) is is_alarm


def test_few_texts_say_nothing_and_an_alarm_ends(session: Session, ids: Ids) -> None:
    delivery = make_delivery(session)
    for number in range(9):
        handed(session, delivery, ids, number, ago_s=600.0, took_s=None)
    assert slow_share(session, ELAPSED) is None
    handed(session, delivery, ids, 9, ago_s=600.0, took_s=None)
    assert look_for_slowness(session, now=NOW, elapsed=ELAPSED)

    assert not look_for_slowness(session, now=NOW, elapsed=ELAPSED + WINDOW_S)
    assert states(session)["twilio"].slow_since_at is None


def test_what_happens_now_goes_as_mail_while_texts_rest_and_what_is_planned_waits(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        delivery = make_delivery(session, status=DeliveryStatus.OUT_FOR_DELIVERY)
        now_text, planned = text(session, delivery, ids), text(session, delivery, ids, Kind.MORNING_OF)
        in_doubt = text(session, delivery, ids, Kind.DELAYED)
        advance(session, in_doubt, _S.SENDING)
        advance(session, in_doubt, _S.AMBIGUOUS)
        assert divert(session, now=NOW, ids=ids, pepper="p") == 0
        rest(session, "twilio")

        assert divert(session, now=NOW, ids=ids, pepper="p") == 1
        assert divert(session, now=NOW, ids=ids, pepper="p") == 0

    with database.reading() as session:
        rows = {row.id: row for row in session.scalars(select(Notification))}
        (mail,) = (row for row in rows.values() if row.channel is Channel.EMAIL)
    assert (mail.kind, mail.instead_of, mail.status) == (Kind.NEXT_STOP, now_text, _S.DUE)
    assert [rows[one].status for one in (now_text, planned, in_doubt)] == [_S.SUPPRESSED, _S.DUE, _S.AMBIGUOUS]


def test_without_an_address_for_mail_a_text_waits(session: Session, ids: Ids) -> None:
    delivery = make_delivery(session, status=DeliveryStatus.OUT_FOR_DELIVERY, email=None)
    waiting = text(session, delivery, ids)
    rest(session, "twilio")
    assert divert(session, now=NOW, ids=ids, pepper="p") == 0
    assert session.get_one(Notification, waiting).status is _S.DUE


def test_both_ways_out_silent_is_a_task_that_goes_by_itself(session: Session, ids: Ids) -> None:
    rest(session, "twilio")
    assert not look_for_silence(session, now=NOW, ids=ids)
    rest(session, "smtp")
    assert look_for_silence(session, now=NOW, ids=ids)
    assert not look_for_silence(session, now=NOW, ids=ids)
    (task,) = open_tasks(session)
    assert "Neither texts nor mails get out" in task.reason

    note_health(session, "smtp", [(Health.ANSWERS, "")], owner="a", now=NOW, elapsed=ELAPSED + 9)

    assert look_for_silence(session, now=NOW, ids=ids)
    assert session.scalars(select(Task.resolution)).all() == ["Messages get out again."]


def test_next_stop_comes_by_mail_while_texts_rest(
    workshop: Workshop, world: World, world_services: Services, clock: SetClock
) -> None:
    clock.at = NOW
    with world_services.database.writing() as session:
        delivery = make_delivery(
            session, status=DeliveryStatus.OUT_FOR_DELIVERY, next_stop_at=clock.at, plan_dirty_at=clock.at
        )
        rest(session, "twilio")
        opened = session.get_one(ProviderState, "twilio")
        opened.rested_until = clock.machine_s + 30
    workshop.reconcile()
    workshop.send(Channel.SMS)
    workshop.sweep()
    workshop.send(Channel.EMAIL)

    assert world.texts() == []
    assert sum("next" in mail.subject for mail in world.mails(delivery.email)) == 1
