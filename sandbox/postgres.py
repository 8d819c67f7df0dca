"""A private PostgreSQL cluster for one run of tests or of a benchmark, under an account that is not root."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

import psycopg

from sandbox.world import free_port

USER = "portal"
PAUSE_S = 0.1


def find_initdb() -> Path | None:
    """Return the path of the newest ``initdb`` on this machine, or None."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve()
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1] if found else None


class Cluster:
    """One server on a loopback port. ``durable`` keeps fsync on, for tests that kill it."""

    def __init__(self, initdb: Path, *, durable: bool = False) -> None:
        self._bin = initdb.parent
        self._folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir="/tmp"))
        self._account = _account()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> "Cluster":
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        data = self._folder / "data"
        words = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run([str(self._bin / "initdb"), "-D", str(data), *words])
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        speed = (
            [] if self._durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        )
        with (self._folder / "log").open("ab") as log:
            self._process = self._started(speed, log)
        self._run([str(self._bin / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "30"], tries=300)

    def _started(self, speed: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                str(self._bin / "postgres"),
                *("-D", str(self._folder / "data"), "-p", str(self.port), "-h", "127.0.0.1"),
                *("-k", str(self._folder), "-c", "max_connections=200", "-c", "shared_buffers=64MB", *speed),
            ],
            stdout=subprocess.DEVNULL,
            stderr=log,
            user=self._user,
            group=self._group,
        )

    def stop(self) -> None:
        """End the server at once (fast shutdown)."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)

    def kill(self) -> None:
        """Kill the server as a crash would (its children end with it)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=30)

    def url(self, name: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str | None = None) -> str:
        """Create a database, a copy of ``template`` if one is named, and return its address."""
        self._sql(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _sql(self, statement: str) -> None:
        with psycopg.connect(f"postgresql://{USER}@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def _user(self) -> int | None:
        return None if self._account is None else self._account.pw_uid

    @property
    def _group(self) -> int | None:
        return None if self._account is None else self._account.pw_gid

    def _run(self, command: list[str], tries: int = 1) -> None:
        for left in reversed(range(tries)):
            done = subprocess.run(
                command, capture_output=True, check=False, cwd="/", user=self._user, group=self._group
            )
            if done.returncode == 0:
                return
            time.sleep(PAUSE_S)  # a server that is still recovering says no at once
            if not left:
                raise RuntimeError(f"{command[0]} failed: {done.stderr.decode()}")


def _account() -> pwd.struct_passwd | None:
    """Return the account to run under: nobody's or PostgreSQL's when we are root, else our own (None)."""
    if getpass.getuser() != "root" and os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no account postgres or nobody")
