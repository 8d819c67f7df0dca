"""The links that streams were opened by: read off the loop, kept for a minute, dropped at once when one is revoked."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.services import Services
from tracking.deliveries import Delivery
from tracking.links import Audience, ClosedLink, Link, UnknownLink

KEPT_S = 60.0
MOST_KEPT = 50_000
MOST_AT_ONCE = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class KnownLink:
    """What a stream needs of a link's row. ``locale`` is the recipient's; empty for a driver's link.

    ``read_after`` is how many links had been dropped when it was read.
    """

    id: str
    audience: Audience
    delivery_id: str | None
    route_id: str | None
    locale: str
    expires_at: datetime
    is_revoked: bool
    read_s: float
    read_after: int

    def require_open(self, now: datetime) -> None:
        """Raise ``ClosedLink`` when it was revoked or has expired."""
        if self.is_revoked or self.expires_at <= now:
            raise ClosedLink(self.id)


class LinkBook:
    """Rows of links by id. ``read`` runs in a thread, everything else on the loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[str, KnownLink] = {}
        self._dropped: dict[str, int] = {}  # which drop it was: counted, since a clock may be set back
        self._drops = 0

    def kept(self, link_id: str) -> KnownLink | None:
        """Return the row when it was read within the last minute (machine time)."""
        known = self._known.get(link_id)
        if known is None or not 0 <= self._services.clock.elapsed() - known.read_s <= KEPT_S:
            return None
        return known

    def keep(self, links: Iterable[KnownLink]) -> None:
        """Remember rows that were just read."""
        if len(self._known) > MOST_KEPT:
            self._known.clear()
        self._known.update({link.id: link for link in links if not self.is_outdated(link)})

    def drop(self, link_id: str) -> None:
        """Forget one: it was changed."""
        self._known.pop(link_id, None)
        if len(self._dropped) > MOST_KEPT:
            self._dropped.clear()
        self._drops += 1
        self._dropped[link_id] = self._drops

    def is_outdated(self, link: KnownLink) -> bool:
        """True when the link was changed after this was read."""
        return self._dropped.get(link.id, 0) > link.read_after

    def read(self, link_ids: list[str]) -> list[KnownLink]:
        """Read rows anew, in a thread; unknown ids are left out."""
        read_s, read_after = self._services.clock.elapsed(), self._drops
        with self._services.database.reading() as session:
            rows = session.execute(_COLUMNS.where(Link.id.in_(link_ids))).all()
        return [
            KnownLink(
                *(link_id, audience, delivery_id, route_id, locale or "", expires_at, revoked_at is not None),
                *(read_s, read_after),
            )
            for link_id, audience, delivery_id, route_id, expires_at, revoked_at, locale in rows
        ]


Answered = Callable[[KnownLink | SQLAlchemyError | None], None]

# Columns, not rows of the ORM: thousands are read when everybody comes back after a restart.
_COLUMNS = select(
    Link.id, Link.audience, Link.delivery_id, Link.route_id, Link.expires_at, Link.revoked_at, Delivery.locale
).outerjoin(Delivery, Delivery.id == Link.delivery_id)


class Door:
    """Reads the links of who comes, many in one query: those who come while one is under way share the next."""

    def __init__(self, links: LinkBook, in_thread: Callable[..., Awaitable[list[KnownLink]]]) -> None:
        self._links = links
        self._in_thread = in_thread
        self._asked: dict[str, list[Answered]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def link(self, link_id: str) -> KnownLink | None:
        """Return the row as it is in the record, or was within the last minute; None for an unknown id."""
        answer: asyncio.Future[KnownLink | None] = asyncio.get_running_loop().create_future()

        def answered(found: KnownLink | SQLAlchemyError | None) -> None:
            if answer.done():
                return
            if isinstance(found, SQLAlchemyError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        self.ask(link_id, answered)
        return await answer

    def ask(self, link_id: str, answered: Answered) -> None:
        """Have ``answered`` called with what ``link`` returns or raises: at once when the row is still known."""
        if (known := self._links.kept(link_id)) is not None:
            answered(known)
            return
        self._asked.setdefault(link_id, []).append(answered)
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._asked:
                await self._gather()
                asked = {link_id: self._asked.pop(link_id) for link_id in list(islice(self._asked, MOST_AT_ONCE))}
                try:
                    found = {link.id: link for link in await self._in_thread(self._links.read, list(asked))}
                except SQLAlchemyError as error:
                    _tell(asked, dict.fromkeys(asked, error))
                    continue
                self._links.keep(found.values())
                for link_id in [link.id for link in found.values() if self._links.is_outdated(link)]:
                    self._asked.setdefault(link_id, []).extend(asked.pop(link_id))
                _tell(asked, found)
        finally:
            self._reading = None

    async def _gather(self) -> None:
        """Wait until nobody new has come in a turn of the loop."""
        before = 0
        while before < len(self._asked) < MOST_AT_ONCE:
            before = len(self._asked)
            await asyncio.sleep(0)


def _tell(asked: Mapping[str, list[Answered]], found: Mapping[str, KnownLink | SQLAlchemyError]) -> None:
    loop = asyncio.get_running_loop()
    for link_id, waiting in asked.items():
        for answered in waiting:
            loop.call_soon(answered, found.get(link_id))  # so that none can keep the others from their answers


def require(link: KnownLink | None, audience: Audience, now: datetime) -> KnownLink:
    """Return the link that was read; raises ``UnknownLink`` or ``ClosedLink``."""
    if link is None or link.audience is not audience:
        raise UnknownLink
    link.require_open(now)
    return link
