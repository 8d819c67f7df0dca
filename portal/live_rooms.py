"""A room: everybody who watches the same topic in the same locale, and what they were shown last."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from portal.live_viewers import Viewer, chunk, message
from portal.topics import Snapshot, Topic

OVER = chunk(message("over", "gone"))
AGED_S = 2.0  # ages in what newcomers get are at most so old

_AGE = re.compile(r'datetime="([^"]+)" data-age="[^"]*"')


def place_event(place: Any) -> bytes:
    """Return the named event that moves a truck on a map."""
    return chunk(message(json.dumps(place, separators=(",", ":")), "place"))


class Room:
    """Renders nothing itself: the hub brings snapshots and facts, the room tells its viewers what is new to them."""

    __slots__ = (
        "_everything",
        "_everything_at",
        "_place_facts",
        "_told_place",
        "is_busy",
        "is_dirty",
        "name",
        "newest",
        "rendered_s",
        "topic",
        "viewers",
        "waiting",
    )

    def __init__(self, name: str, topic: Topic) -> None:
        self.name = name
        self.topic = topic
        self.viewers: set[Viewer] = set()
        self.waiting: set[Viewer] = set()  # have not had a snapshot yet
        self.is_dirty = False
        self.is_busy = False  # being rendered
        self.rendered_s = float("-inf")  # machine time
        self.newest = Snapshot([])
        self._everything = b""  # of ``newest``, as the last newcomer got it
        self._everything_at = datetime.min.replace(tzinfo=UTC)
        self._place_facts = 0
        self._told_place: tuple[dict[str, Any] | None, bytes] | None = None  # a place, and its event

    @property
    def changes_at(self) -> datetime | None:
        """When time alone changes what is shown."""
        return self.newest.changes_at

    def begin(self) -> int:
        """Note that a snapshot is about to be read; hand the answer to ``show``."""
        self.is_dirty = False
        return self._place_facts

    def show(self, snapshot: Snapshot, mark: int, rendered_s: float, now: datetime) -> None:
        """Tell everybody what is new to them in ``snapshot``; those who wait get all of it."""
        before, self.newest, self.rendered_s = self.newest, snapshot, rendered_s
        if snapshot.place is not None and mark != self._place_facts:
            snapshot.place = before.place  # a fact was quicker than the record
        known = set(before.fragments)
        fresh = [fragment for fragment in snapshot.fragments if fragment not in known]
        if fresh:
            event = chunk(message("\n".join(fresh)))
            for viewer in self._settled():
                viewer.tell(event)
        if snapshot.place != before.place:
            self.tell_place()
        self._everything = b""
        self.welcome(now)
        if snapshot.is_over:
            for viewer in list(self.viewers):
                viewer.hang_up(OVER)

    def welcome(self, now: datetime) -> None:
        """Tell those who wait all there is, with ages as they are ``now``."""
        newcomers = list(self.waiting)
        self.waiting.clear()
        if newcomers and (not self._everything or (now - self._everything_at).total_seconds() > AGED_S):
            self._everything = chunk(message(_aged("\n".join(self.newest.fragments), now)))
            self._everything_at = now
        place = self._place_event() if newcomers and self.newest.has_place else b""
        for viewer in newcomers:
            viewer.tell(self._everything)
            if place:
                viewer.tell_place("", place)

    def move(self, place: dict[str, Any] | None) -> bool:
        """Keep a place that came with a fact, for ``tell_place``; True when the page has to be rendered anew for it."""
        self._place_facts += 1
        was_hidden, was_fresh = self.newest.place is None, self.newest.is_fresh
        self.newest.place = place
        return was_hidden != (place is None) or not was_fresh

    def tell_place(self) -> None:
        """Tell everybody who has had a snapshot where the truck is now."""
        event = self._place_event()
        for viewer in self._settled():
            viewer.tell_place("", event)

    def _place_event(self) -> bytes:
        """Return the event of the newest place, made once however many come one after the other."""
        if self._told_place is None or self._told_place[0] is not self.newest.place:
            self._told_place = (self.newest.place, place_event(self.newest.place))
        return self._told_place[1]

    def resync(self) -> None:
        """Let everybody have a full snapshot the next time."""
        self.waiting |= self.viewers

    def beat(self, seen_at: str | None, now: datetime) -> bytes:
        """Return the heartbeat: with the truck's last sign of life and its age in seconds, where there is one."""
        if seen_at is None:
            return chunk(message("1", "beat"))
        age_s = max(0, int((now - datetime.fromisoformat(seen_at)).total_seconds()))
        return chunk(message(f"{seen_at} {age_s}", "beat"))

    def _settled(self) -> Iterable[Viewer]:
        """Return who has had a snapshot: a copy, since a viewer may leave while it is told something."""
        return list(self.viewers - self.waiting if self.waiting else self.viewers)


def _aged(html: str, now: datetime) -> str:
    """Return ``html`` with the ages of its times as they are ``now``; the page's script counts on from there."""

    def aged(found: re.Match[str]) -> str:
        age_s = max(0, int((now - datetime.fromisoformat(found[1])).total_seconds()))
        return f'datetime="{found[1]}" data-age="{age_s}"'

    return _AGE.sub(aged, html)
