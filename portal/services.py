"""What views and jobs are handed: one record, one Redis, one clock, one signer."""

from dataclasses import dataclass
from typing import cast

from flask import current_app
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from messaging.wakeups import Wakeups
from portal.attempts import Attempts, BadLinks
from portal.second_step import CodeAttempts
from portal.settings import Settings
from tracking.clocks import Clock, SteeredClock, SystemClock
from tracking.files import FileStore
from tracking.links import LinkSigner
from tracking.storage import Database

EXTENSION = "portal"


@dataclass(frozen=True, slots=True)
class Services:
    """Built once a process by an entry point, or by a test."""

    settings: Settings
    database: Database
    redis: Redis
    clock: Clock
    links: LinkSigner
    files: FileStore
    wake: Wakeups
    attempts: Attempts
    bad_links: BadLinks
    codes: CodeAttempts


def build(settings: Settings, clock: Clock | None = None) -> Services:
    """Return the services of this process. Call it after a fork, never before one."""
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2),
    )
    return Services(
        settings=settings,
        database=Database(settings.database_url),
        redis=redis,
        clock=clock or clock_of(settings),
        links=LinkSigner(settings.secret_keys),
        files=FileStore(settings.data_dir / "files"),
        wake=Wakeups(redis),
        attempts=Attempts(redis),
        bad_links=BadLinks(redis),
        codes=CodeAttempts(redis),
    )


def clock_of(settings: Settings) -> Clock:
    """Return the machine's clock, or the demo's."""
    return SystemClock() if settings.demo_clock is None else SteeredClock(settings.demo_clock)


def services() -> Services:
    """Return the services of the current Flask application."""
    return cast(Services, current_app.extensions[EXTENSION])
