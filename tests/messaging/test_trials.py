"""A trial goes out through the outbox in the words that were typed, and touches nothing else."""

from sqlalchemy import func, select

from messaging.inbound_texts import Question
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.texts import Source
from messaging.trials import send_trial
from tests.messaging.played_day import COMPANY, Outbox, PlayedDay
from tracking.clocks import SetClock
from tracking.ids import new_id
from tracking.storage import Database


def trial(database: Database, clock: SetClock, kind: Kind, channel: Channel, source: Source, to: str) -> None:
    with database.writing() as session:
        send_trial(
            session,
            kind=kind,
            channel=channel,
            language="en",
            source=source,
            to_address=to,
            staff_id="s" * 32,
            company=COMPANY,
            now=clock.now(),
            ids=new_id,
        )


def test_a_trial_says_what_was_typed_and_asks_nobody_to_rate(database: Database, clock: SetClock) -> None:
    day = PlayedDay(Outbox(database, clock))
    body = "((company)) asks ((name)): ((question)) ((link))"
    trial(database, clock, Kind.DELIVERED, Channel.SMS, Source("", body), "+12015550150")

    day.outbox.work()

    (text,) = day.texts("+12015550150")
    assert text == "Juniper asks Anna: How was it? Reply with a number from 1 (poor) to 5 (great)."
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Question)) == 0
        (row,) = [row for row in session.scalars(select(Notification)) if row.to_address == "+12015550150"]
    assert row.delivery_id is None
    assert row.id not in {one.id for one in day.rows()}


def test_a_trial_by_mail_has_its_own_subject_and_button(database: Database, clock: SetClock) -> None:
    day = PlayedDay(Outbox(database, clock))
    source = Source("Come ((day))", "Hi ((name)),\n\n((link))")
    trial(database, clock, Kind.RESCHEDULED, Channel.EMAIL, source, "mara@example.net")

    day.outbox.work()

    (mail,) = [one for one in day.outbox.sent if one.to == "mara@example.net"]
    assert mail.body.startswith("Come tomorrow, Tuesday\nHi Anna,\n\nhttps://example.com/t/")
