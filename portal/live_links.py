"""The links that streams were opened by: read off the loop, kept for a minute, dropped at once when one is revoked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from portal.services import Services
from tracking.deliveries import Delivery
from tracking.links import Audience, ClosedLink, Link, UnknownLink

KEPT_S = 60.0
MOST_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class KnownLink:
    """What a stream needs of a link's row. ``locale`` is the recipient's; empty for a driver's link."""

    id: str
    audience: Audience
    delivery_id: str | None
    route_id: str | None
    locale: str
    expires_at: datetime
    is_revoked: bool
    read_s: float

    def require_open(self, now: datetime) -> None:
        """Raise ``ClosedLink`` when it was revoked or has expired."""
        if self.is_revoked or self.expires_at <= now:
            raise ClosedLink(self.id)


class LinkBook:
    """Rows of links by id. ``read`` runs in a thread, everything else on the loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[str, KnownLink] = {}

    def kept(self, link_id: str) -> KnownLink | None:
        """Return the row when it was read within the last minute (machine time)."""
        known = self._known.get(link_id)
        if known is None or self._services.clock.elapsed() - known.read_s > KEPT_S:
            return None
        return known

    def keep(self, links: Iterable[KnownLink]) -> None:
        """Remember rows that were just read."""
        if len(self._known) > MOST_KEPT:
            self._known.clear()
        self._known.update({link.id: link for link in links})

    def drop(self, link_id: str) -> None:
        """Forget one: it was changed."""
        self._known.pop(link_id, None)

    def read(self, link_ids: list[str]) -> list[KnownLink]:
        """Read rows anew, in a thread; unknown ids are left out."""
        statement = select(Link, Delivery.locale).outerjoin(Delivery, Delivery.id == Link.delivery_id)
        read_s = self._services.clock.elapsed()
        with self._services.database.reading() as session:
            rows = session.execute(statement.where(Link.id.in_(link_ids))).all()
        return [
            KnownLink(
                id=link.id,
                audience=link.audience,
                delivery_id=link.delivery_id,
                route_id=link.route_id,
                locale=locale or "",
                expires_at=link.expires_at,
                is_revoked=link.revoked_at is not None,
                read_s=read_s,
            )
            for link, locale in rows
        ]


def require(links: list[KnownLink], audience: Audience, now: datetime) -> KnownLink:
    """Return the one link that was read; raises ``UnknownLink`` or ``ClosedLink``."""
    if not links or links[0].audience is not audience:
        raise UnknownLink
    links[0].require_open(now)
    return links[0]
