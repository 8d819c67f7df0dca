"""The hub of live pages: one Redis subscription a process in, one stream a viewer out.

Facts make rooms dirty; a dirty room is rendered once in a thread, however many watch, and its viewers get what is new.
The loop itself never touches SQL. What time alone brings about is seen to by ``live_wheel``.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any

from portal.live_links import Door, LinkBook
from portal.live_rendering import Renderer
from portal.live_rooms import Room, place_event
from portal.live_viewers import Viewer, chunk, message
from portal.services import Services
from portal.topics import Topic
from tracking.facts import Fact

BEAT_S = 15  # DESIGN 7
STREAMS_A_LINK = 3  # reference/messaging.md 5.4
FRESH_S = 60.0  # a newcomer gets what was rendered within this, else it is rendered again (our choice)
BEATS_A_S = 5  # a few viewers at a time: a fifteenth of ten thousand at once holds up everybody for 10 ms
ROOMS_A_TURN = 16  # whose places are told before the loop looks for newer ones: 320 sends of 20 viewers each, 5 ms
CANCEL_AGAIN_S = 0.5
PARTING_S = 2.0  # how long viewers may take to read their last word when the process stops
# Viewers come back spread over this when a process stops: nobody alone waits long, thousands do not come at once.
SPREAD_MS, SPREAD_A_VIEWER_MS, LONGEST_SPREAD_MS = 4000, 2, 30_000
GOLDEN = 0.6180339887

CLOSED = chunk(message("closed", "gone"))
FULL = chunk(message("full", "gone"))
RENEW = chunk(message("1", "renew"))

TopicKinds = Mapping[str, Callable[[str, str], Topic]]


class Hub:
    """Rooms and viewers. Everything here runs on the loop. ``touch`` has a room rendered soon."""

    def __init__(self, services: Services, kinds: TopicKinds) -> None:
        self._services = services
        self._kinds = kinds
        self.links = LinkBook(services)
        self.door = Door(self.links, self.in_thread)
        self._renderer = Renderer(services, self.spawn)
        self.touch = self._renderer.touch
        self._doors: ThreadPoolExecutor | None = None  # who may come and stay must not wait behind renderings
        self._rooms: dict[str, Room] = {}
        self._by_id: defaultdict[str, set[Room]] = defaultdict(set)
        self._listeners: set[Room] = set()
        self._by_beat: list[set[Viewer]] = [set() for _ in range(BEAT_S * BEATS_A_S)]
        self._by_link: defaultdict[str, list[Viewer]] = defaultdict(list)
        self._moved: dict[Room, None] = {}  # rooms whose newest place was not told yet, oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen_at: dict[str, str] = {}  # by route: the truck's last sign of life
        self._count = 0

    def start(self) -> None:
        """Open for viewers."""
        self._doors = ThreadPoolExecutor(1, thread_name_prefix="door")

    async def stop(self) -> None:
        """Tell every viewer to come back a little later, and end."""
        self.drain()
        left = set(self._tasks)
        while left:  # more than once: while it connects, redis-py may take a cancel for a time-out of its own and go on
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        for _ in range(int(PARTING_S * 20)):
            if not self.viewer_count:
                break
            await asyncio.sleep(0.05)
        self._renderer.stop()
        if self._doors is not None:
            self._doors.shutdown(wait=True, cancel_futures=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until it is done or the hub stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run something short that may wait for SQL, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._doors, work, *arguments)

    # Viewers

    def join(
        self, topic_name: str, locale: str, *, link_id: str = "", login_id: str = "", ends_s: float | None = None
    ) -> Viewer | None:
        """Let a viewer in; None when there is no such topic. The snapshot follows by itself."""
        room = self._room(topic_name, locale)
        if room is None:
            return None
        elapsed_s = self._services.clock.elapsed()
        self._renderer.one_came(elapsed_s)
        self._count += 1
        viewer = Viewer(
            number=self._count, room=room, left=self.leave, link_id=link_id, login_id=login_id, ends_s=ends_s
        )
        room.viewers.add(viewer)
        room.waiting.add(viewer)
        self._by_beat[viewer.number % len(self._by_beat)].add(viewer)
        if link_id:
            mine = self._by_link[link_id]
            mine.append(viewer)
            if len(mine) > STREAMS_A_LINK:
                mine[0].hang_up(FULL)
                del mine[0]
        if room.is_busy:
            pass  # the snapshot that is being made is theirs too; what changes meanwhile comes with a fact
        elif 0 <= elapsed_s - room.rendered_s <= FRESH_S:
            room.welcome(self._services.clock.now())
        else:
            self.touch(room)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer whose stream has ended, and a room that nobody is left in."""
        room: Room = viewer.room
        room.viewers.discard(viewer)
        room.waiting.discard(viewer)
        self._by_beat[viewer.number % len(self._by_beat)].discard(viewer)
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
        return sum(map(len, self._by_beat))

    def viewers(self) -> list[Viewer]:
        """Return everybody who watches."""
        return [viewer for viewers in self._by_beat for viewer in viewers]

    def drain(self) -> None:
        """Tell every viewer to come back, spread over some seconds, and hang up."""
        everybody = self.viewers()
        spread_ms = min(LONGEST_SPREAD_MS, max(SPREAD_MS, SPREAD_A_VIEWER_MS * len(everybody)))
        for viewer in everybody:
            delay_ms = int(500 + spread_ms * (viewer.number * GOLDEN % 1))
            viewer.hang_up(chunk(message(str(delay_ms), "later")))

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
        self._moved.pop(room, None)
        keys = room.topic.keys()
        for key in keys:
            self._by_id[key].discard(room)
            if not self._by_id[key]:
                del self._by_id[key]

    # Facts

    def take(self, fact: Fact) -> None:
        """Let a fact do its work."""
        kind = fact.get("kind")
        if kind == "place":
            for room in self._by_id.get(fact.get("delivery_id", ""), ()):
                if room.newest.has_place and room.topic.concerns(fact):
                    if room.move(fact.get("place")):
                        self.touch(room)
                    self._tell_place_soon(room)
                elif room.is_busy:
                    room.is_dirty = True  # what is being read may be older than this
            return
        if kind == "link" and "link_id" in fact:
            self.links.drop(fact["link_id"])
            self.hang_up_on(fact["link_id"])  # at once; who comes by it again is looked up in the record
        rooms = set(self._listeners)
        for key in (fact.get("delivery_id"), fact.get("route_id")):
            rooms |= self._by_id.get(key or "", set())
        for room in rooms:
            if room.topic.concerns(fact):
                self.touch(room)

    def take_fleet(self, line: dict[str, Any]) -> None:
        """Pass a truck's last fix on to staff who watch the fleet, and remember when it was for everybody else."""
        route_id, at = str(line.get("route_id", "")), line.get("at")
        if isinstance(at, str):
            self._seen_at[route_id] = at
        watching = [room for room in self._listeners if room.name.startswith("fleet@")]
        if not watching:
            return
        event = place_event(line)
        for room in watching:
            for viewer in list(room.viewers):
                viewer.tell_place(route_id, event)

    def resync(self) -> None:
        """Give everybody a full snapshot: facts may have been missed."""
        for room in list(self._rooms.values()):
            room.resync()
            self.touch(room)

    def _tell_place_soon(self, room: Room) -> None:
        """Conflate: facts that come before the room's turn replace each other, the newest wins."""
        if not self._moved:
            asyncio.get_running_loop().call_soon(self._tell_places)
        self._moved[room] = None

    def _tell_places(self) -> None:
        for room in list(islice(self._moved, ROOMS_A_TURN)):
            del self._moved[room]
            room.tell_place()
        if self._moved:
            asyncio.get_running_loop().call_soon(self._tell_places)

    # Time and ends

    def touch_what_is_due(self, now: datetime) -> None:
        """Render what time alone has changed."""
        for room in self._rooms.values():
            if room.changes_at is not None and now >= room.changes_at:
                self.touch(room)

    def beat(self, viewers: Iterable[Viewer], now: datetime) -> None:
        """Send these a heartbeat: it is made once a room."""
        beats: dict[Room, bytes] = {}
        for viewer in viewers:
            room: Room = viewer.room
            if room not in beats:
                beats[room] = room.beat(self._seen_at.get(room.newest.route_id or ""), now)
            viewer.tell(beats[room])

    def on_beat(self, turn: int) -> list[Viewer]:
        """Return the few viewers whose turn it is: everybody once in ``BEAT_S``."""
        return list(self._by_beat[turn % len(self._by_beat)])

    def hang_up_on(self, link_id: str) -> None:
        """Close every stream that was opened by this link; what still waits for them is not theirs any more."""
        for viewer in list(self._by_link.get(link_id, ())):
            viewer.hang_up(CLOSED, forgets=True)
