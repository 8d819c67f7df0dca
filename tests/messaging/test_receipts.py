import itertools
from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.channels.twilio_words import STATUSES
from messaging.kinds import Channel, Kind
from messaging.notifications import MOVES, TERMINAL, Notification, NotificationStatus, advance
from messaging.outbox import queue
from messaging.receipts import Receipt, Word, record
from tests.builders import local, make_delivery
from tracking.storage import Database

_S = NotificationStatus
NOW = local("10:40")
SID = "SM" + "a" * 32
Ids = Callable[[], str]


def make_row(session: Session, ids: Ids, status: NotificationStatus = _S.SENDING, **columns: object) -> str:
    delivery = make_delivery(session, phone="+12015550111", email="anna@example.net")
    made = queue(
        session,
        kind=Kind.NEXT_STOP,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion="1",
        delivery_id=delivery.id,
        to_address="+12015550111",
        locale="en",
        context={},
        now=NOW,
        ids=ids,
    )
    assert made is not None
    row = session.get_one(Notification, made)
    row.status = status
    for name, value in columns.items():
        setattr(row, name, value)
    session.flush()
    return made


def word(notification_id: str | None, raw: str, code: str = "", sid: str = SID) -> Word:
    return Word("twilio", sid, raw, STATUSES[raw], code, "the phone was off" if code else "", notification_id)


def tell(session: Session, ids: Ids, told: Word) -> None:
    record(session, told, now=NOW, ids=ids, pepper="pepper")


@pytest.mark.parametrize(("source", "target"), list(itertools.product(_S, _S)), ids=lambda status: status.value)
def test_a_status_moves_only_along_its_table(
    source: NotificationStatus, target: NotificationStatus, session: Session, ids: Ids
) -> None:
    made = make_row(session, ids, source)

    moved = advance(session, made, target)

    session.expire_all()
    assert moved is (target in MOVES[source])
    assert session.get_one(Notification, made).status is (target if moved else source)
    assert not (source in TERMINAL and moved)


def test_receipts_in_any_order_end_in_the_last_word(database: Database, ids: Ids) -> None:
    for order in itertools.permutations(["queued", "sent", "delivered", "sent"]):
        with database.writing() as session:
            made = make_row(session, ids)
            sid = f"SM{made}"
            for raw in order:
                tell(session, ids, word(made, raw, sid=sid))
            row = session.get_one(Notification, made, populate_existing=True)
            assert (row.status, row.provider_ref) == (_S.DELIVERED, sid)


def test_a_receipt_that_overtakes_the_answer_brings_the_id(session: Session, ids: Ids) -> None:
    made = make_row(session, ids, _S.SENDING)

    tell(session, ids, word(made, "sent"))

    row = session.get_one(Notification, made, populate_existing=True)
    assert (row.status, row.provider_ref) == (_S.SENT, SID)
    assert not advance(session, made, _S.ACCEPTED)


def test_a_receipt_for_a_given_up_attempt_stops_the_next_one(session: Session, ids: Ids) -> None:
    made = make_row(session, ids, _S.DUE)

    tell(session, ids, word(made, "sent"))

    assert session.get_one(Notification, made, populate_existing=True).status is _S.SENT


def test_an_undelivered_text_is_followed_by_a_mail_once(session: Session, ids: Ids) -> None:
    made = make_row(session, ids, _S.ACCEPTED, provider="twilio", provider_ref=SID)

    for _ in range(2):
        tell(session, ids, word(made, "undelivered", "30003"))
    tell(session, ids, word(made, "failed"))

    row = session.get_one(Notification, made, populate_existing=True)
    assert (row.status, row.error_code, row.reason) == (_S.UNDELIVERED, "30003", "the phone was off")
    mails = session.scalars(select(Notification).where(Notification.channel == Channel.EMAIL)).all()
    assert [(mail.instead_of, mail.to_address) for mail in mails] == [(made, "anna@example.net")]


def test_repeated_and_unknown_words_change_nothing(session: Session, ids: Ids) -> None:
    made = make_row(session, ids, _S.ACCEPTED, provider="twilio", provider_ref=SID)

    tell(session, ids, word(made, "sent"))
    tell(session, ids, word(made, "sent"))
    tell(session, ids, Word("twilio", SID, "teleported", None, notification_id=made))
    tell(session, ids, word("f" * 32, "delivered", sid="SM" + "b" * 32))

    assert session.get_one(Notification, made, populate_existing=True).status is _S.SENT
    assert session.scalar(select(func.count()).select_from(Receipt)) == 3


def test_a_receipt_of_another_text_does_not_move_this_one(session: Session, ids: Ids) -> None:
    made = make_row(session, ids, _S.ACCEPTED, provider="twilio", provider_ref=SID)

    tell(session, ids, word(made, "failed", sid="SM" + "c" * 32))

    assert session.get_one(Notification, made, populate_existing=True).status is _S.ACCEPTED
