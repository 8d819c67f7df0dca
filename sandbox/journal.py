"""What happened in the world outside, in order, for tests and pages to judge by."""

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

Entry = dict[str, Any]
Found = TypeVar("Found")


class NothingCame(AssertionError):
    """Raised when what somebody waited for did not happen in time."""


class Journal:
    """An ordered list of events, kept in an append-only file of JSON lines when a path is given.

    Each entry has ``n`` (1, 2, 3...), ``at`` (machine time, ISO, UTC), ``event`` and the facts of that event;
    ``day_at`` too, when the sandbox has a day clock. Any thread may add, read and wait.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        path: Path | None = None,
        day_now: Callable[[], datetime] | None = None,
    ) -> None:
        self._now = now
        self._day_now = day_now
        self._path = path
        self._changed = threading.Condition()
        self._entries: list[Entry] = _read(path) if path is not None and path.exists() else []

    def add(self, event: str, **facts: Any) -> Entry:
        """Write one event down and wake everybody who waits. The file has it before this returns."""
        with self._changed:
            entry: Entry = {"n": len(self._entries) + 1, "at": self._now().isoformat(), "event": event, **facts}
            if self._day_now is not None:
                entry["day_at"] = self._day_now().isoformat()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._entries.append(entry)
            self._changed.notify_all()
        return entry

    def entries(self, *, event: str | None = None, after: int = 0) -> list[Entry]:
        """Return what happened after entry number ``after``, oldest first."""
        with self._changed:
            return [entry for entry in self._entries[after:] if event is None or entry["event"] == event]

    def wait_for(self, look: Callable[[], Found | None], *, timeout_s: float, what: str = "it") -> Found:
        """Return what ``look`` finds, asking again whenever something happens. Raises ``NothingCame``."""
        with self._changed:
            found: list[Found] = []

            def seen() -> bool:
                result = look()
                if result is not None:
                    found.append(result)
                return bool(found)

            if not self._changed.wait_for(seen, timeout=timeout_s):
                last = [f"{entry['n']} {entry['event']}" for entry in self._entries[-5:]]
                raise NothingCame(f"{what} did not come within {timeout_s} s; the journal ends with {last}")
            return found[0]


def _read(path: Path) -> list[Entry]:
    """Return the entries of an earlier life. A torn last line (the power went) is dropped, also from the file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
        path.write_text("".join(lines), encoding="utf-8")
    return [json.loads(line) for line in lines]
