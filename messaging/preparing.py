"""Preparing: the last look at claimed rows before they go out, and their texts as they are true now.

All in one short transaction: consent, usefulness, quiet hours and whether the plan still holds; then the row is marked
as being posted. What may not go out leaves by the move that says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from messaging.asking import may_ask, may_ask_now
from messaging.bounces import bounced_addresses
from messaging.channels.base import Outgoing
from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.consent import contact_hash, opted_out
from messaging.fallback import after_failure
from messaging.hours import CHAT_FREE_FOR
from messaging.in_force import UNCHANGED, InForce, in_force
from messaging.inbound_texts import InboundMessage, QuestionKind
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import Lease, mark_posting, put_back, still_mine
from messaging.questions import ask, open_question
from messaging.reconciler import subject_of
from messaging.schedule import PLANNED_KINDS
from messaging.segments import segment_count
from messaging.texts import WORDS, render
from messaging.trials import rendered_trial
from messaging.wording import Company, Speech, route_speech, speech_of
from tracking.clocks import Clock
from tracking.deliveries import Delivery, load_many
from tracking.drivers import Driver
from tracking.ids import new_link_id
from tracking.links import Audience, LinkSigner, driver_link, recipient_link, unsubscribe_link
from tracking.local_time import local_instant
from tracking.routes import Route
from tracking.stops import Stop

_S = NotificationStatus
LINK_LASTS = timedelta(days=14)  # after the service date (reference/messaging.md 5.2)
SHIFT_LASTS = timedelta(hours=30)  # a driver's link, from the planned start (our choice)
_MIDNIGHT = time(0)
USUAL_USEFUL_S = 36_000  # Twilio's default
# The plan is about to be made anew: look again after it was.
REPLAN_S = 1.0


@dataclass(frozen=True, slots=True)
class House:
    """What preparing needs to know of the company and its secrets. ``force`` is read anew for each batch."""

    company: Company
    links: LinkSigner
    pepper: str
    ids: Callable[[], str]
    force: InForce = UNCHANGED


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that is being posted, and the message that goes out for it."""

    outgoing: Outgoing
    kind: Kind
    segments: int


def prepare(
    session: Session, ids: Sequence[str], *, owner: str, lease_s: float, house: House, clock: Clock
) -> tuple[list[Prepared], Lease]:
    """Return what of the claimed rows goes out now, in the order given, and the lease under which it is posted.

    Rows that somebody has moved meanwhile are left alone. The lease begins at the end, when waiting for locks is over.
    """
    now, elapsed = clock.now(), clock.elapsed()
    rows = {row.id: row for row in still_mine(session, ids, owner)}
    deliveries = load_many(session, [row.delivery_id for row in rows.values() if row.delivery_id is not None])
    blocked = _blocked(session, list(rows.values()), house.pepper)
    dead = _dead(session, list(rows.values()), now)
    house = replace(house, force=in_force(session))
    prepared: list[Prepared] = []
    for notification_id in ids:
        row = rows.get(notification_id)
        if row is None:
            continue
        delivery = deliveries.get(row.delivery_id or "")
        if row.id in dead:
            advance(session, row.id, _S.SUPPRESSED, reason="mail to this address comes back", final_at=now)
        elif _may_go(session, row, delivery, blocked, owner=owner, house=house, now=now, elapsed=elapsed):
            prepared.append(_written(session, row, delivery, house, now))
    session.flush()
    posting_since = clock.elapsed()
    lease = Lease(owner, posting_since + lease_s)
    mark_posting(session, [one.outgoing.reference for one in prepared], lease, posting_since)
    return prepared, lease


def _blocked(session: Session, rows: list[Notification], pepper: str) -> set[str]:
    """Return the rows whose address has opted out of their channel."""
    found: set[str] = set()
    for channel in Channel:
        hashes = {row.id: contact_hash(row.to_address or "", pepper) for row in rows if row.channel is channel}
        out = opted_out(session, sorted(set(hashes.values())), channel)
        found |= {row_id for row_id, hashed in hashes.items() if hashed in out}
    return found


def _dead(session: Session, rows: list[Notification], now: datetime) -> set[str]:
    """Return the mails to addresses that do not exist, but those that a person sends again on purpose."""
    mails = [row for row in rows if row.channel is Channel.EMAIL and not row.context.get("is_wish")]
    gone = bounced_addresses(session, sorted({row.to_address for row in mails if row.to_address}), now)
    return {row.id for row in mails if row.to_address in gone}


def _may_go(
    session: Session,
    row: Notification,
    delivery: Delivery | None,
    blocked: set[str],
    *,
    owner: str,
    house: House,
    now: datetime,
    elapsed: float,
) -> bool:
    """Tell whether a row goes out now; if not, move it to where it belongs."""
    if not row.to_address:
        advance(session, row.id, _S.SUPPRESSED, reason="there is no address", final_at=now)
        return False
    if row.id in blocked and not row.context.get("confirms_opt_out"):
        advance(session, row.id, _S.SUPPRESSED, reason="this person has opted out", final_at=now)
        session.refresh(row)
        after_failure(session, row, now=now, ids=house.ids, pepper=house.pepper)
        return False
    if row.useful_until is not None and row.useful_until <= now:
        advance(session, row.id, _S.EXPIRED, reason="it came too late to be of use", final_at=now)
        return False
    if row.must_go or (delivery is not None and delivery.erased_at is not None):
        advance(session, row.id, _S.SUPPRESSED, reason="the recipient's data was erased", final_at=now)
        return False
    if row.kind is Kind.RATING_REQUEST and delivery is not None and not may_ask(session, delivery, now):
        reason = "they were asked lately, or have an open case"
        advance(session, row.id, _S.SUPPRESSED, reason=reason, final_at=now)
        return False
    if _is_others_route(session, row):
        advance(session, row.id, _S.SUPPRESSED, reason="another driver has the route now", final_at=now)
        return False
    if delivery is not None and delivery.plan_dirty_at is not None and row.kind in PLANNED_KINDS:
        put_back(session, row.id, owner=owner, retry_after=elapsed + REPLAN_S)
        return False
    if row.kind in PLANNED_KINDS and not house.force.rules.is_on(row.kind) and "is_wish" not in row.context:
        put_back(session, row.id, owner=owner, retry_after=elapsed + REPLAN_S)  # the plan is about to withdraw it
        return False
    released = _released(session, row, delivery, house, now)
    if released > now:
        put_back(session, row.id, owner=owner, retry_after=None, due_at=released)
        return False
    return True


def _is_others_route(session: Session, row: Notification) -> bool:
    """True when a driver's link would go to somebody who does not drive the route any more."""
    driver_id = row.context.get("driver_id")
    if driver_id is None or row.route_id is None:
        return False
    return bool(session.get_one(Route, row.route_id).driver_id != driver_id)


def _released(session: Session, row: Notification, delivery: Delivery | None, house: House, now: datetime) -> datetime:
    """Return when quiet hours let a row out: ``now`` when they do not hold it."""
    if delivery is None:
        return now
    quiet = house.force.rules.quiet_of(row.kind, is_under_way=subject_of(session, delivery, now).is_under_way)
    if quiet is None or not quiet.holds(now, delivery.zone):
        return now
    if row.kind is Kind.CHAT and _wrote_lately(session, row, now):
        return now
    return quiet.release(now, delivery.zone)


def _wrote_lately(session: Session, row: Notification, now: datetime) -> bool:
    """True within two hours of that person's own message: who writes at night may be answered at night."""
    since = now - CHAT_FREE_FOR
    voice = Voice.DRIVER if row.context.get("to") == "driver" else Voice.RECIPIENT
    texted = exists().where(InboundMessage.from_address == row.to_address, InboundMessage.received_at > since)
    typed = exists().where(
        ChatMessage.conversation_id == Conversation.id,
        Conversation.delivery_id == row.delivery_id,
        ChatMessage.voice == voice,
        ChatMessage.at > since,
    )
    return bool(session.scalar(select(texted | typed)))


def _written(session: Session, row: Notification, delivery: Delivery | None, house: House, now: datetime) -> Prepared:
    """Write the text into the row, with what it says, and return the message."""
    speech, leave = _speech(session, row, delivery, house, now)
    given = {name: str(value) for name, value in row.context.items() if name in WORDS}
    words = {**speech.words, **given, "unsubscribe": leave}
    trial = rendered_trial(row.channel, row.context)
    text = trial or render(row.kind, row.channel, row.locale, words, house.force.texts)
    row.subject, row.body = text.subject, text.body
    row.segments = segment_count(text.body) if row.channel is Channel.SMS else 1
    row.context = {**row.context, "said": speech.said}
    if row.channel is Channel.SMS and (speech.said.get("asked") or row.kind is Kind.RATING_REQUEST):
        _note_question(session, row, house, now)
    useful_s = USUAL_USEFUL_S if row.useful_until is None else int((row.useful_until - now).total_seconds())
    outgoing = Outgoing(
        reference=row.id,
        to=row.to_address or "",
        body=text.body,
        useful_s=useful_s,
        subject=text.subject,
        html=text.html,
        unsubscribe_url=leave,
    )
    return Prepared(outgoing, row.kind, row.segments)


def _note_question(session: Session, row: Notification, house: House, now: datetime) -> None:
    """Remember that this number is being asked to rate, before it can answer."""
    address = row.to_address or ""
    asked = open_question(session, address, QuestionKind.RATING, now)
    if asked is None or asked.delivery_id != row.delivery_id:
        ask(
            session,
            address=address,
            kind=QuestionKind.RATING,
            now=now,
            ids=house.ids,
            delivery_id=row.delivery_id,
        )


def _speech(
    session: Session, row: Notification, delivery: Delivery | None, house: House, now: datetime
) -> tuple[Speech, str]:
    """Return the words for a row, and the address that ends mail where a recipient has one."""
    if delivery is None:
        return _route_speech(session, row, house, now), ""
    if row.context.get("to") == "driver":
        link = _driver_url(session, delivery.stop.route, house, now)
        return _spoken(session, row, delivery, house, link, now), ""
    expires_at = local_instant(delivery.service_on, _MIDNIGHT, delivery.zone) + LINK_LASTS
    lasting = max(expires_at, now + LINK_LASTS)
    found = recipient_link(session, delivery_id=delivery.id, link_id=new_link_id(), now=now, expires_at=lasting)
    link = f"{house.company.public_url}/t/{house.links.token(found.id, Audience.RECIPIENT)}"
    leave = ""
    if row.channel is Channel.EMAIL:
        ends = unsubscribe_link(session, delivery_id=delivery.id, link_id=new_link_id(), now=now, expires_at=lasting)
        leave = f"{house.company.public_url}/u/{house.links.token(ends.id, Audience.UNSUBSCRIBE)}"
    return _spoken(session, row, delivery, house, link, now), leave


def _spoken(session: Session, row: Notification, delivery: Delivery, house: House, link: str, now: datetime) -> Speech:
    return speech_of(
        delivery,
        kind=row.kind,
        channel=row.channel,
        company=house.company,
        link=link,
        now=now,
        occasion=row.occasion,
        may_ask=row.kind is Kind.DELIVERED and may_ask_now(session, delivery, house.force.rules.question_hours(), now),
    )


def _route_speech(session: Session, row: Notification, house: House, now: datetime) -> Speech:
    """Return the words of a message without a delivery: a driver's link, or a plain reply."""
    if row.route_id is None:
        words: dict[str, Any] = {"company": house.company.name, "name": "", "support": house.company.support}
        return Speech({**words, "link": house.company.public_url, "text": ""}, {})
    route = session.get_one(Route, row.route_id)
    driver = session.get_one(Driver, route.driver_id)
    stops = session.scalar(select(func.count()).select_from(Stop).where(Stop.route_id == route.id)) or 0
    return route_speech(
        route,
        stops=stops,
        locale=row.locale,
        company=house.company,
        link=_driver_url(session, route, house, now),
        driver_name=driver.name,
    )


def _driver_url(session: Session, route: Route, house: House, now: datetime) -> str:
    lasting = max(route.planned_start_at, now) + SHIFT_LASTS
    found = driver_link(
        session, route_id=route.id, driver_id=route.driver_id, link_id=new_link_id(), now=now, expires_at=lasting
    )
    return f"{house.company.public_url}/d/{house.links.token(found.id, Audience.DRIVER)}"
