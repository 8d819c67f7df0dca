"""The commands about messages, as an operator or a mail server runs them."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from messaging.channels.base import Outgoing
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from messaging.provider_days import ProviderDay, yesterday
from messaging.return_addresses import Purpose
from portal.bounce_command import TRY_AGAIN, take_bounce, take_piped_bounce
from portal.cli import main
from portal.migrating import migrate
from portal.reconcile_command import reconcile_day
from portal.retain_command import report_retention
from portal.services import Services, build
from portal.settings import read_settings
from portal.ways_out import mails_out, return_addresses
from tests.builders import make_delivery
from tests.messaging.test_bounces import report
from tracking.ids import new_id


def sent_mail(services: Services) -> str:
    """Add a mail that our mail server took."""
    now = services.clock.now()
    with services.database.writing() as session:
        delivery = make_delivery(session, phone=None, email="anna@example.net")
        queued = queue(
            session,
            kind=Kind.DAY_BEFORE,
            channel=Channel.EMAIL,
            subject=delivery.id,
            occasion="1",
            delivery_id=delivery.id,
            to_address="anna@example.net",
            locale="en",
            context={},
            now=now,
            ids=new_id,
        )
        assert queued is not None
        row = session.get_one(Notification, queued)
        row.status, row.provider, row.provider_ref = NotificationStatus.SENT, "smtp", "<m@example.net>"
    return queued


def status_of(services: Services, mail_id: str) -> NotificationStatus:
    with services.database.reading() as session:
        return session.get_one(Notification, mail_id).status


@pytest.mark.e2e
def test_a_mail_server_pipes_a_bounce_into_the_command(environ: dict[str, str], tmp_path: Path) -> None:
    told = {
        **environ,
        "PORTAL_DATABASE_URL": f"sqlite:///{tmp_path / 'own.db'}",
        "PORTAL_BOUNCE_DOMAIN": "b.example.net",
    }
    services = build(read_settings(told))
    migrate(services.database)
    mail_id = sent_mail(services)
    address = return_addresses(services.settings).of(Purpose.BOUNCE, mail_id)
    assert address.endswith("@b.example.net")
    command = [sys.executable, "-m", "portal.cli", "bounce", "--recipient", address, "--sender", ""]
    env = {**os.environ, **told}

    done = subprocess.run(command, input=report("x"), env=env, capture_output=True, timeout=60)
    looked = subprocess.run([*command[:3], "retain"], env=env, capture_output=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, b"")
    assert b"anna" not in done.stderr
    assert status_of(services, mail_id) is NotificationStatus.UNDELIVERED
    assert looked.returncode == 0
    assert b"0  texts and mails whose words go" in looked.stdout
    services.database.close()


def test_postfix_tells_by_its_environment(services: Services) -> None:
    mail_id = sent_mail(services)
    address = return_addresses(services.settings).of(Purpose.BOUNCE, mail_id)
    environ = {"ORIGINAL_RECIPIENT": address, "SENDER": "MAILER-DAEMON"}
    assert take_bounce(services, io.BytesIO(report("x")), recipient=None, sender=None, environ=environ) == 0
    assert status_of(services, mail_id) is NotificationStatus.UNDELIVERED


@pytest.mark.parametrize("sender", ["anna@example.net", "deliveries@example.net"])
def test_what_a_person_or_a_loop_sends_there_is_left_alone(sender: str, services: Services) -> None:
    mail_id = sent_mail(services)
    address = return_addresses(services.settings).of(Purpose.BOUNCE, mail_id)
    assert take_bounce(services, io.BytesIO(report("x")), recipient=address, sender=sender, environ={}) == 0
    assert status_of(services, mail_id) is NotificationStatus.SENT


def test_a_huge_mail_is_read_to_its_end_and_no_further_looked_at(services: Services) -> None:
    mail = io.BytesIO(b"To: x\n\n" + b"x" * 3_000_000)
    assert take_bounce(services, mail, recipient=None, sender="", environ={}) == 0
    assert mail.read() == b""


def test_without_the_record_the_server_brings_it_again() -> None:
    def away() -> Services:
        raise OperationalError("BEGIN", {}, Exception("away"))

    assert take_piped_bounce(away, io.BytesIO(b""), recipient=None, sender="", environ={}) == TRY_AGAIN


@pytest.mark.parametrize("domain", ["", "bounce.example.net"])
def test_mail_can_be_ended_by_mail_only_where_somebody_takes_it(domain: str, environ: dict[str, str]) -> None:
    services = build(read_settings({**environ, "PORTAL_BOUNCE_DOMAIN": domain}))
    mails = mails_out(services)
    content = mails.build(
        Outgoing(
            "a" * 32, "anna@example.net", "Hello", 60, subject="Hello", unsubscribe_url="https://track.example/u/x"
        )
    ).decode()
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in content
    assert "<https://track.example/u/x>" in content
    assert ("mailto:u+" in content) is bool(domain)
    services.database.close()


def test_a_provider_that_is_away_is_said_and_nothing_is_lost(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconcile_day(services, None) == 1
    assert "Nothing was lost" in capsys.readouterr().err


def test_a_day_that_has_not_come_is_not_compared(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    assert reconcile_day(services, yesterday(services.clock) + timedelta(days=2)) == 1
    assert "has not come yet" in capsys.readouterr().err
    with services.database.reading() as session:
        assert session.scalars(select(ProviderDay)).all() == []


@pytest.mark.parametrize("told", ["tomorrow", "2026-13-45", ""])
def test_what_is_no_day_is_said_in_plain_words(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reconcile", "--day", told])
    assert f"{told!r} is no day: write it as 2026-03-05" in capsys.readouterr().err


def test_a_database_that_is_away_is_said_in_a_sentence(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**environ, "PORTAL_DATABASE_URL": "postgresql://127.0.0.1:9/none"}.items():
        monkeypatch.setenv(name, value)
    assert main(["retain"]) == 1
    assert "The database does not answer:" in capsys.readouterr().err


def test_what_is_past_its_time_is_only_said_until_yes(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_retention(services, is_sure=False) == 0
    assert "Nothing was changed." in capsys.readouterr().out
    assert report_retention(services, is_sure=True) == 0
    assert "chat lines" in capsys.readouterr().out
