"""A link book: the links of many deliveries, read together and added together, for whoever writes many messages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from tracking.links import Audience, Link


class LinkBook:
    """What ``recipient_link`` and ``unsubscribe_link`` do for one delivery, for all that messages are written to.

    ``new_id`` makes link ids. What ``id_of`` added is in the database only after ``keep``.
    """

    def __init__(
        self, session: Session, delivery_ids: Sequence[str], *, new_id: Callable[[], str], now: datetime
    ) -> None:
        self._new_id, self._now = new_id, now
        self._added: list[dict[str, Any]] = []
        usable = or_(Link.audience == Audience.UNSUBSCRIBE, Link.revoked_at.is_(None) & (Link.expires_at > now))
        statement = select(Link.delivery_id, Link.audience, Link.id).where(
            Link.delivery_id.in_(delivery_ids),
            Link.audience.in_((Audience.RECIPIENT, Audience.UNSUBSCRIBE)),
            usable,
        )
        found = session.execute(statement.order_by(Link.created_at)) if delivery_ids else ()
        self._ids = {(delivery_id, audience): link_id for delivery_id, audience, link_id in found}  # the newest stays

    def id_of(self, delivery_id: str, audience: Audience, expires_at: datetime) -> str:
        """Return the id of the delivery's newest usable link, or of a new one that ends at ``expires_at``."""
        key = (delivery_id, audience)
        if key not in self._ids:
            self._ids[key] = self._new_id()
            self._added.append(
                {
                    "id": self._ids[key],
                    "audience": audience,
                    "delivery_id": delivery_id,
                    "created_at": self._now,
                    "expires_at": expires_at,
                }
            )
        return self._ids[key]

    def keep(self, session: Session) -> None:
        """Add the links that were missing, in one statement."""
        if self._added:
            session.execute(insert(Link), self._added)
            self._added = []
