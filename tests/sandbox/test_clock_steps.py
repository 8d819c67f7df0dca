import os
import signal
import subprocess
import sys
from pathlib import Path

from sandbox.clock_steps import HOUR_S, ClockSteps

LOOK = """
import sys, time
for line in sys.stdin:
    print(time.time(), time.monotonic(), flush=True)
"""
PATIENT = """
import signal
from contextlib import ExitStack
from sandbox.instance import ended_in_order
with ExitStack() as stack:
    stack.callback(print, "cleaned up", flush=True)
    stack.enter_context(ended_in_order())
    print("ready", flush=True)
    signal.pause()
"""


def test_a_running_process_lives_through_an_hour_forward_and_back(tmp_path: Path) -> None:
    steps = ClockSteps(tmp_path / "clock")
    environ = {**os.environ, **steps.environment()}
    words = [sys.executable, "-c", LOOK]
    with subprocess.Popen(words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = []
        for _ in range(3):
            process.stdin.write("look\n")
            process.stdin.flush()
            seen.append([float(word) for word in process.stdout.readline().split()])
            steps.strike()
        process.stdin.close()

    (first, steady), (forward, _), (back, steady_later) = seen
    assert abs(forward - first - HOUR_S) < 60
    assert abs(back - first) < 60
    assert 0 <= steady_later - steady < 60


def test_a_program_ended_by_sigterm_cleans_up() -> None:
    with subprocess.Popen([sys.executable, "-c", PATIENT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)

        assert process.stdout.readline() == "cleaned up\n"
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
