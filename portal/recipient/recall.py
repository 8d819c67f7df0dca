"""Recipients' views that are still right, found without making them again.

A view is made from rows. Every statement that was run for one is kept with the raw rows it gave; to use the view again
each statement is run again, past the ORM, and compared. Whatever a view comes to read is so compared by itself, and no
writer has to know of it; the link's own row is among them, so a revoked link is refused at once. Time alone changes a
view at most at its ``changes_at`` and with the minute: then it is made anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import event

from portal.recipient.view import RecipientView, read_view
from portal.services import Services
from tracking.links import Audience, live_link

MOST_KEPT = 2000  # views, about 10 kB each
RECALL = "recipient.recall"  # the Flask application's extension
_READS = "portal_reads"  # in a connection's ``info``: the statements of the view that is being made

Reads = tuple[tuple[str, Any], ...]
Key = tuple[str, str | None]


@dataclass(slots=True)
class Seen:
    """A view, until when it may be used, what it was made from, and what was made of it (``made``, by name)."""

    view: RecipientView
    link_ends_at: datetime
    until: datetime
    reads: Reads
    rows: list[Any]
    made: dict[str, Any] = field(default_factory=dict)


class Recall:
    """Views by link and chosen language, of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seen: dict[Key, Seen] = {}
        self._reads: dict[Key, Reads] = {}
        self._lock = Lock()
        event.listen(services.database.engine, "after_cursor_execute", _note)

    def look(self, link_id: str, language: str | None, now: datetime) -> Seen:
        """Return what the recipient may see ``now``; raises ``UnknownLink``, ``ClosedLink`` or ``NotFound``.

        Blocks for SQL. ``seen.view.now`` is always ``now``; ``seen.made`` may be shared by threads.
        """
        key = (link_id, language)
        seen = self._seen.get(key)
        reads = seen.reads if seen else self._reads.get(key)
        # The rows are read before the view is made: were something to change in between, they will differ next time.
        rows = self._rows(reads) if reads else None
        if seen is not None and rows == seen.rows and seen.view.now <= now < min(seen.until, seen.link_ends_at):
            return replace(seen, view=replace(seen.view, now=now))
        view, ends_at, done = self._make(link_id, language, now)
        fresh = Seen(view, ends_at, _until(view, now), done, rows or [])
        with self._lock:
            for kept in (self._seen, self._reads):
                if len(kept) >= MOST_KEPT:
                    kept.clear()
            if rows is not None and done == reads:
                self._seen[key] = fresh
            else:
                self._seen.pop(key, None)
                self._reads[key] = done
        return fresh

    def _rows(self, reads: Reads) -> list[Any]:
        connection = self._services.database.engine.raw_connection()
        try:
            cursor = connection.cursor()
            rows = []
            for statement, parameters in reads:
                cursor.execute(statement, parameters)
                rows.append(cursor.fetchall())
            return rows
        finally:
            connection.close()

    def _make(self, link_id: str, language: str | None, now: datetime) -> tuple[RecipientView, datetime, Reads]:
        mine = self._services
        done: list[tuple[str, Any]] = []
        with mine.database.reading() as session:
            info = session.connection().info
            info[_READS] = done
            try:
                link = live_link(session, link_id, Audience.RECIPIENT, now)
                view = read_view(session, link.delivery_id or "", now=now, settings=mine.settings, locale=language)
            finally:
                del info[_READS]
        return view, link.expires_at, tuple(done)


def _until(view: RecipientView, now: datetime) -> datetime:
    """Return when time alone may have changed the view: the next minute, or the moment a fix gets old."""
    minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return min(minute, view.changes_at) if view.changes_at else minute


def _note(connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
    reads = connection.info.get(_READS)
    if reads is not None and (statement, parameters) not in reads:
        reads.append((statement, parameters))


def made(seen: Seen, name: str, make: Callable[[RecipientView], Any]) -> Any:
    """Return what was made of the view under this name, or make it."""
    if name not in seen.made:
        seen.made[name] = make(seen.view)
    return seen.made[name]
