"""Havoc: kills, pauses and empties the processes of an ``Instance`` without asking them."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from sandbox.clock_steps import ClockSteps
from sandbox.instance import Instance
from sandbox.machine import monotonic_s
from sandbox.postgres import Cluster
from sandbox.world import is_free

LEASE_S = 6.0  # of the instances that are struck
PAUSES_S = (1.1 * LEASE_S, 1.9 * LEASE_S)  # some shorter, some longer than lease and settle time (3 s) together
AWAY_S = (0.1, 1.5)  # how long a killed server stays away
START_TIMEOUT_S = 30.0
# How often each is struck, in parts (our choice: most of it where messages are in hand).
WEIGHTS = {
    "sms": 26,
    "mail": 16,
    "rest": 14,
    "cron": 4,
    "consumer": 3,
    "pause": 18,
    "clock": 4,
    "supervisor": 5,
    "worker": 7,
    "web": 6,
    "valkey": 6,
    "database": 8,
}


class Havoc:
    """Strikes one thing after another, as ``rng`` decides. ``cluster`` is the database's server where there is one.

    ``steps`` is the clock of the instance's processes, where that can be set.
    """

    def __init__(
        self,
        instance: Instance,
        rng: random.Random,
        cluster: Cluster | None = None,
        steps: ClockSteps | None = None,
    ) -> None:
        self._instance, self._rng, self._cluster, self._steps = instance, rng, cluster, steps
        self._commands = {"worker": ("worker",), "web": ("web", "--port", str(instance.port))}
        self._paused: dict[int, tuple[float, float]] = {}
        self._valkeys: list[subprocess.Popen[bytes]] = []
        self.struck: Counter[str] = Counter()
        self.pauses_s: list[float] = []  # of those that lived to wake
        there = {"database": cluster is not None, "clock": steps is not None}
        self._weights = {name: weight for name, weight in WEIGHTS.items() if there.get(name, True)}

    @property
    def kills(self) -> int:
        """How often something was killed with SIGKILL."""
        return sum(count for name, count in self.struck.items() if name not in {"pause", "flush", "clock"})

    def choose(self) -> str:
        """Return what is struck next."""
        return self._rng.choices(list(self._weights), weights=list(self._weights.values()))[0]

    def strike(self, name: str) -> bool:
        """Strike what was chosen; False when it is not there just now."""
        blows: dict[str, Callable[[], bool]] = {
            "pause": self.pause,
            "supervisor": self.kill_supervisor,
            "worker": self.kill_worker,
            "web": self.kill_web,
            "valkey": self.kill_valkey,
            "database": self.kill_database,
            "clock": self.step_clock,
        }
        blow = blows.get(name)
        has_struck = self.kill_part(name) if blow is None else blow()
        self.struck[name] += has_struck
        return has_struck

    def tend(self) -> None:
        """Wake those whose pause is over; start again what ended by itself, as an operator's systemd does."""
        for name, words in self._commands.items():
            if self._instance.processes[name].poll() is not None:
                self._instance.start(name, *words)
        for pid, (_, until) in list(self._paused.items()):
            if monotonic_s() >= until:
                self._wake(pid)

    def calm(self) -> None:
        """Wake everybody as soon as they have slept past their lease: a pause cut short would prove nothing."""
        while any(since + PAUSES_S[0] > monotonic_s() for since, _ in self._paused.values()):
            time.sleep(0.05)
        for pid in list(self._paused):
            self._wake(pid)

    def _wake(self, pid: int) -> None:
        since, _ = self._paused.pop(pid)
        if self.lives(pid) and _signal(pid, signal.SIGCONT):
            self.pauses_s.append(monotonic_s() - since)

    def end(self) -> None:
        """Wake everybody at once, and end the servers that were started here."""
        for pid in list(self._paused):
            self._wake(pid)
        for server in self._valkeys:
            server.terminate()
            server.wait()

    def flush(self) -> bool:
        """Empty Valkey; False when it does not answer."""
        try:
            Redis.from_url(self._instance.environ["PORTAL_REDIS_URL"]).flushall()
        except RedisError:
            return False
        self.struck["flush"] += 1
        return True

    def kill_part(self, part: str) -> bool:
        """Kill one part of the worker, unless it is asleep; its supervisor starts it again."""
        pid = self.parts().get(part)
        return pid is not None and pid not in self._paused and _signal(pid, signal.SIGKILL)

    def pause(self) -> bool:
        """Stop a part for longer than its lease."""
        pid = self.parts().get(self._rng.choice(("sms", "mail", "rest")))
        if pid is None or pid in self._paused:
            return False
        now = monotonic_s()
        self._paused[pid] = (now, now + self._rng.uniform(*PAUSES_S))
        return _signal(pid, signal.SIGSTOP)

    def sleep_part(self, part: str, seconds: float) -> bool:
        """Stop one part of the worker for so long, and let it go on."""
        pid = self.parts().get(part)
        return pid is not None and _sleep(pid, seconds)

    def sleep_valkey(self, seconds: float) -> bool:
        """Stop Valkey for so long, and let it go on: nobody's connection ends."""
        info: Any = Redis.from_url(self._instance.environ["PORTAL_REDIS_URL"]).info("server")
        return _sleep(int(info["process_id"]), seconds)

    def step_clock(self) -> bool:
        """Set the clock an hour forward, or back again."""
        assert self._steps is not None
        return self._steps.strike()

    def kill_supervisor(self) -> bool:
        """Kill the worker's first process only; its parts notice, and end by themselves."""
        if not self.parts():
            return False
        process = self._instance.processes["worker"]
        process.kill()
        process.wait()
        self._instance.start("worker", *self._commands["worker"])
        return True

    def kill_worker(self) -> bool:
        """Kill the worker and all its parts, and start it anew."""
        if not self.parts():
            return False
        self._instance.kill("worker")
        self._instance.start("worker", *self._commands["worker"])
        return True

    def kill_web(self) -> bool:
        """Kill the pages, and start them anew."""
        if is_free(self._instance.port):
            return False
        self._instance.kill("web")
        self._instance.start("web", *self._commands["web"])
        return True

    def kill_valkey(self) -> bool:
        """Kill Valkey and start it anew on its port and append-only file."""
        redis = Redis.from_url(self._instance.environ["PORTAL_REDIS_URL"])
        try:
            pid = int(redis.info("server")["process_id"])
        except RedisError:
            return False
        binary, folder = Path(f"/proc/{pid}/exe").readlink(), Path(f"/proc/{pid}/cwd").readlink()
        _signal(pid, signal.SIGKILL)
        time.sleep(self._rng.uniform(*AWAY_S))
        with (folder / "valkey.log").open("ab") as log:
            self._valkeys.append(subprocess.Popen([binary, folder / "valkey.conf"], cwd=folder, stdout=log, stderr=log))
        self._until(redis.ping)
        return True

    def kill_database(self) -> bool:
        """Kill PostgreSQL's first process, and start it anew."""
        assert self._cluster is not None
        self._cluster.kill()
        time.sleep(self._rng.uniform(*AWAY_S))
        self._cluster.start()
        return True

    def parts(self) -> dict[str, int]:
        """Return the process id of each part that the worker of now has started."""
        worker = self._instance.processes["worker"].pid
        try:
            children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        except FileNotFoundError:
            return {}
        found = {}
        for pid in map(int, children):
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except FileNotFoundError:
                continue
            found[name.removeprefix("portal-")] = pid
        return found

    @staticmethod
    def lives(pid: int) -> bool:
        """Tell whether a process is there and more than a zombie nobody has buried."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def _until(self, answers: Callable[[], object]) -> None:
        deadline = monotonic_s() + START_TIMEOUT_S
        while monotonic_s() < deadline:
            try:
                answers()
            except RedisError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("Valkey did not come back")


def _sleep(pid: int, seconds: float) -> bool:
    if not _signal(pid, signal.SIGSTOP):
        return False
    time.sleep(seconds)
    return _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
