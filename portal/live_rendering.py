"""Renders rooms in threads, once for all who watch, and again when something has changed meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal.live_rooms import Room
from portal.services import Services
from portal.topics import Snapshot, Topic
from tracking.errors import NotFound

THREADS = 2  # they share one interpreter with the loop: more would only fight for it (make bench-live)
RETRY_S = 1.0  # after a record that could not be read
# While this many come within so short a time, streams are opened first: their snapshots wait, but not longer than that.
STORM, STORM_WITHIN_S, LONGEST_STORM_S = 20, 0.1, 5.0
CALM_S = 0.25  # without so many: a machine that is busy with something else makes pauses of its own

log = structlog.get_logger()


class Renderer:
    """``spawn`` runs a coroutine until it is done or the hub stops."""

    def __init__(self, services: Services, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._services = services
        self._spawn = spawn
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="live")
        self._came = 0
        self._mark = (float("-inf"), 0)  # machine time, and how many had come; at most so long ago as a storm is short
        self._storm_ends_s = float("-inf")  # machine time, when no more come

    def stop(self) -> None:
        """Wait for what is being rendered."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def one_came(self, elapsed_s: float) -> None:
        """Note a newcomer."""
        if not 0 <= elapsed_s - self._mark[0] <= STORM_WITHIN_S:
            self._mark = (elapsed_s, self._came)
        self._came += 1
        if self._came - self._mark[1] >= STORM:
            self._storm_ends_s = elapsed_s + CALM_S

    def touch(self, room: Room) -> None:
        """Have the room rendered soon; many touches before that are one."""
        room.is_dirty = True
        if not room.is_busy:
            room.is_busy = True
            self._spawn(self._render(room))

    async def _render(self, room: Room) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._let_others_in()
            while room.is_dirty and room.viewers:
                mark = room.begin()
                try:
                    snapshot = await loop.run_in_executor(self._pool, self._read, room.topic)
                except NotFound:
                    snapshot = Snapshot([], is_over=True)
                except SQLAlchemyError as error:
                    log.warning("room not rendered", topic=room.name.partition(":")[0], error=type(error).__name__)
                    room.is_dirty = True
                    await asyncio.sleep(RETRY_S)
                    continue
                room.show(snapshot, mark, self._services.clock.elapsed(), self._services.clock.now())
        finally:
            room.is_busy = False

    async def _let_others_in(self) -> None:
        waited_s = 0.0
        while waited_s < LONGEST_STORM_S and self._is_stormy():
            await asyncio.sleep(STORM_WITHIN_S)
            waited_s += STORM_WITHIN_S

    def _is_stormy(self) -> bool:
        left_s = self._storm_ends_s - self._services.clock.elapsed()
        return 0 < left_s <= CALM_S  # more is left only when the clock was set back

    def _read(self, topic: Topic) -> Snapshot:
        with self._services.database.reading() as session:
            return topic.snapshot(session, self._services, self._services.clock.now())
