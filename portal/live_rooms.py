"""A room: everybody who watches the same topic in the same locale, and what they were shown last."""

import json
from datetime import datetime
from typing import Any

from portal.live_viewers import Viewer, message
from portal.topics import Snapshot, Topic

OVER = message("over", "gone")


def place_event(place: Any) -> bytes:
    """Return the named event that moves a truck on a map."""
    return message(json.dumps(place, separators=(",", ":")), "place")


class Room:
    """Renders nothing itself: the hub brings snapshots and facts, the room tells its viewers what is new to them."""

    def __init__(self, name: str, topic: Topic) -> None:
        self.name = name
        self.topic = topic
        self.viewers: set[Viewer] = set()
        self.waiting: set[Viewer] = set()  # have not had a snapshot yet
        self.is_dirty = False
        self.is_busy = False  # being rendered
        self.rendered_s = float("-inf")  # machine time
        self.newest = Snapshot([])
        self._place_facts = 0

    @property
    def changes_at(self) -> datetime | None:
        """When time alone changes what is shown."""
        return self.newest.changes_at

    def begin(self) -> int:
        """Note that a snapshot is about to be read; hand the answer to ``show``."""
        self.is_dirty = False
        return self._place_facts

    def show(self, snapshot: Snapshot, mark: int, rendered_s: float) -> None:
        """Tell everybody what is new to them in ``snapshot``; those who wait get all of it."""
        before, self.newest, self.rendered_s = self.newest, snapshot, rendered_s
        if snapshot.place is not None and mark != self._place_facts:
            snapshot.place = before.place  # a fact was quicker than the record
        known = set(before.fragments)
        fresh = [fragment for fragment in snapshot.fragments if fragment not in known]
        if fresh:
            event = message("\n".join(fresh))
            for viewer in self.viewers - self.waiting:
                viewer.tell(event)
        if snapshot.place != before.place:
            self._tell_place(self.viewers - self.waiting)
        for viewer in self.waiting:
            viewer.tell(message("\n".join(snapshot.fragments)))
        if snapshot.has_place:
            self._tell_place(self.waiting)
        self.waiting.clear()
        if snapshot.is_over:
            for viewer in self.viewers:
                viewer.hang_up(OVER)

    def move(self, place: dict[str, Any] | None) -> bool:
        """Pass a place on that came with a fact; True when the page has to be rendered anew for it."""
        if not self.newest.has_place:
            return False
        self._place_facts += 1
        was_hidden, was_old = self.newest.place is None, self.newest.changes_at is None
        self.newest.place = place
        self._tell_place(self.viewers - self.waiting)
        return was_hidden != (place is None) or was_old

    def resync(self) -> None:
        """Let everybody have a full snapshot the next time."""
        self.waiting |= self.viewers

    def beat(self, seen_at: str | None, now: datetime) -> bytes:
        """Return the heartbeat: with the truck's last sign of life and its age in seconds, where there is one."""
        if seen_at is None:
            return message("1", "beat")
        age_s = max(0, int((now - datetime.fromisoformat(seen_at)).total_seconds()))
        return message(f"{seen_at} {age_s}", "beat")

    def _tell_place(self, viewers: set[Viewer]) -> None:
        event = place_event(self.newest.place)
        for viewer in viewers:
            viewer.tell_place("", event)
