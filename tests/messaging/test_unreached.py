"""The list of who could not be reached: what is on it, what takes it off, and what goes out again."""

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, resolve_task
from messaging.chat_lines import Voice
from messaging.conversations import Origin, say
from messaging.dead_addresses import takes_nothing
from messaging.fallback import after_failure
from messaging.inbound_texts import InboundMessage
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import queue
from messaging.reconciler import of_delivery, reconcile
from messaging.unreached import (
    anything_open,
    reopen,
    send_again,
    settle_by_themselves,
    they_know,
    unreached,
)
from tests.builders import local, make_delivery
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.storage import Database

PEPPER = "pepper"
EVE = local("18:00") - timedelta(days=1)
LATER = EVE + timedelta(minutes=10)
PHONE, OTHER = "+12015550111", "+12015550122"
Ids = Callable[[], str]
_S = NotificationStatus


@pytest.fixture
def lost(database: Database, ids: Ids) -> str:
    """A delivery whose text of the eve failed on a phone that was off, and that has no mail; the id of its task."""
    with database.writing() as session:
        made = make_delivery(session, phone=PHONE, email=None, plan_dirty_at=EVE)
    with database.writing() as session:
        reconcile(session, made.id, now=EVE, ids=ids, pepper=PEPPER)
        row = next(one for one in of_delivery(session, made.id) if one.kind is Kind.DAY_BEFORE)
        fail(session, row, ids)
        return session.scalars(select(Task.id)).one()


def fail(session: Session, row: Notification, ids: Ids, code: str = "30003") -> None:
    row.attempt = 1
    advance(session, row.id, _S.SENDING)
    advance(session, row.id, _S.UNDELIVERED, error_code=code, reason="the phone was off", final_at=EVE)
    session.refresh(row)
    after_failure(session, row, now=EVE, ids=ids, pepper=PEPPER)


def settle(database: Database, ids: Ids) -> tuple[int, str]:
    with database.writing() as session:
        count = settle_by_themselves(session, now=LATER, ids=ids, pepper=PEPPER)
        return count, session.scalars(select(Task)).one().resolution


def the_delivery(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(select(Delivery.id)).one()


def test_a_line_says_what_was_tried_where_and_why_it_failed(database: Database, lost: str) -> None:
    with database.reading() as session:
        (line,) = unreached(session, now=LATER, pepper=PEPPER)

    assert (line.task.id, line.can_resend) == (lost, True)
    (tried,) = line.tried
    assert (tried.channel, tried.to, tried.at) == (Channel.SMS, "+1•••••0111", EVE)
    assert (tried.status, tried.why, tried.code) == (_S.UNDELIVERED, "the phone was off", "30003")


def test_nothing_settles_itself_without_proof(database: Database, ids: Ids, lost: str) -> None:
    assert settle(database, ids) == (0, "")
    with database.reading() as session:
        assert anything_open(session)


def opened(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        session.scalars(select(Delivery)).one().seen_at = LATER


def wrote(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        delivery_id = session.scalars(select(Delivery.id)).one()
        say(
            session,
            delivery_id=delivery_id,
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body="Hello",
            now=LATER,
        )


def texted(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        session.add(
            InboundMessage(
                id=ids(),
                channel=Channel.SMS,
                provider_ref="SM1",
                from_address=PHONE,
                to_address="+1",
                body="ok",
                received_at=LATER,
            )
        )


def later_arrived(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        row_id = queue(
            session,
            kind=Kind.MORNING_OF,
            channel=Channel.SMS,
            subject="s",
            occasion="x",
            delivery_id=session.scalars(select(Delivery.id)).one(),
            to_address=PHONE,
            locale="en",
            context={},
            now=LATER,
            ids=ids,
        )
        assert row_id is not None
        advance(session, row_id, _S.SENDING)
        advance(session, row_id, _S.DELIVERED, final_at=LATER)


def handed_over(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        delivery = session.scalars(select(Delivery)).one()
        delivery.status, delivery.status_at = DeliveryStatus.DELIVERED, LATER


@pytest.mark.parametrize(
    ("proof", "how"),
    [
        (opened, "They opened their page."),
        (wrote, "They wrote."),
        (texted, "They wrote."),
        (later_arrived, "A later message arrived."),
        (handed_over, "It was delivered meanwhile."),
    ],
)
def test_proof_that_they_know_settles_it(
    database: Database, ids: Ids, lost: str, proof: Callable[[Database, Ids], None], how: str
) -> None:
    proof(database, ids)

    assert settle(database, ids) == (1, how)
    with database.reading() as session:
        assert unreached(session, now=LATER, pepper=PEPPER) == []
        assert [one.task.id for one in unreached(session, now=LATER, pepper=PEPPER, settled=True)] == [lost]


def test_a_corrected_number_gets_the_message_once(database: Database, ids: Ids, lost: str) -> None:
    with database.writing() as session:
        session.scalars(select(Delivery)).one().phone = OTHER

    assert settle(database, ids) == (1, "The contact was corrected, and the message went out again.")
    assert settle(database, ids)[0] == 0
    with database.reading() as session:
        again = [row for row in session.scalars(select(Notification)) if row.to_address == OTHER]
    assert [(row.kind, row.status, row.instead_of is not None) for row in again] == [(Kind.DAY_BEFORE, _S.DUE, True)]


@pytest.mark.parametrize(
    ("channel", "code", "dead"),
    [
        (Channel.SMS, "30006", True),
        (Channel.SMS, "21211", True),
        (Channel.SMS, "30003", False),
        (Channel.SMS, "30007", False),
        (Channel.EMAIL, "5.1.1", True),
        (Channel.EMAIL, "5.2.2", False),
    ],
)
def test_some_addresses_take_nothing_however_often_it_is_sent(channel: Channel, code: str, dead: bool) -> None:
    assert takes_nothing(channel, code) is dead


def test_a_landline_is_not_texted_again_and_a_mailbox_gets_it_instead(database: Database, ids: Ids, lost: str) -> None:
    with database.writing() as session:
        session.execute(update(Notification).where(Notification.attempt > 0).values(error_code="30006"))
        assert send_again(session, lost, now=LATER, ids=ids, pepper=PEPPER) == []
        (line,) = unreached(session, now=LATER, pepper=PEPPER)
        assert (line.can_resend, line.can_write) == (False, False)
    with database.writing() as session:
        session.scalars(select(Delivery)).one().email = "anna@example.net"
    with database.writing() as session:
        assert send_again(session, lost, now=LATER, ids=ids, pepper=PEPPER) == [Channel.EMAIL]


def test_what_is_sent_again_survives_the_next_plan(database: Database, ids: Ids, lost: str) -> None:
    with database.writing() as session:
        assert send_again(session, lost, now=LATER, ids=ids, pepper=PEPPER) == [Channel.SMS]
    with database.writing() as session:
        reconcile(session, the_delivery(database), now=LATER, ids=ids, pepper=PEPPER)
        due = [row for row in session.scalars(select(Notification)) if row.occasion.startswith("again-")]
    assert [(row.to_address, row.status) for row in due] == [(PHONE, _S.DUE)]


def test_words_that_are_no_longer_true_are_not_sent_again(database: Database, ids: Ids, lost: str) -> None:
    with database.writing() as session:
        session.scalars(select(Delivery)).one().status = DeliveryStatus.CANCELLED
    with database.writing() as session:
        assert send_again(session, lost, now=LATER, ids=ids, pepper=PEPPER) == []
        assert not unreached(session, now=LATER, pepper=PEPPER)[0].can_resend


def test_a_settled_line_can_be_put_back_and_stays_without_new_proof(database: Database, ids: Ids, lost: str) -> None:
    opened(database, ids)
    settle(database, ids)
    with database.writing() as session:
        assert reopen(session, lost, LATER)
        assert not reopen(session, lost, LATER)

    assert settle(database, ids)[0] == 0
    with database.writing() as session:
        assert they_know(session, the_delivery(database), "They opened their page.", LATER)
        assert not anything_open(session)


def test_what_a_person_settled_is_not_settled_again(database: Database, ids: Ids, lost: str) -> None:
    with database.writing() as session:
        resolve_task(session, lost, resolved_by="staff", resolution="called", now=LATER)
        assert not they_know(session, the_delivery(database), "x", LATER)
        assert send_again(session, lost, now=LATER, ids=ids, pepper=PEPPER) == []


@pytest.mark.parametrize(("occasion", "count"), [("thanks", 0), ("did_you_mean", 1)])
def test_a_word_of_thanks_that_did_not_arrive_is_no_task(
    database: Database, ids: Ids, occasion: str, count: int
) -> None:
    with database.writing() as session:
        made = make_delivery(session, phone=PHONE, email=None)
        row_id = queue(
            session,
            kind=Kind.REPLY,
            channel=Channel.SMS,
            subject=made.id,
            occasion=occasion,
            delivery_id=made.id,
            to_address=PHONE,
            locale="en",
            context={"text": "Hello"},
            now=EVE,
            ids=ids,
        )
        assert row_id is not None
        fail(session, session.get_one(Notification, row_id), ids)
        assert len(session.scalars(select(Task)).all()) == count


def test_an_answer_to_somebody_who_opted_out_meanwhile_is_no_task(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        row_id = queue(
            session,
            kind=Kind.REPLY,
            channel=Channel.SMS,
            subject="i",
            occasion="answer",
            delivery_id=None,
            to_address=PHONE,
            locale="en",
            context={"text": "Hello"},
            now=EVE,
            ids=ids,
        )
        assert row_id is not None
        row = session.get_one(Notification, row_id)
        advance(session, row_id, _S.SUPPRESSED, reason="this person has opted out", final_at=EVE)
        session.refresh(row)
        after_failure(session, row, now=EVE, ids=ids, pepper=PEPPER)
        assert session.scalars(select(Task)).all() == []


def test_a_text_taken_for_spam_is_told_to_staff_once_a_day_though_a_mail_went_too(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        made = [make_delivery(session, phone=PHONE, email=f"{n}@example.org", plan_dirty_at=EVE) for n in range(2)]
    with database.writing() as session:
        for delivery in made:
            reconcile(session, delivery.id, now=EVE, ids=ids, pepper=PEPPER)
            row = next(
                one
                for one in of_delivery(session, delivery.id)
                if (one.kind, one.channel) == (Kind.DAY_BEFORE, Channel.SMS)
            )
            fail(session, row, ids, code="30007")

    with database.reading() as session:
        (task,) = session.scalars(select(Task))
        mails = session.scalars(select(Notification).filter_by(channel=Channel.EMAIL, kind=Kind.DAY_BEFORE)).all()
    assert (task.kind, task.key) == (TaskKind.FILTERED, f"filtered/day_before/{EVE.astimezone(UTC).date()}")
    assert task.reason.startswith("A carrier took the day before text for spam and did not deliver it.")
    assert len(mails) == 2
