"""The supervisor: keeps child processes alive, and ends them in order. It knows nothing of what they do.

A child is a command, or work to do in a fork: that starts in milliseconds, with everything imported already. Fork only
from a process with one thread and no connection.
"""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

log = structlog.get_logger()

LOOK_S = 0.25
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0  # between a part's end and its restart, doubling (our choice)
STEADY_S = 20.0  # a part that ran so long starts again at once
POLITE_S = 4.0  # between asking a part to end and ending it
SUPERVISOR = "SUPERVISOR_PID"  # tells a part whose child it is: it may lose its parent before it can ask


Work = Callable[[], int]  # returns the exit status
_FORK = multiprocessing.get_context("fork")


class _Child(Protocol):
    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class _Forked:
    """Work in a fork of this process, with the face of ``subprocess.Popen``."""

    def __init__(self, name: str, work: Work) -> None:
        self._process = _FORK.Process(target=_do, args=(work, os.getpid()), name=name)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises ``subprocess.TimeoutExpired``."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return status


def _do(work: Work, supervisor_pid: int) -> None:
    os.environ[SUPERVISOR] = str(supervisor_pid)
    sys.exit(work())


@dataclass(slots=True)
class _Part:
    work: Sequence[str] | Work
    process: _Child | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    wait_s: float = field(default=FIRST_WAIT_S)


class Supervisor:
    """Runs each of ``parts`` (by name) as a child process until ``stop`` is set. ``elapsed`` is machine seconds."""

    def __init__(self, parts: Mapping[str, Sequence[str] | Work], elapsed: Callable[[], float]) -> None:
        self._parts = {name: _Part(work) for name, work in parts.items()}
        self._elapsed = elapsed
        self._environ = {**os.environ, SUPERVISOR: str(os.getpid())}

    def run(self, stop: threading.Event) -> None:
        """Start every part, restart what ends, and on ``stop`` end them all within a few seconds."""
        # What is here stays, and is shared with the forks for as long as nobody writes to it: a collector that looked
        # through it would write to every page, and give each process 40 MB of its own (make soak; docs.python.org, gc).
        gc.collect()
        gc.freeze()
        try:
            while not stop.is_set():
                for name, part in self._parts.items():
                    self._keep(name, part)
                stop.wait(LOOK_S)
        finally:
            self._end_all()
            gc.unfreeze()

    def pids(self) -> dict[str, int]:
        """Return the process id of each part that runs."""
        return {name: part.process.pid for name, part in self._parts.items() if part.process is not None}

    def _keep(self, name: str, part: _Part) -> None:
        now = self._elapsed()
        status = None if part.process is None else part.process.poll()
        if status is not None:
            # What was killed is no worse for it; what ends by itself would do so again at once.
            is_steady = status < 0 or now - part.started_at >= STEADY_S
            part.wait_s = FIRST_WAIT_S if is_steady else min(LONGEST_WAIT_S, part.wait_s * 2)
            part.start_at = now + part.wait_s
            log.error("part ended", part=name, status=status, restart_in_s=part.wait_s)
            part.process = None
        if part.process is None and now >= part.start_at:
            part.process = self._started(name, part.work)
            part.started_at = now
            log.info("part started", part=name, pid=part.process.pid)

    def _started(self, name: str, work: Sequence[str] | Work) -> _Child:
        return _Forked(name, work) if callable(work) else subprocess.Popen(work, env=self._environ)

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


def _signal(process: _Child, number: signal.Signals) -> None:
    if process.poll() is None:
        os.kill(process.pid, number)
