"""What the page of one conversation shows, gathered from the record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from messaging.canned_answers import Offer, offers
from messaging.chat_lines import Origin, Voice, first_name
from messaging.chat_pictures import Shown
from messaging.clock_words import formats_of, span_words
from messaging.texts import language_of
from messaging.threads import Thread, thread
from messaging.wording import expected_of
from portal import accounts, presence
from portal.services import services
from portal.staff import words
from portal.staff.facts import Facts, facts_of
from portal.staff.shell import me
from tracking.deliveries import Delivery, load
from tracking.ids import new_id

SHOWN = 200
MOST_ELSEWHERE = 8
_CARRIED = {"sms": "text", "email": "email"}


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of the thread. ``can_move``: a text that may have been put in the wrong thread."""

    id: int
    kind: str  # mine, theirs, driver, system, internal
    author: str
    body: str
    at: str
    meta: str
    assumed: str
    can_move: bool
    is_fresh: bool
    pictures: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class TalkView:
    """What the page shows. ``waited_s`` is how long the recipient has waited, in seconds, None when nobody waits.

    ``fresh_ids`` are lines somebody else wrote while this person typed; ``elsewhere`` other deliveries of the same
    person, to move a line to; ``others`` who else of staff has the page open.
    """

    facts: Facts
    lines: tuple[LineView, ...]
    version: int
    waits: str
    waited_s: int | None
    unseen: int
    reader: str
    owner_id: str | None
    owner: str
    taken_by: str
    is_mine: bool
    is_owned_by_me: bool
    can_hand_back: bool
    staff: tuple[tuple[str, str], ...]
    others: tuple[str, ...]
    offers: tuple[Offer, ...]
    elsewhere: tuple[tuple[str, str], ...]
    problem: str = ""
    typed: str = ""
    is_note: bool = False
    request_id: str = ""


def talk_view(
    session: Session,
    delivery_id: str,
    *,
    problem: str = "",
    typed: str = "",
    is_note: bool = False,
    fresh_ids: frozenset[int] = frozenset(),
) -> TalkView:
    """Return what the page of a conversation shows now; raises ``NotFound``."""
    mine = services()
    now = mine.clock.now()
    delivery = load(session, delivery_id)
    found = thread(session, delivery_id, audience=Voice.SUPPORT, now=now, limit=SHOWN)
    names = accounts.names_of(session)
    in_use = [person for person in accounts.everybody(session) if person.disabled_at is None]
    facts = facts_of(session, delivery, now)
    waited = now - found.waiting_since if found.waiting_since else None
    return TalkView(
        facts=facts,
        lines=_lines(found, names, delivery.zone, fresh_ids),
        version=found.version,
        waits=f"Waits {words.span(waited)}" if waited is not None else "",
        waited_s=None if waited is None else max(0, int(waited.total_seconds())),
        unseen=found.unseen,
        reader=_reader(found, facts.driver, names),
        owner_id=found.assigned_to,
        owner=names.get(found.assigned_to or "", ""),
        taken_by=names.get(found.taken_over_by or "", ""),
        is_mine=found.taken_over_by == me().id,
        is_owned_by_me=found.assigned_to == me().id,
        can_hand_back=found.taken_over_by is not None,
        staff=tuple((person.id, person.name) for person in in_use),
        others=others_in(delivery_id, names),
        offers=tuple(offers(session, delivery.locale, answer_words(delivery))),
        elsewhere=_elsewhere(session, delivery, now),
        problem=problem,
        typed=typed,
        is_note=is_note,
        request_id=new_id(),
    )


def others_in(delivery_id: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each other person of staff who has this conversation open."""
    mine = services()
    here = presence.present(mine.redis, delivery_id, mine.clock.elapsed())
    return tuple(
        f"{names[one.staff_id]} {'is writing' if one.is_writing else 'is looking'}"
        for one in here
        if one.staff_id != me().id and one.staff_id in names
    )


def answer_words(delivery: Delivery) -> dict[str, str]:
    """Return a value for every word a canned answer may use, times as this recipient reads them."""
    formats = formats_of(delivery.locale, language_of(delivery.locale))
    return {
        "name": first_name(delivery.recipient_name),
        "driver": first_name(delivery.stop.route.driver.name),
        "company": services().settings.company_name,
        "reference": delivery.reference,
        "items": delivery.items,
        "window": span_words(delivery.window_start_at, delivery.window_end_at, delivery.zone, formats),
        "expected": span_words(*expected_of(delivery), delivery.zone, formats),
        "me": first_name(me().name),
    }


def _elsewhere(session: Session, delivery: Delivery, now: datetime) -> tuple[tuple[str, str], ...]:
    """Return the same person's other deliveries, newest first, as (id, words)."""
    same = [
        column == value
        for column, value in ((Delivery.phone, delivery.phone), (Delivery.email, delivery.email))
        if value is not None
    ]
    if not same:
        return ()
    statement = select(Delivery).where(or_(*same), Delivery.id != delivery.id)
    found = session.scalars(statement.order_by(Delivery.service_on.desc(), Delivery.id).limit(MOST_ELSEWHERE))
    return tuple(
        (one.id, f"{one.reference}, {words.day(one.service_on, now)}{f', {one.items}' if one.items else ''}")
        for one in found
    )


def _reader(found: Thread, driver: str, names: dict[str, str]) -> str:
    """Return who reads what the recipient writes. ``driver`` is empty while there is none."""
    if found.taken_over_by:
        reads_along = f"; {driver} reads along" if driver else ""
        return f"{names.get(found.taken_over_by, 'Support')} has taken over{reads_along}"
    if found.state.with_whom == "driver" and driver:
        return f"{driver} answers; you can write too"
    return "Only support reads this now" if found.state.is_open else "Closed for the recipient"


def _lines(found: Thread, names: dict[str, str], zone: str, fresh_ids: frozenset[int]) -> tuple[LineView, ...]:
    shown = []
    for line in found.lines:
        kind = {Voice.RECIPIENT: "theirs", Voice.DRIVER: "driver", Voice.SYSTEM: "system"}.get(line.voice, "mine")
        carried = ""
        if line.carried_by and line.carried_status:
            status = words.notification(line.carried_status, line.carried_by).word.lower()
            carried = f"{_CARRIED[line.carried_by]}: {status}"
        by = {"sms": "by text", "email": "by email"}.get(line.origin.value, "")
        meta = [part for part in (words.clock(line.at, zone), by, line.seen, carried) if part]
        author = names.get(line.actor_id, line.author) if line.voice is Voice.SUPPORT else line.author
        shown.append(
            LineView(
                id=line.id,
                kind="internal" if line.is_internal else kind,
                author=author,
                body=line.body,
                at=line.at.isoformat(),
                meta=" · ".join(meta),
                assumed=line.assumed,
                can_move=line.voice is Voice.RECIPIENT and line.origin in {Origin.SMS, Origin.EMAIL},
                is_fresh=line.id in fresh_ids,
                pictures=line.pictures,
            )
        )
    return tuple(shown)
