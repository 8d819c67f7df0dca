"""The supervisor: keeps child processes alive, and ends them in order. It knows nothing of what they do."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

LOOK_S = 0.25
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0  # between a part's end and its restart, doubling (our choice)
STEADY_S = 20.0  # a part that ran so long starts again at once
POLITE_S = 4.0  # between asking a part to end and ending it
SUPERVISOR = "SUPERVISOR_PID"  # tells a part whose child it is: it may lose its parent before it can ask


@dataclass(slots=True)
class _Part:
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    start_at: float = 0.0
    wait_s: float = field(default=FIRST_WAIT_S)


class Supervisor:
    """Runs each of ``commands`` (by name) as a child process until ``stop`` is set. ``elapsed`` is machine seconds."""

    def __init__(self, commands: Mapping[str, Sequence[str]], elapsed: Callable[[], float]) -> None:
        self._parts = {name: _Part(command) for name, command in commands.items()}
        self._elapsed = elapsed
        self._environ = {**os.environ, SUPERVISOR: str(os.getpid())}

    def run(self, stop: threading.Event) -> None:
        """Start every part, restart what ends, and on ``stop`` end them all within a few seconds."""
        try:
            while not stop.is_set():
                for name, part in self._parts.items():
                    self._keep(name, part)
                stop.wait(LOOK_S)
        finally:
            self._end_all()

    def pids(self) -> dict[str, int]:
        """Return the process id of each part that runs."""
        return {name: part.process.pid for name, part in self._parts.items() if part.process is not None}

    def _keep(self, name: str, part: _Part) -> None:
        now = self._elapsed()
        if part.process is not None and part.process.poll() is not None:
            ran_s = now - part.started_at
            part.wait_s = FIRST_WAIT_S if ran_s >= STEADY_S else min(LONGEST_WAIT_S, part.wait_s * 2)
            part.start_at = now + part.wait_s
            log.error("part ended", part=name, status=part.process.returncode, restart_in_s=part.wait_s)
            part.process = None
        if part.process is None and now >= part.start_at:
            part.process = subprocess.Popen(part.command, env=self._environ)
            part.started_at = now
            log.info("part started", part=name, pid=part.process.pid)

    def _end_all(self) -> None:
        running = [part.process for part in self._parts.values() if part.process is not None]
        for process in running:
            _signal(process, signal.SIGTERM)
        deadline = self._elapsed() + POLITE_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - self._elapsed()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    if process.poll() is None:
        os.kill(process.pid, number)
