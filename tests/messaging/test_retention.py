"""What is past its time goes, words after 30 days and rows after 13 months, here and at the provider."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage
from messaging.consent import ConsentAction, ConsentEvent, note_consent
from messaging.conversations import Origin, Voice, say
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from messaging.provider_days import ProviderDay
from messaging.redactions import Redaction, ask_redactions, note_redacted, open_redactions
from messaging.retention import (
    GONE,
    ROWS_KEPT,
    UNCOMPARED_KEPT,
    WORDS_KEPT,
    count_past,
    forget_lines,
    forget_rows,
    forget_sent_words,
)
from tests.builders import local, make_delivery
from tracking.actors import SYSTEM
from tracking.storage import Database

Ids = Callable[[], str]
NOW = local("10:30")
_S = NotificationStatus


def put(session: Session, ids: Ids, status: NotificationStatus, at: datetime, channel: Channel = Channel.SMS) -> str:
    delivery = make_delivery(session)
    queued = queue(
        session,
        kind=Kind.DAY_BEFORE,
        channel=channel,
        subject=delivery.id,
        occasion="1",
        delivery_id=delivery.id,
        to_address="+12015550777",
        locale="en",
        context={"text": "words", "said": {"service_on": "2026-03-05"}},
        now=at,
        ids=ids,
    )
    assert queued is not None
    row = session.get_one(Notification, queued)
    row.status, row.body, row.provider, row.provider_ref = status, "words", "twilio", f"SM{queued}"
    session.flush()
    return queued


def compare(session: Session) -> None:
    day = (NOW - timedelta(days=2)).date()
    session.add(
        ProviderDay(provider="twilio", listed_on=day, ran_at=NOW, listed=1, adopted=0, strangers=0, missing=0, ids={})
    )
    session.flush()


def test_words_go_after_30_days_with_a_wish_to_the_provider(database: Database, ids: Ids) -> None:
    past = NOW - WORDS_KEPT - timedelta(minutes=1)
    with database.writing() as session:
        compare(session)
        old = put(session, ids, _S.DELIVERED, past)
        open_ones = [put(session, ids, status, past) for status in (_S.DUE, _S.SENDING, _S.AMBIGUOUS)]
        young = put(session, ids, _S.DELIVERED, NOW - timedelta(days=29))
        assert count_past(session, NOW)["texts and mails whose words go"] == 1

        assert (forget_sent_words(session, NOW), forget_sent_words(session, NOW)) == (1, 0)

        kept = {row.id: (row.body, row.context.get("text")) for row in session.scalars(select(Notification))}
        asked = session.scalars(select(Redaction)).all()
    assert kept[old] == ("", None)
    assert {kept[one] for one in (*open_ones, young)} == {("words", "words")}
    assert [(one.provider_ref, one.is_whole) for one in asked] == [(f"SM{old}", False)]


def test_words_wait_for_the_comparison_of_their_day_but_not_for_ever(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        put(session, ids, _S.DELIVERED, NOW - WORDS_KEPT - timedelta(minutes=1))
        assert forget_sent_words(session, NOW) == 0
        assert forget_sent_words(session, NOW + UNCOMPARED_KEPT) == 1


def test_chat_lines_go_after_30_days(database: Database) -> None:
    with database.writing() as session:
        delivery = make_delivery(session)
        for days in (31, 29):
            at = NOW - timedelta(days=days)
            line = say(
                session,
                delivery_id=delivery.id,
                voice=Voice.RECIPIENT,
                origin=Origin.PAGE,
                actor_id="",
                body=f"{days} days old",
                now=at,
            )
            session.execute(update(ChatMessage).where(ChatMessage.id == line.id).values(at=at))
        assert forget_lines(session, NOW)[0] == 1
        assert forget_lines(session, NOW)[0] == 0
    with database.reading() as session:
        bodies = session.scalars(select(ChatMessage.body).order_by(ChatMessage.id)).all()
    assert [body for body in bodies if body in {GONE, "29 days old"}] == [GONE, "29 days old"]


def test_rows_go_after_13_months_and_the_ledger_never(database: Database, ids: Ids) -> None:
    past = NOW - ROWS_KEPT - timedelta(minutes=1)
    with database.writing() as session:
        put(session, ids, _S.DELIVERED, past)
        kept = put(session, ids, _S.DELIVERED, NOW - ROWS_KEPT + timedelta(days=1))
        note_consent(
            session,
            contact="h",
            channel=Channel.SMS,
            action=ConsentAction.OPT_OUT,
            source="sms_word",
            actor=SYSTEM,
            now=past,
        )
        assert forget_rows(session, NOW) == 1
        assert session.scalars(select(Notification.id)).all() == [kept]
        assert session.scalar(select(func.count()).select_from(ConsentEvent)) == 1


@pytest.mark.parametrize("first_done", [False, True])
def test_a_wish_to_delete_outlives_one_to_empty(first_done: bool, session: Session) -> None:
    assert ask_redactions(session, "twilio", ["SM1"], is_whole=False, now=NOW) == 1
    if first_done:
        note_redacted(
            session, [(one, None) for one in open_redactions(session, elapsed=0.0, limit=9)], now=NOW, elapsed=0
        )
        session.expire_all()
    assert ask_redactions(session, "twilio", ["SM1"], is_whole=True, now=NOW) == 1
    assert ask_redactions(session, "twilio", ["SM1"], is_whole=False, now=NOW) == 0
    (one,) = open_redactions(session, elapsed=0.0, limit=9)
    assert one.is_whole


def test_a_refusal_is_tried_later_and_later(session: Session) -> None:
    ask_redactions(session, "twilio", ["SM1"], is_whole=True, now=NOW)
    waits, elapsed = [], 1_000.0
    for _ in range(12):
        (one,) = open_redactions(session, elapsed=elapsed, limit=9)
        note_redacted(session, [(one, "20009")], now=NOW, elapsed=elapsed)
        session.expire_all()
        retry_after = session.scalars(select(Redaction.retry_after)).one() or 0.0
        assert open_redactions(session, elapsed=retry_after - 1, limit=9) == []
        waits.append(retry_after - elapsed)
        elapsed = retry_after
    assert (waits[0], waits[1], waits[-1]) == (60.0, 120.0, 6 * 3600.0)
