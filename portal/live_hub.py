"""The hub of live pages: one Redis subscription a process in, one stream a viewer out.

Facts make rooms dirty; a dirty room is rendered once in a thread, however many watch, and its viewers get what is new.
The loop itself never touches SQL. What time alone changes, heartbeats, and the ends of links and tickets are seen to by
one wheel that turns every second.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal import accounts
from portal.live_links import KEPT_S, KnownLink, LinkBook
from portal.live_rooms import OVER, Room, place_event
from portal.live_viewers import Viewer, message
from portal.services import Services
from portal.topics import Snapshot, Topic
from tracking.errors import NotFound
from tracking.facts import Fact

BEAT_S = 15  # DESIGN 7
STREAMS_A_LINK = 3  # reference/messaging.md 5.4
FRESH_S = 5.0  # a newcomer gets what was rendered within this, else it is rendered again (our choice)
RENDER_THREADS = 4
RETRY_S = 1.0  # after a record that could not be read
CANCEL_AGAIN_S = 0.5
SPREAD_MS = 4000  # viewers come back spread over this when a process stops
GOLDEN = 0.6180339887

CLOSED = message("closed", "gone")
FULL = message("full", "gone")
RENEW = message("1", "renew")

log = structlog.get_logger()
TopicKinds = Mapping[str, Callable[[str, str], Topic]]


class Hub:
    """Rooms, viewers and the wheel. Everything here runs on the loop but ``_read``."""

    def __init__(self, services: Services, kinds: TopicKinds) -> None:
        self._services = services
        self._kinds = kinds
        self.links = LinkBook(services)
        self._pool: ThreadPoolExecutor | None = None
        self._rooms: dict[str, Room] = {}
        self._by_id: defaultdict[str, set[Room]] = defaultdict(set)
        self._listeners: set[Room] = set()
        self._room_of: dict[Viewer, Room] = {}
        self._by_link: defaultdict[str, list[Viewer]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen_at: dict[str, str] = {}  # by route: the truck's last sign of life
        self._count = 0
        self._turn = 0

    def start(self) -> None:
        """Begin to turn."""
        self._pool = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="live")
        self.spawn(self._wheel())

    async def stop(self) -> None:
        """Tell every viewer to come back a little later, and end."""
        self.drain()
        left = set(self._tasks)
        while left:  # more than once: while it connects, redis-py may take a cancel for a time-out of its own and go on
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it is done or the hub stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run something that may wait for SQL, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    # Viewers

    def join(
        self, topic_name: str, locale: str, *, link_id: str = "", login_id: str = "", ends_s: float | None = None
    ) -> Viewer | None:
        """Let the current task's viewer in; None when there is no such topic. The snapshot follows by itself."""
        room = self._room(topic_name, locale)
        if room is None:
            return None
        self._count += 1
        viewer = Viewer(number=self._count, link_id=link_id, login_id=login_id, ends_s=ends_s)
        room.viewers.add(viewer)
        room.waiting.add(viewer)
        self._room_of[viewer] = room
        if link_id:
            mine = self._by_link[link_id]
            mine.append(viewer)
            if len(mine) > STREAMS_A_LINK:
                mine[0].hang_up(FULL)
                del mine[0]
        if self._services.clock.elapsed() - room.rendered_s <= FRESH_S and not room.is_dirty:
            room.show(room.newest, room.begin(), room.rendered_s)
        else:
            self.touch(room)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer whose stream has ended, and a room that nobody is left in."""
        room = self._room_of.pop(viewer, None)
        if room is None:
            return
        room.viewers.discard(viewer)
        room.waiting.discard(viewer)
        mine = self._by_link.get(viewer.link_id)
        if mine is not None:
            if viewer in mine:
                mine.remove(viewer)
            if not mine:
                del self._by_link[viewer.link_id]
        if not room.viewers:
            self._close(room)

    @property
    def viewer_count(self) -> int:
        """How many streams are open."""
        return len(self._room_of)

    def drain(self) -> None:
        """Tell every viewer to come back, spread over a few seconds, and hang up."""
        for viewer in list(self._room_of):
            delay_ms = int(500 + SPREAD_MS * (viewer.number * GOLDEN % 1))
            viewer.hang_up(message(str(delay_ms), "later"))

    def _room(self, topic_name: str, locale: str) -> Room | None:
        name = f"{topic_name}@{locale}"
        room = self._rooms.get(name)
        if room is None:
            kind, _, subject = topic_name.partition(":")
            make = self._kinds.get(kind)
            if make is None:
                return None
            room = self._rooms[name] = Room(name, make(subject, locale))
            keys = room.topic.keys()
            for key in keys:
                self._by_id[key].add(room)
            if not keys:
                self._listeners.add(room)
        return room

    def _close(self, room: Room) -> None:
        self._rooms.pop(room.name, None)
        self._listeners.discard(room)
        keys = room.topic.keys()
        for key in keys:
            self._by_id[key].discard(room)
            if not self._by_id[key]:
                del self._by_id[key]

    # Facts

    def take(self, fact: Fact) -> None:
        """Let a fact do its work."""
        if fact.get("kind") == "link" and "link_id" in fact:
            self.links.drop(fact["link_id"])
            self.spawn(self._recheck([fact["link_id"]]))
        if fact.get("kind") == "login":
            self.spawn(self._recheck_logins())
        rooms = set(self._listeners)
        for key in (fact.get("delivery_id"), fact.get("route_id")):
            rooms |= self._by_id.get(key or "", set())
        for room in rooms:
            if room.topic.concerns(fact) and (fact.get("kind") != "place" or room.move(fact.get("place"))):
                self.touch(room)

    def take_fleet(self, line: dict[str, Any]) -> None:
        """Pass a truck's last fix on to staff who watch the fleet, and remember when it was for everybody else."""
        route_id, at = str(line.get("route_id", "")), line.get("at")
        if isinstance(at, str):
            self._seen_at[route_id] = at
        event = place_event(line)
        for room in self._listeners:
            if room.name.startswith("fleet@"):
                for viewer in room.viewers:
                    viewer.tell_place(route_id, event)

    def resync(self) -> None:
        """Give everybody a full snapshot: facts may have been missed."""
        for room in list(self._rooms.values()):
            room.resync()
            self.touch(room)

    # Rendering

    def touch(self, room: Room) -> None:
        """Have the room rendered soon; many touches before that are one."""
        if not room.is_dirty:
            room.is_dirty = True
            if not room.is_busy:
                room.is_busy = True
                self.spawn(self._render(room))

    async def _render(self, room: Room) -> None:
        try:
            while room.is_dirty and room.viewers:
                mark = room.begin()
                try:
                    snapshot = await self.in_thread(self._read, room.topic)
                except NotFound:
                    snapshot = Snapshot([], is_over=True)
                except SQLAlchemyError as error:
                    log.warning("room not rendered", topic=room.name.partition(":")[0], error=type(error).__name__)
                    room.is_dirty = True
                    await asyncio.sleep(RETRY_S)
                    continue
                room.show(snapshot, mark, self._services.clock.elapsed())
        finally:
            room.is_busy = False

    def _read(self, topic: Topic) -> Snapshot:
        with self._services.database.reading() as session:
            return topic.snapshot(session, self._services, self._services.clock.now())

    # The wheel

    async def _wheel(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._turn += 1
            self._see_to_time()
            if self._turn % int(KEPT_S) == 0:
                await self._recheck(list(self._by_link))
                await self._recheck_logins()

    def _see_to_time(self) -> None:
        """Render what time has changed, and beat for a fifteenth of the viewers."""
        now, elapsed_s = self._services.clock.now(), self._services.clock.elapsed()
        for room in self._rooms.values():
            if room.changes_at is not None and now >= room.changes_at:
                self.touch(room)
        beats: dict[str, bytes] = {}
        for viewer, room in self._room_of.items():
            if viewer.ends_s is not None and elapsed_s >= viewer.ends_s:
                viewer.hang_up(RENEW)
            elif (viewer.number + self._turn) % BEAT_S == 0:
                if room.name not in beats:
                    beats[room.name] = room.beat(self._seen_at.get(room.newest.route_id or ""), now)
                viewer.tell(beats[room.name])

    async def _recheck(self, link_ids: list[str]) -> None:
        """Read links anew and hang up on those who came by one that is no longer open."""
        for start in range(0, len(link_ids), 500):
            part = link_ids[start : start + 500]
            try:
                found: list[KnownLink] = await self.in_thread(self.links.read, part)
            except SQLAlchemyError as error:
                log.warning("links not read", error=type(error).__name__)
                return
            self.links.keep(found)
            now = self._services.clock.now()
            ended = {link.id for link in found if link.is_revoked or link.expires_at <= now}
            for link_id in ended | (set(part) - {link.id for link in found}):
                for viewer in list(self._by_link.get(link_id, ())):
                    viewer.hang_up(CLOSED)

    def open_logins(self, login_ids: set[str]) -> set[str]:
        """Return those of these staff logins that have not ended. Runs in a thread."""
        with self._services.database.reading() as session:
            return accounts.open_logins(session, login_ids, self._services.clock.elapsed())

    async def _recheck_logins(self) -> None:
        """Hang up on staff whose login has ended."""
        login_ids = {viewer.login_id for viewer in self._room_of if viewer.login_id}
        if not login_ids:
            return
        try:
            still_open: set[str] = await self.in_thread(self.open_logins, login_ids)
        except SQLAlchemyError as error:
            log.warning("logins not read", error=type(error).__name__)
            return
        for viewer in list(self._room_of):
            if viewer.login_id in login_ids - still_open:
                viewer.hang_up(CLOSED)


def read_fact(data: bytes) -> Any:
    """Return what was published, or None for what is no JSON object."""
    try:
        told = json.loads(data)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


__all__ = ["OVER", "Hub", "TopicKinds", "read_fact"]
