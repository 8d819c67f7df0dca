"""The product's processes, as the demo runs them: started, watched, ended; nobody else's are touched."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

END_TIMEOUT_S = 12.0
TAIL_LINES = 15


class ChildFailed(Exception):
    """Raised when a process ended by itself, or a command failed. The message has the end of its output."""


class Children:
    """Processes by name, each with a log file of its own in ``logs``."""

    def __init__(self, *, environ: Mapping[str, str], logs: Path) -> None:
        self._environ, self._logs = dict(environ), logs
        self._running: dict[str, asyncio.subprocess.Process] = {}
        logs.mkdir(parents=True, exist_ok=True)

    async def run(self, name: str, arguments: Sequence[str]) -> str:
        """Run a command to its end and return what it said. Raises ``ChildFailed``."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        said = output.decode(errors="replace")
        (self._logs / f"{name}.log").write_text(said, encoding="utf-8")
        if process.returncode != 0:
            raise ChildFailed(f"{name} failed:\n{_tail(said)}")
        return said

    async def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start a process that stays. It has a session of its own, so that Ctrl-C reaches only us and we end it."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ``ChildFailed`` if one has ended by itself."""
        for name, process in self._running.items():
            if process.returncode is not None:
                said = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                raise ChildFailed(f"{name} ended with {process.returncode}:\n{_tail(said)}")

    async def end(self) -> None:
        """End all, side by side: SIGTERM, and SIGKILL to its session when that takes too long."""
        running = [process for process in self._running.values() if process.returncode is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(_ended(process) for process in running))
        self._running.clear()


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), END_TIMEOUT_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _tail(said: str) -> str:
    return "\n".join(said.splitlines()[-TAIL_LINES:])
