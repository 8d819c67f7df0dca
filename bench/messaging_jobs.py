"""The outbox of a benchmark, and the ways to empty it: through RQ in one batch or one by one, or without RQ."""

import os
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

from redis import Redis
from rq import Queue
from sqlalchemy import func, select, update

import migrations.env_tables  # noqa: F401 - puts every table into the metadata
import worker
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.outbox import queue
from messaging.wakeups import SMS
from portal.services import Services, build
from portal.settings import read_settings
from tracking.ids import new_id
from tracking.storage import Base

BATCH, ONE_BY_ONE, WITHOUT_RQ = "batch", "one by one", "without RQ"
LATER = timedelta(days=365)
# The product's part of the worker, until its queue is empty.
BURST = """
import sys, worker
from redis import Redis
from rq import Queue
redis = Redis.from_url(sys.argv[1])
worker.Pool([Queue("sms", connection=redis)], connection=redis).work(burst=True, logging_level="ERROR")
"""


@cache
def _services() -> Services:
    return build(read_settings(os.environ))


def send_one(notification_id: str) -> None:
    """Send one message, as a job for each would: its row becomes due, and the sender runs."""
    mine = _services()
    with mine.database.writing() as session:
        row = update(Notification).where(Notification.id == notification_id)
        session.execute(row.values(due_at=mine.clock.now() - timedelta(seconds=1)))
    worker.send_sms()


class Outbox:
    """Fills a fresh outbox for each round and has it emptied by a process of its own."""

    def __init__(self, folder: Path, redis_url: str, twilio_url: str) -> None:
        self._folder, self._rounds = folder, 0
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")},
            "PORTAL_REDIS_URL": redis_url,
            "PORTAL_SECRET_KEYS": "bench-key-0123456789abcdef0123456789abcdef",
            "PORTAL_PUBLIC_URL": "https://track.example.com",
            "PORTAL_DATA_DIR": str(folder / "data"),
            "PORTAL_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "PORTAL_TWILIO_AUTH_TOKENS": "token",
            "PORTAL_TWILIO_API_URL": twilio_url,
            "PORTAL_SMS_FROM": "+12125550100",
            "PORTAL_SMTP_URL": "smtp://127.0.0.1:9",
            "PORTAL_MAIL_FROM": "deliveries@example.net",
            "PORTAL_COMPANY_NAME": "Juniper & Sons",
            "PORTAL_SEGMENTS_PER_SECOND": "100000",
        }

    def rate(self, count: int, way: str, redis: Redis) -> float:
        """Return messages a second, from the first that is posted to the last that is recorded."""
        self._rounds += 1
        environ = {**self.environ, "PORTAL_DATABASE_URL": f"sqlite:///{self._folder / f'{self._rounds}.db'}"}
        redis.flushall()
        services = build(read_settings(environ))
        Base.metadata.create_all(services.database.engine)
        ids = _fill(services, count, due_in=LATER if way == ONE_BY_ONE else timedelta(0))
        if way == BATCH:
            Queue(SMS, connection=redis).enqueue("worker.send_sms", result_ttl=0)
        elif way == ONE_BY_ONE:
            for notification_id in ids:
                Queue(SMS, connection=redis).enqueue("bench.messaging_jobs.send_one", notification_id, result_ttl=0)
        command = "import worker; worker.send_sms()" if way == WITHOUT_RQ else BURST
        words = [sys.executable, "-c", command, environ["PORTAL_REDIS_URL"]]
        done = subprocess.run(words, env=environ, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{way}: {done.stdout}{done.stderr}")
        rate = _rate(services, count)
        services.database.close()
        services.redis.close()
        return rate


def _fill(services: Services, count: int, *, due_in: timedelta) -> list[str]:
    now = services.clock.now()
    with services.database.writing() as session:
        queued = [
            queue(
                session,
                kind=Kind.REPLY,
                channel=Channel.SMS,
                subject=new_id(),
                occasion="bench",
                delivery_id=None,
                to_address=f"+1201555{number % 10_000:04d}",
                locale="en",
                context={"text": "Your delivery comes tomorrow, Thursday, between 10:00 AM and 12:00 PM."},
                now=now,
                ids=new_id,
                due_at=now + due_in,
            )
            for number in range(count)
        ]
    return [notification_id for notification_id in queued if notification_id is not None]


def _rate(services: Services, count: int) -> float:
    of = Notification
    with services.database.reading() as session:
        sent, began_s, ended_at = session.execute(
            select(func.count(of.accepted_at), func.min(of.posting_since), func.max(of.accepted_at))
        ).one()
    if sent != count or began_s is None or ended_at is None:
        raise RuntimeError(f"{sent} of {count} messages went out")
    return count / (ended_at.timestamp() - began_s)
