"""Search: what staff find by a whole phone number, an address, a reference, or by words that were said.

A query is plain words: no sign in it means anything, so nothing a person pastes can break or widen it. A number,
address or reference finds the delivery even when nobody has written about it.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from messaging.search_index import newest_lines
from messaging.search_words import query_words
from tracking.deliveries import Delivery
from tracking.recipients import normal_phone

MAX_QUERY_LENGTH = 100
MOST_FOUND = 50  # conversations; who finds more adds a word
PHONE_DIGITS = range(7, 16)  # E.164 has at most 15; shorter runs are numbers of something else
_PHONE_SIGNS = frozenset("0123456789+-(). /\u00a0\u202a\u202c")


@dataclass(frozen=True, slots=True)
class Hit:
    """A delivery that was found. ``line_id`` is the newest line that holds the words; None when found by a number."""

    delivery_id: str
    line_id: int | None


def find(session: Session, query: str, *, region: str) -> list[Hit]:
    """Return at most fifty deliveries: those named exactly first, then by the newest line that holds every word.

    ``region`` reads phone numbers without a country. Spaces, dots and brackets in a number do not matter.
    """
    query = query.strip()[:MAX_QUERY_LENGTH]
    hits = {found: Hit(found, None) for found in session.scalars(_exactly(query, region))}
    for line_id, delivery_id in newest_lines(session, query_words(query)):
        if delivery_id not in hits:
            hits[delivery_id] = Hit(delivery_id, line_id)
    return list(hits.values())[:MOST_FOUND]


def _exactly(query: str, region: str) -> Select[str]:
    named: list[ColumnElement[bool]] = [Delivery.reference.in_({query, query.upper(), query.lower()})]
    if "@" in query:
        named.append(Delivery.email.in_({query, query.lower()}))
    phones = _phones(query, region)
    if phones:
        named.append(Delivery.phone.in_(phones))
    statement = select(Delivery.id).where(or_(*named))
    return statement.order_by(Delivery.service_on.desc(), Delivery.id).limit(MOST_FOUND)


def _phones(query: str, region: str) -> set[str]:
    """Return the numbers a query may be, in the form they are stored in; none when it is not one."""
    digits = "".join(letter for letter in query if letter in "0123456789")
    if len(digits) not in PHONE_DIGITS or not set(query) <= _PHONE_SIGNS:
        return set()
    found = {f"+{digits}"}
    try:
        found.add(normal_phone(query, region))
    except ValueError:
        return found  # nobody of ours has such a number, but a country code without its plus is still looked for
    return found
