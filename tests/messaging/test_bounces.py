"""Mails that come back: what is believed, what it changes, and what is left alone."""

from collections.abc import Callable
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from messaging.bounces import Verdict, read_bounce, take_mail
from messaging.cases import TaskKind, open_tasks
from messaging.consent import contact_hash, has_opted_out
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from messaging.receipts import Receipt
from messaging.return_addresses import Purpose, ReturnAddresses
from tests.builders import local, make_delivery
from tracking.storage import Database

Ids = Callable[[], str]
_S = NotificationStatus
NOW, PEPPER = local("10:30"), "pepper"
KEYS = ("key-one-0123456789abcdef", "key-two-0123456789abcdef")
RETURNS = ReturnAddresses(KEYS, "example.com")

REPORT = """\
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 3F1A

Final-Recipient: rfc822; anna@example.net
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <anna@example.net>: Recipient address rejected: User unknown

--b
Content-Type: text/rfc822-headers

From: deliveries@example.com
--b--
"""


def report(to: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    return REPORT.format(to=to, action=action, status=status).encode()


@pytest.fixture
def mail_id(database: Database, ids: Ids) -> str:
    """A mail that was taken by our mail server; its recipient has no phone."""
    with database.writing() as session:
        delivery = make_delivery(session, phone=None, email="anna@example.net")
        queued = queue(
            session,
            kind=Kind.DAY_BEFORE,
            channel=Channel.EMAIL,
            subject=delivery.id,
            occasion="2026-03-05",
            delivery_id=delivery.id,
            to_address="anna@example.net",
            locale="en",
            context={},
            now=NOW,
            ids=ids,
        )
        assert queued is not None
        row = session.get_one(Notification, queued)
        row.status, row.provider, row.provider_ref = _S.SENT, "smtp", "<m@example.com>"
    return queued


def take(
    database: Database, ids: Ids, raw: bytes, *, to: str | None = None, sender: str | None = ""
) -> Notification | None:
    with database.writing() as session:
        recipients = [to] if to else []
        return take_mail(
            session, raw, recipients=recipients, sender=sender, returns=RETURNS, now=NOW, ids=ids, pepper=PEPPER
        )


def row_of(database: Database, mail_id: str) -> Notification:
    with database.reading() as session:
        return session.get_one(Notification, mail_id)


@pytest.mark.parametrize("tell", ["envelope", "header"])
def test_a_hard_bounce_is_undelivered_with_its_reason_and_staff_are_told(
    tell: str, database: Database, ids: Ids, mail_id: str
) -> None:
    address = RETURNS.of(Purpose.BOUNCE, mail_id)
    raw = report("somebody@example.com" if tell == "envelope" else address)
    take(database, ids, raw, to=address.upper() if tell == "envelope" else None)

    row = row_of(database, mail_id)
    assert (row.status, row.error_code, row.reason) == (
        _S.UNDELIVERED,
        "5.1.1",
        "the mail address does not exist",
    )
    with database.reading() as session:
        (task,) = open_tasks(session)
    assert (task.kind, task.tried) == (TaskKind.COULD_NOT_REACH, "email to a•••@example.net")
    assert take(database, ids, raw, to=address) is None


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("delivered", "2.1.5"), ("relayed", "2.0.0")])
def test_a_soft_one_is_kept_as_an_event_only(
    action: str, status: str, database: Database, ids: Ids, mail_id: str
) -> None:
    take(database, ids, report(RETURNS.of(Purpose.BOUNCE, mail_id), action, status))
    assert row_of(database, mail_id).status is _S.SENT
    with database.reading() as session:
        (kept,) = session.scalars(select(Receipt)).all()
        assert open_tasks(session) == []
    assert (kept.error_code, kept.notification_id) == (status, mail_id)


def test_a_mail_server_that_gave_up_after_days_is_a_failure_too(database: Database, ids: Ids, mail_id: str) -> None:
    take(database, ids, report(RETURNS.of(Purpose.BOUNCE, mail_id), "failed", "4.4.7"))
    assert row_of(database, mail_id).reason == "the mail could not be brought in time"


def forged(mail_id: str) -> list[str]:
    """Return addresses nobody of ours made."""
    good = RETURNS.of(Purpose.BOUNCE, mail_id)
    return [
        f"b+{mail_id}@example.com",
        good[:-14] + ("0" if good[-14] != "0" else "1") + good[-13:],
        good.replace("b+", "u+"),
        ReturnAddresses(("other-key-0123456789",), "example.com").of(Purpose.BOUNCE, mail_id),
        ReturnAddresses(KEYS, "example.org").of(Purpose.BOUNCE, mail_id),
        RETURNS.of(Purpose.BOUNCE, "f" * 32),
        "postmaster@example.com",
        "",
    ]


@pytest.mark.parametrize("number", range(8))
def test_what_is_forged_or_unknown_changes_nothing(number: int, database: Database, ids: Ids, mail_id: str) -> None:
    assert take(database, ids, report(forged(mail_id)[number])) is None
    assert row_of(database, mail_id).status is _S.SENT
    with database.reading() as session:
        assert session.scalars(select(Receipt)).all() == []


def test_a_key_that_was_rotated_out_of_signing_still_verifies(mail_id: str) -> None:
    before = ReturnAddresses(KEYS[:1], "example.com").of(Purpose.BOUNCE, mail_id)
    assert before != RETURNS.of(Purpose.BOUNCE, mail_id)
    assert RETURNS.read(before) == (Purpose.BOUNCE, mail_id)
    assert len(before.partition("@")[0]) <= 64  # RFC 5321 4.5.3.1.1


@pytest.mark.parametrize(
    ("sender", "text", "envelope", "verdict"),
    [
        ("MAILER-DAEMON@example.net", "Remote host said: 550 sorry, no such user here", "", Verdict.FAILED),
        (
            "Mail Delivery Subsystem <postmaster@x.example>",
            "554 5.7.1 mailbox unavailable",
            "MAILER-DAEMON",
            Verdict.FAILED,
        ),
        ("MAILER-DAEMON@example.net", "550 no such user here", None, Verdict.FAILED),
        ("MAILER-DAEMON@example.net", "550 something else", None, Verdict.NOTHING),
        ("MAILER-DAEMON@example.net", "Your mail is late. 450 try later", "", Verdict.NOTHING),
        ("anna@example.net", "I am away. My office is room 550, no such user here", "", Verdict.NOTHING),
        ("anna@example.net", "550 no such user", "anna@example.net", Verdict.NOTHING),
        ("MAILER-DAEMON@example.net", "550 no such user here", "anna@example.net", Verdict.NOTHING),
    ],
)
def test_the_plain_old_kind_is_believed_only_without_a_doubt(
    sender: str, text: str, envelope: str | None, verdict: Verdict
) -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = sender, "failure notice"
    mail.set_content(text)
    assert read_bounce(mail, sender=envelope).verdict is verdict


def test_an_answer_of_a_machine_is_no_bounce() -> None:
    mail = EmailMessage()
    mail["From"], mail["Auto-Submitted"] = "postmaster@example.net", "auto-replied (vacation)"
    mail.set_content("550 no such user here any more; write to my colleague")
    assert read_bounce(mail, sender="").verdict is Verdict.NOTHING


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00\xff" * 4000, b"Content-Type: multipart/report; boundary=x\n\n--x\n--x", b"To: \n" * 5000]
    + [report("x", "failed", "5")[:cut] for cut in range(0, 900, 75)],
)
def test_no_mail_whatever_breaks_the_reader(raw: bytes, database: Database, ids: Ids, mail_id: str) -> None:
    take(database, ids, raw, to=RETURNS.of(Purpose.BOUNCE, mail_id))
    assert row_of(database, mail_id).status in {_S.SENT, _S.UNDELIVERED}


def test_mail_is_ended_by_mail_once_and_not_by_a_machine(database: Database, ids: Ids, mail_id: str) -> None:
    address = RETURNS.of(Purpose.UNSUBSCRIBE, mail_id)
    machine = f"From: a@example.net\nTo: {address}\nAuto-Submitted: auto-replied\n\nAway."
    assert take(database, ids, machine.encode(), sender="anna@example.net") is None
    person = f"From: a@example.net\nTo: {address}\nSubject: unsubscribe\n\n"
    assert take(database, ids, person.encode(), sender="anna@example.net") is not None
    assert take(database, ids, person.encode(), sender="anna@example.net") is None
    with database.reading() as session:
        contact = contact_hash("anna@example.net", PEPPER)
        assert has_opted_out(session, contact, Channel.EMAIL)
        assert not has_opted_out(session, contact, Channel.SMS)
