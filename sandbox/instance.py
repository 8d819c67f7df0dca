"""One whole instance of the product on this machine, as real processes: for end-to-end tests and benchmarks."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

from sandbox.machine import monotonic_s
from sandbox.world import World, free_port, start_valkey

START_TIMEOUT_S = 120.0  # imports take a while on a busy machine with two cores
STOP_TIMEOUT_S = 20.0
STAFF_EMAIL = "desk@example.net"


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM end the program as an exception does, so that what it started is ended too.

    Only where nobody has said otherwise, and only in the main thread, the one that may say so.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # asked once is enough: what cleans up is not to be cut short
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Instance:
    """A record, a Valkey, the stand-ins, ``portal web`` and ``portal worker``, with day time in the caller's hand.

    Use as a context manager; everything lives in ``folder`` and ends with the block. ``settings`` overrides or adds
    environment variables; ``{world}`` in them is the stand-ins' address. The pages' address is ``url``; what web and
    worker print is in ``folder``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        day: datetime,
        settings: Mapping[str, str] | None = None,
        world: World | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.world = world or World(data_dir=folder / "world")
        self.password = secrets.token_urlsafe(12)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clock_path = folder / "day.json"
        self._settings = dict(settings or {})
        self._stack = ExitStack()
        self._anchor = (monotonic_s(), day, 0.0)
        self.environ: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._steer(self._anchor[1], 0.0)
        with ExitStack() as stack:
            stack.enter_context(ended_in_order())
            redis_url = stack.enter_context(start_valkey(self.folder / "valkey"))
            stack.enter_context(self.world)
            self.world.set_portal(self.url)
            stack.callback(self.stop_all)
            self.environ = self._environment(redis_url)
            self.run("init")
            self.start("web", "web", "--port", str(self.port))
            self.start("worker", "worker")
            self.wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def now(self) -> datetime:
        """Return day time."""
        machine_s, day, rate = self._anchor
        return day + timedelta(seconds=(monotonic_s() - machine_s) * rate)

    @property
    def rate(self) -> float:
        """How fast day time runs, in day seconds a machine second."""
        return self._anchor[2]

    def set_day(self, day: datetime, rate: float = 0.0) -> None:
        """Make it ``day``, and let it run ``rate`` times as fast as the machine from there (0: stand still)."""
        self._steer(day, rate)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one ``portal`` command to its end and return what it printed."""
        command = [sys.executable, "-m", "portal.cli", *words]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=False, timeout=300)
        if check and done.returncode:
            raise RuntimeError(f"portal {words[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a ``portal`` command as a process of its own process group, its output in ``folder/name.log``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = self._spawn(words, log)
        return self.processes[name]

    def stop(self, name: str) -> int:
        """Ask a process to end as an operator would (SIGTERM) and return its exit status."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def kill(self, name: str) -> None:
        """Kill a process and all it started, as a crash of the machine would."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self) -> None:
        """End every process that is still there."""
        for name in list(self.processes):
            self.stop(name)

    def wait_until_ready(self) -> None:
        """Return when web answers and every part of the worker beats; raises ``TimeoutError`` with the last answer."""
        deadline = monotonic_s() + START_TIMEOUT_S
        said = "nothing"
        while monotonic_s() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended by itself: {(self.folder / f'{name}.log').read_text()[-2000:]}")
            try:
                said = self.get("/readyz")
                if json.loads(said).get("status") == "ok" and not json.loads(said)["late_parts"]:
                    return
            except (OSError, ValueError, http.client.HTTPException) as error:
                said = repr(error)
            time.sleep(0.1)
        raise TimeoutError(f"not ready after {START_TIMEOUT_S:.0f} s: {said}; see {self.folder}")

    def wait_for_port(self, port: int) -> None:
        """Return when something listens on this port of 127.0.0.1; raises ``TimeoutError``."""
        deadline = monotonic_s() + START_TIMEOUT_S
        while monotonic_s() < deadline:
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"nothing listens on port {port} after {START_TIMEOUT_S:.0f} s")

    def get(self, path: str) -> str:
        """Return the body of a page, whatever its status."""
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _spawn(self, words: tuple[str, ...], log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "portal.cli", *words]
        return subprocess.Popen(command, env=self.environ, stdout=log, stderr=log, start_new_session=True)

    def _steer(self, day: datetime, rate: float) -> None:
        self._anchor = (monotonic_s(), day, rate)
        told = {"machine_s": self._anchor[0], "day_s": day.timestamp(), "rate": rate}
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as fresh:
            json.dump(told, fresh)
        os.replace(fresh.name, self._clock_path)

    def _environment(self, redis_url: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        return {
            **kept,
            **self.world.environment(),
            "PORTAL_DATABASE_URL": f"sqlite:///{self.folder / 'portal.db'}",
            "PORTAL_REDIS_URL": redis_url,
            "PORTAL_SECRET_KEYS": secrets.token_urlsafe(32),
            "PORTAL_PUBLIC_URL": self.url,
            "PORTAL_DATA_DIR": str(self.folder / "data"),
            "PORTAL_MAIL_FROM": "deliveries@example.net",
            "PORTAL_COMPANY_NAME": "Juniper & Sons",
            "PORTAL_SUPPORT_PHONE": "+12125550199",
            "PORTAL_SUPPORT_EMAIL": "help@example.net",
            "PORTAL_DEMO_CLOCK": str(self._clock_path),
            "PORTAL_SWEEP_S": "0.5",
            "PORTAL_INIT_EMAIL": STAFF_EMAIL,
            "PORTAL_INIT_PASSWORD": self.password,
            **{name: value.replace("{world}", self.world.twilio_url) for name, value in self._settings.items()},
        }
