"""Fixtures are nouns: the real parts, started once and emptied for each test."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy.orm import Session

import migrations.env_tables  # noqa: F401 - puts every table into the metadata
from portal.services import Services, build
from portal.settings import Settings, read_settings
from sandbox.postgres import Cluster, find_initdb
from sandbox.world import World, start_valkey
from tests.not_run import leave_out
from tracking.clocks import SetClock
from tracking.ids import new_id
from tracking.links import LinkSigner
from tracking.storage import Base, Database

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)  # a Wednesday, 12:00 in New York

# Examples are the same each time, so that one nobody has seen fails nobody's change; `--hypothesis-profile=search`
# makes up others. None has to be quick: the machine may be busy.
_PATIENT = {"deadline": None, "database": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("search", **_PATIENT)
hypothesis.settings.register_profile("same", derandomize=True, **_PATIENT)
hypothesis.settings.load_profile("same")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of this test run's own."""
    with start_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty Redis."""
    client = Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    database = Database(f"sqlite:///{path}")
    Base.metadata.create_all(database.engine)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster | None]:
    """A private PostgreSQL, where ``initdb`` exists; None elsewhere."""
    initdb = find_initdb()
    if initdb is None:
        yield None
        return
    with Cluster(initdb) as started:
        template = Database(started.create("template_portal"))
        Base.metadata.create_all(template.engine)
        template.close()
        yield started


@pytest.fixture
def sqlite_url(empty_sqlite: Path, tmp_path: Path) -> str:
    """The address of a fresh SQLite database."""
    path = tmp_path / "portal.db"
    shutil.copyfile(empty_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh database, once on each engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    cluster: Cluster | None = request.getfixturevalue("cluster")
    if cluster is None:
        leave_out("storage on PostgreSQL", "initdb was not found")
        return
    name = f"t{new_id()}"
    yield cluster.create(name, template="template_portal")
    cluster.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The record, empty; each test that asks for it runs on both engines."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """The record, empty, on SQLite only: for tests that are not about storage."""
    opened = Database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def session(sqlite_database: Database) -> Iterator[Session]:
    """One open writing transaction on SQLite; commit by hand where others must see it."""
    with sqlite_database.writing() as opened:
        yield opened


@pytest.fixture
def clock() -> SetClock:
    """Noon in New York on a Wednesday in March, until the test moves it."""
    return SetClock(NOON)


@pytest.fixture
def ids() -> Callable[[], str]:
    """Ids that count up: 000...1, 000...2."""
    counted = iter(range(1, 1_000_000))
    return lambda: f"{next(counted):032x}"


@pytest.fixture
def environ(sqlite_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """A complete environment that talks to nobody but this machine."""
    return {
        "PORTAL_DATABASE_URL": sqlite_url,
        "PORTAL_REDIS_URL": redis_url,
        "PORTAL_SECRET_KEYS": "test-key-one-0123456789abcdef0123456789abcdef",
        "PORTAL_PUBLIC_URL": "http://127.0.0.1:8000",
        "PORTAL_DATA_DIR": str(tmp_path / "data"),
        "PORTAL_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "PORTAL_TWILIO_AUTH_TOKENS": "twilio-test-token",
        "PORTAL_TWILIO_API_URL": "http://127.0.0.1:9",
        "PORTAL_SMS_FROM": "+12125550100",
        "PORTAL_SMTP_URL": "smtp://127.0.0.1:9",
        "PORTAL_MAIL_FROM": "deliveries@example.net",
        "PORTAL_COMPANY_NAME": "Juniper & Sons",
        "PORTAL_SUPPORT_PHONE": "+12125550199",
        "PORTAL_SUPPORT_EMAIL": "help@example.net",
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """The settings of that environment."""
    return read_settings(environ)


@pytest.fixture
def services(settings: Settings, redis: Redis, clock: SetClock) -> Iterator[Services]:
    """The real services on SQLite and Valkey, with a clock that stands still."""
    built = build(settings, clock=clock)
    yield built
    built.database.close()
    built.redis.close()


@pytest.fixture
def app(services: Services) -> Flask:
    """The Flask application on those services."""
    from portal.app import create_app

    made = create_app(services)
    made.testing = True
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript."""
    return app.test_client()


@pytest.fixture
def signer(services: Services) -> LinkSigner:
    """The signer of links."""
    return services.links


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The Twilio stand-in and the mailbox, on loopback ports of their own."""
    with World(data_dir=tmp_path / "world") as started:
        yield started


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """Fail a test that leaves a non-daemon thread running."""
    before = set(threading.enumerate())
    yield
    left: list[Any] = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    for thread in left:
        thread.join(timeout=30)
    assert not [thread for thread in left if thread.is_alive()]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under ``CI=true`` a test that was left out is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        os.environ.get("CI") == "true"
        and reporter is not None
        and reporter.stats.get("skipped")
        and not session.exitstatus
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was not run and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = sorted({str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped})
    terminalreporter.section("not run here, and why")
    for reason in reasons or ["nothing was left out"]:
        terminalreporter.write_line(f"- {reason}")
