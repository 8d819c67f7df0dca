import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from portal.supervisor import FIRST_WAIT_S, Supervisor
from tracking.clocks import SystemClock

SLEEPER = [sys.executable, "-S", "-c", "import signal; signal.pause()"]


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """What ends the supervisor under test."""
    event = threading.Event()
    yield event
    event.set()


def wait_for_pid(supervisor: Supervisor, other_than: int | None = None) -> int:
    clock = SystemClock()
    deadline = clock.elapsed() + 20
    while True:
        pid = supervisor.pids().get("part")
        if pid is not None and pid != other_than:
            return pid
        assert clock.elapsed() < deadline
        threading.Event().wait(0.02)


def test_a_killed_part_starts_again_and_all_end_on_stop(stop: threading.Event) -> None:
    supervisor = Supervisor({"part": SLEEPER}, SystemClock().elapsed)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    first = wait_for_pid(supervisor)

    os.kill(first, signal.SIGKILL)
    second = wait_for_pid(supervisor, other_than=first)
    stop.set()
    thread.join(timeout=10)

    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_what_was_killed_starts_again_soon_however_often(stop: threading.Event) -> None:
    clock = SystemClock()
    supervisor = Supervisor({"part": SLEEPER}, clock.elapsed)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    pid, killed_s = None, 0.0
    for _ in range(4):
        pid = wait_for_pid(supervisor, other_than=pid)
        os.kill(pid, signal.SIGKILL)
        killed_s = clock.elapsed()
    wait_for_pid(supervisor, other_than=pid)
    again_s = clock.elapsed() - killed_s
    stop.set()
    thread.join(timeout=10)

    assert again_s < 3 * FIRST_WAIT_S + 2.0  # without the rule it would be four waits, doubled each time


def _tell_shared(pipe: Connection) -> int:
    gc.collect()
    pipe.send(gc.get_freeze_count())
    pipe.recv()
    return 0


def test_a_forks_collector_leaves_what_it_shares_alone(stop: threading.Event) -> None:
    ours, theirs = Pipe()
    before = len(gc.get_objects())
    supervisor = Supervisor({"part": partial(_tell_shared, theirs)}, SystemClock().elapsed)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    assert ours.poll(20)
    shared = ours.recv()
    stop.set()
    ours.send(None)
    thread.join(timeout=20)

    assert shared > before / 2  # the rest was garbage of other tests
    assert gc.get_freeze_count() == 0
