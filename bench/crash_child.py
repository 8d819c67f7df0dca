"""A sender that dies by SIGKILL at a named point: the worker's own job, in a process of its own.

The points are commits of the sender's transactions, told by their statements, and the call to the provider. The
product knows nothing of this: the commits are watched through SQLAlchemy's events, the call through the provider.
"""

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from messaging.channels.base import Handed, Outgoing, Provider
from messaging.kinds import Channel
from portal.services import build
from portal.settings import read_settings
from portal.workshop import Workshop
from tracking.clocks import SetClock

ON_THE_WIRE_S = 0.08  # after which a request is with the stand-in, which takes longer than that to answer


class Point(StrEnum):
    """Where the sender dies, in the order in which it gets there."""

    BEFORE_CLAIM = "before the claim is committed"
    AFTER_CLAIM = "after the claim is committed"
    BEFORE_MARK = "before the row is marked as being posted"
    AFTER_MARK = "after the row is marked as being posted"
    BEFORE_POST = "before the provider is called"
    DURING_POST = "while the provider works"
    AFTER_POST = "after the provider answered"
    BEFORE_RECORD = "before the answer is committed"
    AFTER_RECORD = "after the answer is committed"
    NOWHERE = "nowhere"


_COMMITS = {
    ("claim", "before"): Point.BEFORE_CLAIM,
    ("claim", "after"): Point.AFTER_CLAIM,
    ("mark", "before"): Point.BEFORE_MARK,
    ("mark", "after"): Point.AFTER_MARK,
    ("record", "before"): Point.BEFORE_RECORD,
    ("record", "after"): Point.AFTER_RECORD,
}


@dataclass(frozen=True, slots=True)
class Errand:
    """What one sender is to do: its environment, its two clocks, its channel, and where it dies."""

    environ: dict[str, str]
    at: datetime
    machine_s: float
    channel: Channel
    point: Point


def die() -> None:
    """End this process as a power cut would end it."""
    os.kill(os.getpid(), signal.SIGKILL)


class Watch:
    """Watches the transactions of one engine and dies at the commit that was named."""

    def __init__(self, engine: Engine, point: Point) -> None:
        self._point = point
        self._here = threading.local()  # each transaction runs in one thread
        self.has_posted = False
        event.listen(engine, "before_cursor_execute", self._on_statement)
        event.listen(engine, "commit", self._on_commit)
        event.listen(Session, "after_commit", self._on_committed)

    def _on_statement(
        self, _connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        if not statement.startswith("UPDATE notifications SET"):
            return
        if "attempt=" in statement:
            self._here.act = "claim"
        elif "posting_since=" in statement and "retry_after=" not in statement:
            self._here.act = "mark"
        elif self.has_posted:
            self._here.act = "record"

    def _on_commit(self, _connection: Connection) -> None:
        self._look("before")

    def _on_committed(self, _session: Session) -> None:
        self._look("after")
        self._here.act = None

    def _look(self, when: str) -> None:
        if _COMMITS.get((getattr(self._here, "act", None) or "", when)) is self._point:
            die()


class Pierced:
    """A provider that dies before, during or after its first call."""

    can_find: bool

    def __init__(self, inner: Workshop, channel: Channel, point: Point, watch: Watch) -> None:
        self._inner, self._channel, self._point, self._watch = inner, channel, point, watch
        self.name = "twilio" if channel is Channel.SMS else "smtp"
        self.at_once, self.can_find = 4, channel is Channel.SMS

    async def send(self, message: Outgoing) -> Handed:
        """Hand over, or die."""
        if self._point is Point.BEFORE_POST:
            die()
        try:
            posting = asyncio.ensure_future(self._provider().send(message))
            if self._point is Point.DURING_POST:
                await asyncio.sleep(ON_THE_WIRE_S)
                die()
            return await posting
        finally:
            self._watch.has_posted = True
            if self._point is Point.AFTER_POST:
                die()

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Look at the provider."""
        return await self._provider().find(message, since)

    async def close(self) -> None:
        """Hang up."""
        await self._provider().close()

    def _provider(self) -> Provider:
        return self._inner._provider(self._channel)


def run(errand: Errand) -> None:
    """Do the send job of one channel until its point, or to its end."""
    clock = SetClock(errand.at, errand.machine_s)
    services = build(read_settings(errand.environ), clock=clock)
    looks = itertools.count()
    with asyncio.Runner() as runner:
        inner = Workshop(services, runner)
        watch = Watch(services.database.engine, errand.point)
        pierced = Pierced(inner, errand.channel, errand.point, watch)
        stop_soon = {"should_stop": lambda: next(looks) > 3}
        workshop = Workshop(services, runner, providers={errand.channel: pierced}, **stop_soon)
        workshop.send(errand.channel)
        workshop.close()
