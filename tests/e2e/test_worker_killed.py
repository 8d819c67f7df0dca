"""The worker is killed between claim and record, again and again: nobody misses a message, nobody gets one twice."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bench.chaos_day import EVE, email, phone, route_files
from messaging.kinds import Kind
from messaging.notifications import Notification, NotificationStatus
from sandbox.havoc import Havoc
from sandbox.instance import Instance
from sandbox.judge import MAIL, SMS, Message, came, judge
from sandbox.machine import monotonic_s
from sandbox.world import World
from tracking.storage import Database

pytestmark = pytest.mark.e2e

_S = NotificationStatus
PEOPLE = 20
EXPECTED = {Message(SMS, phone(number), "day_before") for number in range(PEOPLE)} | {
    Message(MAIL, email(number), "day_before") for number in range(PEOPLE)
}
KILL_AT = (1, 10, 20, 30)  # when so many messages have come


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The real web and worker, with short times, at half past six on the eve."""
    times = {"PORTAL_SEND_TIMEOUT_S": "2", "PORTAL_LEASE_S": "3", "PORTAL_SETTLE_S": "6"}
    with Instance(tmp_path_factory.mktemp("instance"), day=EVE - timedelta(minutes=40), settings=times) as started:
        yield started


def wait_for(world: World, expected: int, timeout_s: float = 120.0) -> None:
    """Return when so many of the expected messages have come."""

    def look() -> bool | None:
        return len(EXPECTED & {came(entry) for entry in world.journal()}) >= expected or None

    world.outside.journal.wait_for(look, timeout_s=timeout_s, what=f"{expected} messages")


def wait_until(look: Callable[[], bool], otherwise: str, timeout_s: float = 120.0) -> None:
    """Return when ``look`` says so."""
    deadline = monotonic_s() + timeout_s
    while not look():
        assert monotonic_s() < deadline, otherwise
        threading.Event().wait(0.1)


def open_rows(instance: Instance) -> int:
    """Return how many of the evening's messages may still go out: only to know when to judge."""
    database = Database(instance.environ["PORTAL_DATABASE_URL"])
    with database.reading() as session:
        under_way = Notification.status.in_((_S.DUE, _S.SENDING, _S.AMBIGUOUS))
        rows = select(func.count()).where(under_way, Notification.kind == Kind.DAY_BEFORE)
        count = session.scalar(rows) or 0
    database.close()
    return count


def test_a_worker_killed_between_claim_and_record_loses_and_doubles_nothing(instance: Instance, tmp_path: Path) -> None:
    (file,) = route_files(PEOPLE)
    (tmp_path / "route.csv").write_bytes(file)
    instance.run("routes", "import", str(tmp_path / "route.csv"))
    world, havoc, rng = instance.world, Havoc(instance, random.Random(3)), random.Random(4)
    for kind, seconds in (("slow_before", 0.3), ("slow_after", 0.6), ("mail_slow", 0.5)):
        world.fault(kind, seconds=seconds)
    world.fault("error_after", probability=0.2)
    world.fault("mail_drop", probability=0.1)

    instance.set_day(EVE)
    for count in KILL_AT:
        wait_for(world, count)
        threading.Event().wait(rng.uniform(0.0, 0.4))  # a random moment between claim and record
        havoc.kill_worker()
    world.clear_faults()
    wait_for(world, len(EXPECTED))
    wait_until(lambda: not open_rows(instance), "the outbox still has messages under way")

    verdict = judge(EXPECTED, world.journal())
    assert verdict.is_clean, verdict


def test_parts_end_with_their_supervisor_even_before_they_have_started(instance: Instance) -> None:
    havoc = Havoc(instance, random.Random(1))
    orphans = set()
    for _ in range(2):
        orphans |= set(havoc.parts().values())
        havoc.kill_supervisor()
    instance.wait_until_ready()

    for pid in orphans:
        wait_until(lambda pid=pid: not havoc.lives(pid), f"{pid} lives on without its supervisor")
