"""The real worker, as processes of its own, killed and flushed while it works."""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select
from werkzeug.serving import make_server

import worker
from messaging.kinds import Kind
from messaging.notifications import Notification, NotificationStatus
from portal import webhooks
from portal.services import EXTENSION, Services, build
from portal.settings import read_settings
from portal.supervisor import Supervisor
from sandbox.world import World, free_port
from tests.builders import local, make_delivery, make_route, make_stop
from tracking.clocks import SystemClock
from tracking.deliveries import mark_plan_dirty

pytestmark = pytest.mark.e2e
EVE = local("18:30") - timedelta(days=1)


@pytest.fixture
def running(
    environ: dict[str, str], world: World, redis: Redis, tmp_path: Path
) -> Iterator[tuple[Services, dict[str, str]]]:
    """The portal's pages in a thread, for the webhooks; and the environment a worker runs in. It is the eve, 18:30."""
    started_s = time.monotonic()  # noqa: TID251 - what the clock's file is written in
    port, clock_file = free_port(), tmp_path / "clock.json"
    clock_file.write_text(json.dumps({"machine_s": started_s, "day_s": EVE.timestamp(), "rate": 1.0}))
    fast = {"PORTAL_SEND_TIMEOUT_S": "2", "PORTAL_LEASE_S": "6", "PORTAL_SETTLE_S": "3", "PORTAL_SWEEP_S": "0.5"}
    env = {
        **environ,
        **world.environment(),
        **fast,
        "PORTAL_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PORTAL_DEMO_CLOCK": str(clock_file),
        "PORTAL_SEGMENTS_PER_SECOND": "500",
    }
    services = build(read_settings(env))
    app = Flask("webhooks")
    app.extensions[EXTENSION] = services
    app.register_blueprint(webhooks.blueprint)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield services, env
    server.shutdown()
    thread.join()
    server.server_close()
    services.database.close()
    services.redis.close()


@pytest.fixture
def supervisor(running: tuple[Services, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """The worker's parts as processes of their own, kept alive."""
    for name, value in running[1].items():
        monkeypatch.setenv(name, value)
    stop = threading.Event()
    commands = {part: [sys.executable, "-c", worker.START, part] for part in ("sms", "mail", "rest", "cron")}
    made = Supervisor(commands, SystemClock().elapsed)
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    yield made
    stop.set()
    thread.join()


def wait_until(look: Callable[[], bool], what: Callable[[], str], timeout_s: float = 180.0) -> None:
    clock = SystemClock()
    deadline = clock.elapsed() + timeout_s
    while not look():
        assert clock.elapsed() < deadline, what()
        threading.Event().wait(0.05)


def add_deliveries(services: Services, count: int) -> None:
    with services.database.writing() as session:
        route = make_route(session)
        made = [make_delivery(session, stop=make_stop(session, route)) for _ in range(count)]
        mark_plan_dirty(session, [one.id for one in made], EVE)


def unfinished(services: Services) -> list[tuple[str, str, int, str, float | None]]:
    """Return the rows of this evening that have not come to their end."""
    done = (NotificationStatus.SENT, NotificationStatus.DELIVERED)
    wanted = (Notification.channel, Notification.status, Notification.attempt, Notification.reason)
    with services.database.reading() as session:
        open_ones = select(*wanted, Notification.retry_after).where(
            Notification.status.not_in(done), Notification.kind == Kind.DAY_BEFORE
        )
        return [tuple(row) for row in session.execute(open_ones)]


def test_kills_and_a_flush_lose_nothing_and_double_nothing(
    running: tuple[Services, dict[str, str]], supervisor: Supervisor, world: World, redis: Redis
) -> None:
    services, _ = running
    add_deliveries(services, 30)
    world.fault("slow_after", seconds=0.3)

    for count, part in ((1, "sms"), (10, "rest"), (20, "sms")):
        wait_until(lambda count=count: len(world.texts()) >= count, lambda: str(unfinished(services)))
        pid = supervisor.pids().get(part)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    redis.flushall()
    wait_until(lambda: not unfinished(services), lambda: str(unfinished(services)))

    assert Counter(Counter(text.to for text in world.texts()).values()) == {1: 30}
    assert Counter(len({mail.id for mail in world.mails(to)}) for to in {mail.to for mail in world.mails()}) == {1: 30}
