"""Recipients' views that are still right, found without making them again.

A view is made from rows. Every statement that was run for one is kept with what it gave in the moment the view was made
of; to use the view again they are run again, past the ORM and all in one, and compared. Whatever a view comes to read
is so compared by itself, and no writer has to know of it; the link's own row is among them, so a revoked link is
refused at once. Time alone changes a view at most at its ``changes_at`` and with the minute: then it is made anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from portal.recipient.reads import Notes, Reads
from portal.recipient.view import RecipientView, read_view
from portal.services import Services
from tracking.links import Audience, live_link

MOST_KEPT = 2000  # views, about 10 kB each, and a page of 12 kB where one was asked for

Key = tuple[str, str | None]


@dataclass(slots=True)
class Seen:
    """A view as it is at ``now``, until when it may be used, and what was made of it (``made``, by name).

    ``view.now`` is when the view was made; only ages are counted from ``now``.
    """

    view: RecipientView
    now: datetime
    until: datetime
    reads: Reads
    rows: Any
    made: dict[str, Any] = field(default_factory=dict)


class Recall:
    """Views by link and chosen language, of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._engine = services.database.engine
        self._notes = Notes(self._engine)
        self._seen: dict[Key, Seen] = {}
        self._lock = Lock()

    def look(self, link_id: str, language: str | None, now: datetime) -> Seen:
        """Return what the recipient may see ``now``; raises ``UnknownLink``, ``ClosedLink`` or ``NotFound``.

        Blocks for SQL. ``seen.made`` may be shared by threads.
        """
        key = (link_id, language)
        seen = self._seen.get(key)
        if seen is not None and seen.view.now <= now < seen.until and seen.reads.rows(self._engine) == seen.rows:
            return replace(seen, now=now)
        with self._lock:
            self._seen.pop(key, None)  # a link that is refused has nothing to be kept
        seen = self._make(link_id, language, now)
        with self._lock:
            while len(self._seen) >= MOST_KEPT:
                del self._seen[next(iter(self._seen))]  # the oldest
            self._seen[key] = seen
        return seen

    def _make(self, link_id: str, language: str | None, now: datetime) -> Seen:
        mine = self._services
        with mine.database.snapshot() as session:
            connection = session.connection()
            self._notes.begin(connection)
            try:
                link = live_link(session, link_id, Audience.RECIPIENT, now)
                view = read_view(session, link.delivery_id or "", now=now, settings=mine.settings, locale=language)
            finally:
                reads = self._notes.end(connection)
            return Seen(view, now, min(_until(view, now), link.expires_at), reads, reads.rows_in(connection))


def _until(view: RecipientView, now: datetime) -> datetime:
    """Return when time alone may have changed the view: the next minute, or the moment a fix gets old."""
    minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return min(minute, view.changes_at) if view.changes_at else minute


def made(seen: Seen, name: str, make: Callable[[RecipientView], Any]) -> Any:
    """Return what was made of the view under this name, or make it."""
    if name not in seen.made:
        seen.made[name] = make(seen.view)
    return seen.made[name]
