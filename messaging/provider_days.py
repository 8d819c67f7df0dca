"""Provider days: one day's messages as the provider lists them, set against the outbox (reference/messaging.md 1.3).

Receipts can be missed for good. So once a day the provider's own list is read: states we missed are adopted, texts
that belong to no row of ours are named, and rows we think sent that the provider does not have.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.cases import TaskKind, open_task, resolve_task_of
from messaging.channels.base import CannotLook, Listed
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus
from messaging.receipts import Word, record
from messaging.redactions import Redaction
from tracking.clocks import Clock
from tracking.storage import Base, Database

log = structlog.get_logger()
_S = NotificationStatus

AT_ONCE = 500  # texts in one transaction
MOST_ASKED = 500  # texts that are not on the list and asked for one by one
SAME_TEXT = timedelta(minutes=10)  # between our handing over and the provider's note of it: clocks and queues differ
MOST_NAMED = 100  # ids kept of each sort
NAMED_IN_TASK = 5
_THOUGHT_SENT = (_S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.UNDELIVERED)


class ProviderDay(Base):
    """What one comparison found, the newest for each day (UTC, as the provider counts days).

    ``listed`` texts were at the provider; ``adopted`` brought a state we had missed; ``strangers`` belong to no row of
    ours; ``missing`` rows we think sent are not there. ``ids`` holds those ids, never more than some hundred of each.
    """

    __tablename__ = "provider_days"

    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    listed_on: Mapped[date] = mapped_column(primary_key=True)
    ran_at: Mapped[datetime]
    listed: Mapped[int]
    adopted: Mapped[int]
    strangers: Mapped[int]
    missing: Mapped[int]
    ids: Mapped[dict[str, Any]]


class Lister(Protocol):
    """A provider that lists a day, and can be asked about one message."""

    name: str

    def day(self, on: date) -> AsyncIterator[Listed]:
        """Yield what was sent on that day. Raises ``CannotLook``."""

    async def tell(self, provider_ref: str) -> Word | None:
        """Return the word on one message; None when there is none. Raises ``CannotLook``."""


@dataclass(slots=True)
class Compared:
    """One comparison: ids of notifications adopted and missing, the provider's ids of strangers."""

    on: date
    listed: int = 0
    adopted: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)  # deliveries whose messages changed


class DayReader:
    """Compares days. ``ids`` gives new ids, ``pepper`` is the consent ledger's."""

    def __init__(
        self, *, database: Database, provider: Lister, clock: Clock, ids: Callable[[], str], pepper: str
    ) -> None:
        self._database, self._provider, self._clock = database, provider, clock
        self._ids, self._pepper = ids, pepper

    async def compare(self, on: date) -> Compared:
        """Compare one day (UTC) and keep what was found. Raises ``CannotLook``; what was adopted until then stays."""
        compared = Compared(on)
        part: list[Listed] = []
        seen: set[str] = set()
        async for text in self._provider.day(on):
            seen.add(text.provider_ref)
            part.append(text)
            if len(part) >= AT_ONCE:
                await asyncio.to_thread(self._take, part, compared)
                part = []
        await asyncio.to_thread(self._take, part, compared)
        compared.listed = len(seen)
        await self._ask_for_missing(seen, compared)
        await asyncio.to_thread(self._keep, compared)
        return compared

    def _take(self, part: Sequence[Listed], compared: Compared) -> None:
        with self._database.writing() as session:
            refs = [text.provider_ref for text in part]
            owners = select(Notification).where(
                Notification.provider == self._provider.name, Notification.provider_ref.in_(refs)
            )
            owned = {row.provider_ref: row for row in session.scalars(owners)}
            for text in part:
                row = owned.get(text.provider_ref) or self._unseen(session, text)
                if row is None:
                    compared.strangers.append(text.provider_ref)
                else:
                    self._adopt(session, row, text, compared)

    def _unseen(self, session: Session, text: Listed) -> Notification | None:
        """Return a row that nobody knew was sent: to the same number, the same words, at the same time."""
        if not text.body or text.created_at is None:
            return None
        at = text.created_at.timestamp()
        alike = select(Notification).where(
            Notification.to_address == text.to,
            Notification.body == text.body,
            Notification.provider_ref.is_(None),
            Notification.channel == Channel.SMS,
            Notification.posting_since.between(at - SAME_TEXT.total_seconds(), at + SAME_TEXT.total_seconds()),
        )
        return session.scalar(alike.order_by(Notification.posting_since).limit(1).with_for_update())

    def _adopt(self, session: Session, row: Notification, text: Listed, compared: Compared) -> None:
        """Fold what the list says into a row. One that was given up as possibly lost was sent after all."""
        now = self._clock.now()
        if row.provider_ref is None and row.status is _S.FAILED:
            row.provider, row.provider_ref = self._provider.name, text.provider_ref
            resolve_task_of(session, f"lost/{row.id}", resolution="It was sent: the provider lists it.", now=now)
            compared.adopted.append(row.id)
            return
        word = Word(
            self._provider.name, text.provider_ref, text.raw_status, text.status, text.error_code, text.reason, row.id
        )
        moved = record(session, word, now=now, ids=self._ids, pepper=self._pepper)
        if moved is not None:
            compared.adopted.append(moved.id)
            if moved.delivery_id is not None:
                compared.moved.append(moved.delivery_id)

    async def _ask_for_missing(self, seen: set[str], compared: Compared) -> None:
        """Ask about each row of that day that is not on the list: lists leave out what was never sent."""
        rows = await asyncio.to_thread(self._sent_on, compared.on, seen)
        for row in rows[:MOST_ASKED]:
            word = await self._provider.tell(row.provider_ref or "")
            if word is None:
                compared.missing.append(row.id)
                continue
            listed = Listed(word.provider_ref, "", "", word.raw_status, word.status, word.error_code, word.reason, None)
            await asyncio.to_thread(self._take, [listed], compared)
        if len(rows) > MOST_ASKED:
            raise CannotLook(f"{len(rows)} texts of that day are not on the list")

    def _sent_on(self, on: date, seen: set[str]) -> list[Notification]:
        begin = datetime.combine(on, time(0), UTC).timestamp()
        statement = select(Notification).where(
            Notification.channel == Channel.SMS,
            Notification.posting_since >= begin,
            Notification.posting_since < begin + 86_400.0,
            Notification.provider == self._provider.name,
            Notification.provider_ref.is_not(None),
            Notification.status.in_(_THOUGHT_SENT),
            Notification.provider_ref.not_in(select(Redaction.provider_ref).where(Redaction.is_whole)),
        )
        with self._database.reading() as session:
            found = session.scalars(statement.order_by(Notification.posting_since)).all()
        return [row for row in found if row.provider_ref not in seen]

    def _keep(self, compared: Compared) -> None:
        now, name = self._clock.now(), self._provider.name
        lists = {"adopted": compared.adopted, "strangers": compared.strangers, "missing": compared.missing}
        named = {sort: found[:MOST_NAMED] for sort, found in lists.items()}
        with self._database.writing() as session:
            day = session.get(ProviderDay, (name, compared.on)) or ProviderDay(provider=name, listed_on=compared.on)
            day.ran_at, day.listed, day.ids = now, compared.listed, named
            day.adopted, day.strangers = len(compared.adopted), len(compared.strangers)
            day.missing = len(compared.missing)
            session.add(day)
            if compared.strangers or compared.missing:
                self._list(session, compared, now)
        counts = {sort: len(found) for sort, found in lists.items()}
        log.info("day compared with the provider", provider=name, on=str(compared.on), listed=compared.listed, **counts)
        for sort in ("strangers", "missing"):
            for found_id in named[sort]:
                log.warning("differs from the provider", provider=name, sort=sort, id=found_id)

    def _list(self, session: Session, compared: Compared, now: datetime) -> None:
        parts = []
        if compared.strangers:
            parts.append(f"{len(compared.strangers)} texts there were sent by nobody here: {_few(compared.strangers)}")
        if compared.missing:
            parts.append(f"{len(compared.missing)} we think sent are not there: {_few(compared.missing)}")
        open_task(
            session,
            kind=TaskKind.PROVIDER_DIFFERENCE,
            key=f"provider-day/{self._provider.name}/{compared.on}",
            reason=f"The provider's list of {compared.on} (UTC) differs from ours. {'; '.join(parts)}.",
            now=now,
            ids=self._ids,
        )


def last_days(session: Session, limit: int = 14) -> list[ProviderDay]:
    """Return the newest comparisons, newest day first."""
    return list(session.scalars(select(ProviderDay).order_by(ProviderDay.listed_on.desc()).limit(limit)))


def yesterday(clock: Clock) -> date:
    """Return the last whole day of machine time, in UTC: the day providers count."""
    return datetime.fromtimestamp(clock.elapsed(), UTC).date() - timedelta(days=1)


def _few(ids: list[str]) -> str:
    shown = ", ".join(ids[:NAMED_IN_TASK])
    return shown if len(ids) <= NAMED_IN_TASK else f"{shown} and {len(ids) - NAMED_IN_TASK} more"
