"""A house with many routes under way, and what is measured in it: processes on cores, their memory and time."""

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any, Self

from sqlalchemy import update

from sandbox.instance import Instance
from tests.portal.recipient_day import HOME, NOW, on_the_way
from tracking.clocks import SystemClock
from tracking.fixes import Fix, dump_fix
from tracking.ids import new_link_id
from tracking.links import Audience, Link, LinkSigner
from tracking.routes import RouteState
from tracking.stops import Stop
from tracking.storage import Database

HERE = Path(__file__).resolve().parent
SERVER_CORE, CLIENT_CORE = 0, 1
PATIENCE_S = 120.0
ONE_AND_ALL = 20  # viewers of one delivery in the fan-out


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Start processes on this core; they keep it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def compiled(name: str, folder: Path) -> Path:
    """Return the program of ``name.c``, compiled into ``folder``."""
    gcc = shutil.which("gcc") or shutil.which("cc")
    if gcc is None:
        raise SystemExit("no C compiler: apt-get install gcc libc6-dev")
    target = folder / name
    subprocess.run([gcc, "-O2", "-o", str(target), str(HERE / f"{name}.c")], check=True)
    return target


def allow_many_files() -> None:
    """Let this process and what it starts hold as many connections as the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to end, and end it when it does not."""
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_s(pids: list[int]) -> float:
    """Return the processor seconds that these processes have used so far, all threads."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_kb(pids: list[int]) -> float:
    """Return the proportional share of memory of these processes."""
    total = 0.0
    for pid in pids:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(float(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total


class Viewers:
    """The C program that watches: see ``viewers.c``."""

    def __init__(self, program: Path, port: int, paths: list[str], folder: Path, *, in_flight: int = 128) -> None:
        listed = folder / f"paths-{port}.txt"
        listed.write_text("\n".join(paths) + "\n")
        with on_core(CLIENT_CORE):
            self._process = subprocess.Popen(
                [str(program), "127.0.0.1", str(port), str(listed), str(in_flight)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, word: str) -> dict[str, Any]:
        """Say one word and return the answer; raises ``TimeoutError`` when a stream hangs, so that none comes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        giving_up = Timer(PATIENCE_S, self._process.kill)
        giving_up.start()
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            giving_up.cancel()
        if not line:
            raise TimeoutError(f"no answer to {word} within {PATIENCE_S:.0f} s")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def until(self, name: str, value: int, *, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the report in which ``name`` has reached ``value``."""
        deadline = time.monotonic() + patience_s
        while True:
            report = self.ask("report")
            if report[name] >= value:
                return report
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is {report[name]}, not {value}")
            time.sleep(0.2)

    def until_quiet(self) -> dict[str, Any]:
        """Return the report once no event has come for half a second."""
        before = -1
        while True:
            report = self.ask("report")
            if report["events"] == before:
                return report
            before = report["events"]
            time.sleep(0.5)


class House:
    """An instance whose worker rests, with ``deliveries`` on their way and 20 links to each."""

    def __init__(self, folder: Path, *, deliveries: int) -> None:
        self.instance = Instance(folder, day=NOW)
        self._count = deliveries
        self.delivery_ids: list[str] = []
        self.paths: list[str] = []

    def __enter__(self) -> Self:
        self.instance.__enter__()
        self.instance.stop("worker")
        self.instance.stop("web")
        self._fill()
        return self

    def __exit__(self, *error: Any) -> None:
        self.instance.__exit__(*error)

    def start(self, name: str, *command: str, port: int) -> int:
        """Start a ``portal`` command on the servers' core and return its process id once it listens."""
        with on_core(SERVER_CORE):
            process = self.instance.start(name, *command, "--port", str(port))
        self.instance.wait_for_port(port)
        return process.pid

    def freshen(self) -> None:
        """Let every truck have been heard of just now."""
        now = SystemClock().now()
        fix = Fix(HOME[0] - 0.0143, HOME[1] - 0.013, now, now, 8.0, 9.0, 48.0)
        with closing(Database(self.instance.environ["PORTAL_DATABASE_URL"])) as database, database.writing() as session:
            session.execute(update(RouteState).values(engine={"recent": [dump_fix(fix)]}))
            session.execute(update(Stop).where(Stop.eta_at.is_not(None)).values(eta_at=now + timedelta(minutes=21)))

    def _fill(self) -> None:
        del self.instance.environ["PORTAL_DEMO_CLOCK"]  # it asks for a file's age at every look
        signer = LinkSigner(self.instance.environ["PORTAL_SECRET_KEYS"].split(","))
        with closing(Database(self.instance.environ["PORTAL_DATABASE_URL"])) as database, database.writing() as session:
            for index in range(self._count):
                delivery = on_the_way(session, driver_phone=f"+1201555{index:04d}")
                self.delivery_ids.append(delivery.id)
            for index in range(self._count * ONE_AND_ALL):
                link_id = new_link_id()
                session.add(_link(link_id, self.delivery_ids[index % self._count]))
                self.paths.append(f"/t/{signer.token(link_id, Audience.RECIPIENT)}/live")


def _link(link_id: str, delivery_id: str) -> Link:
    now = SystemClock().now()
    return Link(
        id=link_id,
        audience=Audience.RECIPIENT,
        delivery_id=delivery_id,
        route_id=None,
        driver_id=None,
        created_at=now,
        expires_at=now + timedelta(days=14),
        revoked_at=None,
        bound_to=None,
        bound_at=None,
    )
