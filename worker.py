"""What happens by itself: RQ jobs, the cron that wakes them, the fix consumer, and who keeps them alive.

Jobs are named in ``messaging.wakeups``; their arguments are ids; each may run twice. A part (``sms``, ``mail``,
``rest``, ``cron``, ``consumer``, and ``night`` once a night) is a process of its own. Everything a job needs is built
once a process.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from messaging.in_force import nearness_in_force
from messaging.kinds import Channel
from messaging.wakeups import MAIL, REST, SMS
from portal import logs, nightly
from portal.services import Services, build
from portal.settings import Settings, read_settings
from portal.supervisor import SUPERVISOR, Supervisor
from portal.workshop import Workshop
from tracking.clocks import SystemClock, steady_s
from tracking.consumer import Consumer
from tracking.ids import new_id

log = structlog.get_logger()

POOLS = {"sms": SMS, "mail": MAIL, "rest": REST}
PARTS = (*POOLS, "cron", "consumer")
CATCH_UP_S = 60.0
BEAT_S = 2.0
BEAT_FORGOTTEN_S = 3600
ORPHAN_S = 30.0  # what a part may still finish without its supervisor; an RQ worker waits for Redis for ever
COMM = Path("/proc/self/comm")  # Linux: the name of this process, 15 letters
START = "import sys, worker; sys.exit(worker.run_part(sys.argv[1]))"
_stopping = threading.Event()


@cache
def _workshop() -> Workshop:
    """Return what this process works with, built at the first job: after any fork."""
    return Workshop(build(read_settings(os.environ)), asyncio.Runner(), should_stop=_stopping.is_set)


def sweep() -> None:
    """Do what is due and nobody was woken for."""
    _workshop().sweep()


def reconcile() -> None:
    """Make the plans of dirty deliveries anew."""
    _workshop().reconcile()


def send_sms() -> None:
    """Send the texts that are due."""
    _workshop().send(Channel.SMS)


def send_mail() -> None:
    """Send the mails that are due."""
    _workshop().send(Channel.EMAIL)


def settle() -> None:
    """Look up outcomes that nobody saw."""
    _workshop().settle()


def catch_up() -> None:
    """Ask the provider about texts whose receipts never came."""
    _workshop().catch_up()


def read_inbound(inbound_id: str) -> None:
    """Read one inbound message."""
    _workshop().read_inbound(inbound_id)


def fetch_pictures() -> None:
    """Fetch pictures that came by MMS."""
    _workshop().fetch_pictures()


def learn_history() -> None:
    """Do the night's work: compare, count, learn, forget. It takes minutes: a process of its own runs it."""
    services = build(read_settings(os.environ))
    nightly.compare_day(services)
    nightly.count_truth(services)
    nightly.learn_history(services)
    nightly.forget(services, should_stop=_stopping.is_set)


def _start_night() -> subprocess.Popen[bytes]:
    """Start the night's work beside this process; nobody waits for it."""
    environ = {name: value for name, value in os.environ.items() if name != SUPERVISOR}
    return subprocess.Popen([sys.executable, "-c", START, "night"], env=environ)


class Pool(SimpleWorker):
    """An RQ worker of one queue that tells a running job when it should come to an end."""

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """End after the job that runs now; that job stops claiming."""
        _stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # rq has types only in part


def main(settings: Settings, part: str | None = None) -> int:
    """Run one part in this process, or supervise all of them; return the exit status."""
    if part is not None:
        return run_part(part)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    parts = {name: partial(run_part, name) for name in PARTS}
    log.info("worker started", parts=len(parts), sweep_s=settings.sweep_s)
    Supervisor(parts, steady_s).run(stop)
    return 0


def run_part(part: str) -> int:
    """Run one part until SIGTERM, or until whoever started it is gone. Raises ``KeyError`` for an unknown one."""
    logs.configure()
    _call_itself(part)
    settings = read_settings(os.environ)
    beats = threading.Thread(
        target=_beat, args=(part, settings, int(os.environ.get(SUPERVISOR) or os.getppid())), daemon=True
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stopping.set())
    beats.start()
    try:
        if part == "cron":
            _run_cron(build(settings))
        elif part == "consumer":
            _run_consumer(build(settings))
        elif part == "night":
            os.nice(10)
            learn_history()
        else:
            _run_pool(POOLS[part], settings)
    except Exception:
        log.exception("part failed", part=part)
        raise
    return 0


def _call_itself(part: str) -> None:
    """Show which part this process is, in ``ps`` and ``top``."""
    if COMM.exists():
        COMM.write_text(f"portal-{part}")


def _run_pool(queue: str, settings: Settings) -> None:
    redis = Redis.from_url(settings.redis_url)
    Pool([Queue(queue, connection=redis)], connection=redis).work(logging_level="WARNING")


def _run_cron(services: Services) -> None:
    """Wake the sweep again and again; it returns at once when another one runs."""
    caught_up_s = steady_s() - CATCH_UP_S
    nights: list[subprocess.Popen[bytes]] = []
    night = nightly.Nightly(services.redis, services.settings.default_zone, lambda: nights.append(_start_night()))
    while not _stopping.is_set():
        services.wake.enqueue(REST, "worker.sweep", ttl_s=services.settings.sweep_s)
        if steady_s() - caught_up_s >= CATCH_UP_S:
            caught_up_s = steady_s()
            services.wake.catch_up()
        nights[:] = [child for child in nights if child.poll() is None]
        night.look(services.clock.now())
        _stopping.wait(services.settings.sweep_s)


def _run_consumer(services: Services) -> None:
    consumer = Consumer(
        services.database,
        services.redis,
        services.clock,
        new_id,
        wake=services.wake.reconcile,
        rules=services.settings.visibility,
        nearness=nearness_in_force,
    )
    consumer.run(_stopping)


def _beat(part: str, settings: Settings, parent: int) -> None:
    """Say every two seconds that this part lives; end it when its supervisor is gone."""
    clock = SystemClock()
    pause = threading.Event()
    redis: Any = Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)
    while True:
        try:
            redis.set(f"portal:beat:{part}", repr(clock.elapsed()), ex=BEAT_FORGOTTEN_S)
        except RedisError as error:
            log.warning("beat not given", part=part, error=type(error).__name__)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            pause.wait(ORPHAN_S)
            os.kill(os.getpid(), signal.SIGKILL)
        pause.wait(BEAT_S)


if __name__ == "__main__":
    sys.exit(run_part(sys.argv[1]))
