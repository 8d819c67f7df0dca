"""What time alone does to streams: heartbeats, ages, and the ends of links, logins and tickets."""

import asyncio
import os
import socket
from collections.abc import Iterable

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from portal import accounts
from portal.live_hub import BEAT_S, BEATS_A_S, CLOSED, RENEW, Hub
from portal.live_links import KEPT_S, MOST_AT_ONCE
from portal.live_viewers import Viewer
from portal.services import Services

COUNTS = "portal:viewers"  # a hash: process -> "streams machine-seconds", for /metrics
COUNT_EVERY = 5 * BEATS_A_S  # turns
ROUNDS = int(KEPT_S) // BEAT_S  # a viewer's link and login are read anew at every so many of their beats

log = structlog.get_logger()


class Wheel:
    """Turns for as long as the process lives. The record is read off the loop, for everybody once a minute."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._services = services
        self._hub = hub
        self._turn = 0
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    async def run(self) -> None:
        """Turn some times a second."""
        while True:
            await asyncio.sleep(1 / BEATS_A_S)
            self._turn += 1
            viewers = self.see_to_time()
            await self.recheck([viewer for viewer in viewers if self._is_due(viewer)])
            if self._turn % COUNT_EVERY == 0:
                await self._hub.in_thread(self._tell_count, self._hub.viewer_count)

    def _is_due(self, viewer: Viewer) -> bool:
        """Tell whether this beat of the viewer's is the one in ``ROUNDS`` at which the record is asked."""
        return viewer.number % ROUNDS == self._turn // (BEAT_S * BEATS_A_S) % ROUNDS

    def see_to_time(self) -> list[Viewer]:
        """Render what time has changed, end tickets, and beat for some viewers, which are returned."""
        now, elapsed_s = self._services.clock.now(), self._services.clock.elapsed()
        self._hub.touch_what_is_due(now)
        viewers = self._hub.on_beat(self._turn)
        for viewer in viewers:
            if viewer.ends_s is not None and elapsed_s >= viewer.ends_s:
                viewer.hang_up(RENEW)
        self._hub.beat(viewers, now)
        return viewers

    async def recheck(self, viewers: list[Viewer]) -> None:
        """Hang up on those of ``viewers`` whose link is no longer open or whose login has ended."""
        try:
            await self._recheck_links(list({viewer.link_id for viewer in viewers if viewer.link_id}))
            await self._recheck_logins([viewer for viewer in viewers if viewer.login_id])
        except SQLAlchemyError as error:
            log.warning("links and logins not read", error=type(error).__name__)

    async def _recheck_links(self, link_ids: list[str]) -> None:
        for start in range(0, len(link_ids), MOST_AT_ONCE):
            asked = link_ids[start : start + MOST_AT_ONCE]
            found = {link.id: link for link in await self._hub.in_thread(self._hub.links.read, asked)}
            self._hub.links.keep(found.values())
            now = self._services.clock.now()
            for link_id in asked:
                link = found.get(link_id)
                if link is None or link.is_revoked or link.expires_at <= now:
                    self._hub.hang_up_on(link_id)

    async def _recheck_logins(self, viewers: Iterable[Viewer]) -> None:
        login_ids = {viewer.login_id for viewer in viewers}
        if not login_ids:
            return
        still_open: set[str] = await self._hub.in_thread(self.open_logins, login_ids)
        for viewer in viewers:
            if viewer.login_id not in still_open:
                viewer.hang_up(CLOSED, forgets=True)

    def open_logins(self, login_ids: set[str]) -> set[str]:
        """Return those of these staff logins that have not ended. Runs in a thread."""
        with self._services.database.reading() as session:
            return accounts.open_logins(session, login_ids, self._services.clock.elapsed())

    def _tell_count(self, count: int) -> None:
        try:
            self._services.redis.hset(COUNTS, self._name, f"{count} {self._services.clock.elapsed():.0f}")
        except RedisError as error:
            log.warning("viewers not counted", error=type(error).__name__)
