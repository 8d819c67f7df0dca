"""What a live page can watch: the protocol that every audience's topic follows.

A topic is named ``kind:subject`` (``recipient:<delivery id>``, ``driver:<route id>``, ``conversation:<delivery id>``)
or ``kind`` alone (``inbox``, ``fleet``). ``portal.live.TOPICS`` maps each kind to a class that is called with the
subject (empty for ``inbox`` and ``fleet``) and the viewer's locale. The hub keeps one topic object for all who watch
the same thing in the same locale and renders it once for all of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from portal.services import Services
from tracking.facts import Fact


@dataclass(slots=True)
class Snapshot:
    """All a stream says of its topic at one moment.

    ``fragments``: HTML of one root element each, with an ``id``; the hub sends only those that changed. No URL, token,
    nonce or form inside, and no ``hx-*``. ``place``: what the map shows, sent as the named event ``place``; None when
    the truck may not be seen, and with ``has_place`` false places in facts are not passed on either. ``changes_at``:
    when time alone will change this (a fix that gets old). ``is_fresh``: the truck was heard of lately; if not, the
    next place changes more than the map. ``route_id``: whose truck's last sign of life goes out with the beat.
    ``is_over``: nothing more will come; viewers are told ``gone`` and hung up on.
    """

    fragments: list[str]
    place: dict[str, Any] | None = None
    has_place: bool = False
    changes_at: datetime | None = None
    is_fresh: bool = False
    route_id: str | None = None
    is_over: bool = False


class Topic(Protocol):
    """One thing to watch, in one locale. Made by a class that is called with the subject and the locale."""

    def keys(self) -> frozenset[str]:
        """Return the ids (of deliveries, routes) whose facts this topic is asked about; empty: about all."""

    def concerns(self, fact: Fact) -> bool:
        """Return whether ``fact`` may have changed what this topic shows. Fast: it runs on the event loop."""

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return what to show at ``now``. Runs in a thread; may read, never write."""
