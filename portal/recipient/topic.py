"""What a recipient's stream shows: the same view and the same fragments as the page."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.recipient import fragments
from portal.recipient.phases import UNDER_WAY
from portal.recipient.view import RecipientView, Signal, read_view
from portal.services import Services
from portal.topics import Snapshot
from tracking.facts import Fact


class RecipientTopic:
    """One delivery, for all who watch it by a recipient's link."""

    def __init__(self, delivery_id: str, locale: str) -> None:
        self._delivery_id = delivery_id
        self._locale = locale

    def keys(self) -> frozenset[str]:
        """Return the delivery's id."""
        return frozenset({self._delivery_id})

    def concerns(self, fact: Fact) -> bool:
        """Return whether the fact is about this delivery."""
        return fact.get("delivery_id") == self._delivery_id

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return promise, chat and the truck's place."""
        view = read_view(session, self._delivery_id, now=now, settings=services.settings, locale=self._locale)
        return _snapshot(view)


def _snapshot(view: RecipientView) -> Snapshot:
    is_under_way = view.phase in UNDER_WAY
    return Snapshot(
        fragments=[fragments.status(view), fragments.chat(view)],
        place=view.place,
        has_place=is_under_way,
        changes_at=view.changes_at,
        is_fresh=view.changes_at is not None and view.signal is not Signal.STALE,
        route_id=view.route_id if is_under_way else None,
        is_over=view.is_finished,
    )
