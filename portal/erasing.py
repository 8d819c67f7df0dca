"""Erasing a person: in the record, in files, and at Twilio (reference/messaging.md 4.3)."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import delete
from sqlalchemy.orm import Session

from messaging.consent import pepper_of
from messaging.erasing import ErasedWords, Reach, count_words, erase_marked, erase_words, left_over, pictures_in_use
from portal.accounts import IdempotentAnswer
from portal.audit import audit
from portal.services import Services
from tracking.actors import SYSTEM
from tracking.clocks import Clock
from tracking.deliveries import Delivery
from tracking.erasing import Person, deliveries_of, erase_goods, files_in_use, is_over, old_deliveries
from tracking.facts import delivery_changed, inbox_changed, publish, revoked
from tracking.local_time import local_day
from tracking.storage import Database

log = structlog.get_logger()

KEPT_WITH_PERSON = timedelta(days=395)  # 13 months, as the rest of what messages leave behind
PART = 100


@dataclass(frozen=True, slots=True)
class Look:
    """What erasing a person would do. ``still_open`` deliveries stand in the way."""

    deliveries: tuple[Delivery, ...]
    still_open: tuple[Delivery, ...]
    counts: dict[str, int]

    @property
    def is_empty(self) -> bool:
        """True when nothing here knows this person."""
        return not self.deliveries and not any(self.counts.values())


@dataclass(slots=True)
class Erased:
    """What one erasure did."""

    deliveries: int = 0
    words: ErasedWords = field(default_factory=ErasedWords)
    files: int = 0
    shared_stops: int = 0


def look(services: Services, person: Person) -> Look:
    """Return what is known of a person, and what of it may not be erased yet."""
    now = services.clock.now()
    with services.database.reading() as session:
        found = deliveries_of(session, person)
        counts = count_words(session, Reach([one.id for one in found], person.addresses))
    still_open = tuple(one for one in found if not is_over(one, local_day(now, one.zone)))
    return Look(tuple(found), still_open, counts)


def erase(services: Services, person: Person) -> Erased:
    """Erase a person. The caller has looked, and nothing of theirs is open."""
    with services.database.reading() as session:
        delivery_ids = [one.id for one in deliveries_of(session, person)]
    erased = erase_deliveries(services, delivery_ids, addresses=person.addresses)
    for path in (services.settings.data_dir / "imports").glob("*"):
        path.unlink(missing_ok=True)  # uploaded files between preview and yes: they may name anybody
    compact(services.database)
    return erased


def erase_deliveries(
    services: Services, delivery_ids: Sequence[str], *, addresses: frozenset[str] = frozenset()
) -> Erased:
    """Take the person out of these deliveries and out of all to and from these addresses."""
    mine, now = services, services.clock.now()
    erased = Erased(deliveries=len(delivery_ids))
    with mine.database.writing() as session:
        known = addresses | _addresses_of(session, delivery_ids)
        pepper = pepper_of(mine.settings.secret_keys)
        _forget_answers(session, delivery_ids, known)
        erased.words = erase_words(session, Reach(delivery_ids, addresses), now=now, pepper=pepper, known=known)
        goods = erase_goods(session, delivery_ids, now=now)
        for delivery_id in delivery_ids:
            audit(session, SYSTEM, "erase", "delivery", delivery_id, now)
    erased.shared_stops = goods.shared_stops
    erased.files = remove_files(mine, goods.files | erased.words.files)
    facts = [*(revoked(link_id) for link_id in goods.link_ids), *(delivery_changed(one) for one in delivery_ids)]
    publish(mine.redis, [*facts, inbox_changed()])
    log.info("erased", deliveries=erased.deliveries, messages=erased.words.messages, files=erased.files)
    return erased


def finish_messages(services: Services) -> int:
    """Empty a part of the messages that were on their way when their person was erased; return how many."""
    with services.database.writing() as session:
        return erase_marked(session, PART, now=services.clock.now())


def finish_erasures(services: Services) -> int:
    """Erase again where something was left, and whoever was delivered to over 13 months ago; return how many."""
    done = 0
    for find in (_left_over, _too_old):
        while True:
            with services.database.reading() as session:
                part = find(session, services.clock)
            if not part:
                break
            erase_deliveries(services, part)
            done += len(part)
    return done


def remove_files(services: Services, hashes: set[str]) -> int:
    """Remove files that nothing names any more; return how many."""
    with services.database.reading() as session:
        used = files_in_use(session, hashes) | pictures_in_use(session, hashes)
    return sum(services.files.remove(sha256) for sha256 in sorted(hashes - used))


def compact(database: Database) -> None:
    """Let SQLite write over what was deleted, in the search index, the file and its log. PostgreSQL vacuums itself."""
    if not database.is_sqlite:
        return
    connection = database.engine.raw_connection()  # VACUUM runs in no transaction, and SQLAlchemy would begin one
    try:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO chat_search(chat_search) VALUES ('rebuild')")
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError:  # somebody writes all the time
        log.warning("old bytes may stay in the database's file until it is vacuumed")
    finally:
        connection.close()


def _left_over(session: Session, clock: Clock) -> list[str]:
    return left_over(session, PART)


def _too_old(session: Session, clock: Clock) -> list[str]:
    return old_deliveries(session, (clock.now() - KEPT_WITH_PERSON).date(), PART)


def _addresses_of(session: Session, delivery_ids: Sequence[str]) -> frozenset[str]:
    found = [session.get_one(Delivery, one) for one in delivery_ids]
    return frozenset(address for one in found for address in (one.phone, one.email) if address)


def _forget_answers(session: Session, delivery_ids: Sequence[str], addresses: frozenset[str]) -> None:
    """Forget answers of the API that hold what is erased: they are kept for callers that ask twice."""
    for told in (*delivery_ids, *addresses):
        held = IdempotentAnswer.body.contains(told, autoescape=True)
        session.execute(delete(IdempotentAnswer).where(held).execution_options(synchronize_session=False))
