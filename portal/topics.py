"""What a live page can watch: the base that every audience's topic follows.

A topic is named ``kind:subject`` (``recipient:<delivery id>``, ``driver:<route id>``, ``conversation:<delivery id>``)
or ``kind`` alone (``inbox``, ``fleet``). ``portal.live.TOPICS`` maps each kind to a class that is called with the
subject (empty for ``inbox`` and ``fleet``) and the viewer's locale. The hub keeps one topic object for all who watch the
same thing in the same locale and renders it once for all of them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.services import Services
from tracking.facts import Fact


@dataclass(slots=True)
class Snapshot:
    """All a stream says of its topic at one moment.

    ``fragments``: HTML of one root element each, with an ``id``; the hub sends only those that changed. No URL, token,
    nonce or form inside, and no ``hx-*``. ``place``: what the map shows, sent as the named event ``place``; None when
    the truck may not be seen, and with ``has_place`` false places in facts are not passed on either. ``changes_at``:
    when time alone will change this (a fix that gets old). ``route_id``: whose truck's last sign of life goes out with
    the beat. ``is_over``: nothing more will come; viewers are told ``gone`` and hung up on.
    """

    fragments: list[str]
    place: dict[str, Any] | None = None
    has_place: bool = False
    changes_at: datetime | None = None
    route_id: str | None = None
    is_over: bool = False


class Topic(ABC):
    """One thing to watch, in one locale. A subclass must say what concerns it and what it shows."""

    def __init__(self, subject: str, locale: str) -> None:
        self.subject = subject
        self.locale = locale

    def keys(self) -> frozenset[str]:
        """Return the ids (of deliveries, routes) whose facts this topic is asked about; empty: about all."""
        return frozenset()

    @abstractmethod
    def concerns(self, fact: Fact) -> bool:
        """Return whether ``fact`` may have changed what this topic shows. Fast: it runs on the event loop."""

    @abstractmethod
    def fragments(self, session: Session, services: Services, now: datetime) -> list[str]:
        """Return what to show at ``now``, as ``Snapshot.fragments``. Runs in a thread; may read, never write."""

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return all a stream says; a topic with a map, or an end, says more than its fragments."""
        return Snapshot(self.fragments(session, services, now))
