"""What staff pages watch. A staff page shows what its reader asked for, so the stream only says that something changed:

each fragment is a mark that differs when the record does, beside the counts of the navigation, which are the same for
all. The page then fetches its own part (``static/js/staff-live.js``).
"""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.cases import Case, Task
from messaging.chat_lines import ChatMessage, Conversation
from messaging.notifications import Notification
from portal import presence
from portal.rendering import fragment
from portal.services import Services
from portal.staff.queues import counts
from portal.topics import Snapshot
from tracking.deliveries import Delivery
from tracking.facts import Fact
from tracking.routes import Route, RouteState


class InboxTopic:
    """The lists: conversations, cases, tasks, and the day's numbers."""

    def __init__(self, subject: str, locale: str) -> None:
        self._locale = locale

    def keys(self) -> frozenset[str]:
        """Return no ids: every fact is asked about."""
        return frozenset()

    def concerns(self, fact: Fact) -> bool:
        """True for a line, a status, a case or a task."""
        return fact["kind"] in {"chat", "inbox", "delivery", "presence"}

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return the counts, and a mark of all that the lists show."""
        mark = _mark(
            session.scalar(select(func.max(ChatMessage.id))),
            session.execute(
                select(
                    func.sum(Conversation.version),
                    func.count(Conversation.assigned_to),
                    func.count(Conversation.taken_over_by),
                    func.count(Conversation.waiting_since),
                )
            ).one(),
            session.execute(select(func.count(), func.count(Case.closed_at), func.count(Case.owner_id))).one(),
            session.execute(select(func.count(Task.id), func.count(Task.resolved_at))).one(),
            session.scalar(select(func.sum(Delivery.version))),
            presence.changes(services.redis),
        )
        shown = fragment("staff/_counts.html", locale=self._locale, zone=_zone(services), counts=counts(session))
        return Snapshot([shown, mark])


class FleetTopic:
    """Every truck and route."""

    def __init__(self, subject: str, locale: str) -> None:
        self._locale = locale

    def keys(self) -> frozenset[str]:
        """Return no ids: every fact is asked about."""
        return frozenset()

    def concerns(self, fact: Fact) -> bool:
        """True when a route, a delivery on it, or a truck's place changed."""
        return fact["kind"] in {"route", "delivery", "place"}

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return a mark of all that the fleet shows."""
        mark = _mark(
            session.scalar(select(func.max(RouteState.last_received_at))),
            session.execute(select(func.count(), func.sum(Route.plan_version), func.max(Route.started_at))).one(),
            session.scalar(select(func.sum(Delivery.version))),
        )
        shown = fragment("staff/_counts.html", locale=self._locale, zone=_zone(services), counts=counts(session))
        return Snapshot([shown, mark])


class ConversationTopic:
    """One delivery and its thread."""

    def __init__(self, subject: str, locale: str) -> None:
        self._delivery_id, self._locale = subject, locale

    def keys(self) -> frozenset[str]:
        """Return the delivery's id."""
        return frozenset({self._delivery_id})

    def concerns(self, fact: Fact) -> bool:
        """True when this delivery or its thread changed, or who of staff has it open."""
        return fact.get("delivery_id") == self._delivery_id and fact["kind"] in {"chat", "delivery", "presence"}

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return a mark of the thread, who has seen what, the delivery and its messages."""
        lines = ChatMessage.conversation_id == self._delivery_id
        seen = (ChatMessage.seen_by_recipient_at, ChatMessage.seen_by_driver_at, ChatMessage.seen_by_staff_at)
        sent = select(func.count(), func.max(Notification.accepted_at), func.max(Notification.final_at))
        mark = _mark(
            session.execute(
                select(func.max(ChatMessage.id), *(func.count(column) for column in seen)).where(lines)
            ).one(),
            session.execute(
                select(
                    Conversation.version,
                    Conversation.assigned_to,
                    Conversation.taken_over_by,
                    Conversation.waiting_since,
                ).where(Conversation.delivery_id == self._delivery_id)
            ).one_or_none(),
            presence.present(services.redis, self._delivery_id, services.clock.elapsed()),
            session.scalar(select(Delivery.version).where(Delivery.id == self._delivery_id)),
            session.execute(sent.where(Notification.delivery_id == self._delivery_id)).one(),
        )
        shown = fragment("staff/_counts.html", locale=self._locale, zone=_zone(services), counts=counts(session))
        return Snapshot([shown, mark])


def _mark(*values: Any) -> str:
    """Return an empty element whose text differs when any of the values does."""
    digest = hashlib.sha256(repr([str(value) for value in values]).encode()).hexdigest()[:16]
    return f'<span id="live-mark" hidden>{digest}</span>'


def _zone(services: Services) -> str:
    return services.settings.default_zone
