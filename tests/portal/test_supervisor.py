import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from portal.supervisor import FIRST_WAIT_S, Supervisor
from tracking.clocks import SetClock, SystemClock, steady_s

SLEEPER = [sys.executable, "-S", "-c", "import signal; signal.pause()"]


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """What ends the supervisor under test."""
    event = threading.Event()
    yield event
    event.set()


def wait_until(look: Callable[[], bool]) -> None:
    deadline = steady_s() + 60
    while not look():
        assert steady_s() < deadline
        threading.Event().wait(0.02)


def wait_for_pid(supervisor: Supervisor, other_than: int | None = None) -> int:
    wait_until(lambda: supervisor.pids().get("part", other_than) != other_than)
    return supervisor.pids()["part"]


def test_a_killed_part_starts_again_and_all_end_on_stop(stop: threading.Event) -> None:
    supervisor = Supervisor({"part": SLEEPER}, SystemClock().elapsed)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    first = wait_for_pid(supervisor)

    os.kill(first, signal.SIGKILL)
    second = wait_for_pid(supervisor, other_than=first)
    stop.set()
    thread.join(timeout=60)

    assert not thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_what_was_killed_starts_again_soon_however_often(stop: threading.Event, clock: SetClock) -> None:
    supervisor = Supervisor({"part": SLEEPER}, clock.elapsed)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    for _ in range(4):  # without the rule the second would wait for twice as long, and not come
        os.kill(wait_for_pid(supervisor), signal.SIGKILL)
        wait_until(lambda: not supervisor.pids())
        clock.advance(seconds=FIRST_WAIT_S)
    wait_for_pid(supervisor)
    stop.set()
    thread.join(timeout=60)


def _tell_shared(pipe: Connection) -> int:
    gc.collect()
    pipe.send(gc.get_freeze_count())
    pipe.recv()
    return 0


def test_a_forks_collector_leaves_what_it_shares_alone(stop: threading.Event) -> None:
    ours, theirs = Pipe()
    gc.collect()
    before = len(gc.get_objects())
    supervisor = Supervisor({"part": partial(_tell_shared, theirs)}, SystemClock().elapsed)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    assert ours.poll(60)
    shared = ours.recv()
    stop.set()
    ours.send(None)
    thread.join(timeout=60)

    assert shared > before / 2
    assert gc.get_freeze_count() == 0
