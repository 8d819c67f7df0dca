"""The last look at claimed rows before they go out: consent, usefulness, quiet hours and whether the plan still holds.

What many rows share is read once for all of them. What may not go out leaves by the move that says why.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from messaging.asking import may_ask
from messaging.bounces import bounced_addresses
from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.consent import contact_hash, opted_out
from messaging.fallback import after_failure
from messaging.hours import CHAT_FREE_FOR
from messaging.house import House
from messaging.inbound_texts import InboundMessage
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import put_back
from messaging.plan_facts import is_under_way
from messaging.schedule import PLANNED_KINDS
from tracking.deliveries import Delivery
from tracking.routes import Route

_S = NotificationStatus
# The plan is about to be made anew: look again after it was.
REPLAN_S = 1.0


class LastLook:
    """Looks at rows claimed by ``owner``, in one transaction. ``now`` is day time, ``elapsed`` machine seconds."""

    def __init__(
        self,
        session: Session,
        rows: Sequence[Notification],
        *,
        owner: str,
        house: House,
        now: datetime,
        elapsed: float,
    ) -> None:
        self._session, self._owner, self._house = session, owner, house
        self._now, self._elapsed = now, elapsed
        self._blocked = _blocked(session, rows, house.pepper)
        self._dead = _dead(session, rows, now)

    def may_go(self, row: Notification, delivery: Delivery | None) -> bool:
        """Tell whether a row goes out now; if not, move it to where it belongs."""
        if row.id in self._dead:
            return self._suppress(row, "mail to this address comes back")
        if not row.to_address:
            return self._suppress(row, "there is no address")
        if row.id in self._blocked and not row.context.get("confirms_opt_out"):
            return self._blocks(row)
        if row.useful_until is not None and row.useful_until <= self._now:
            reason = "it came too late to be of use"
            advance(self._session, row.id, _S.EXPIRED, reason=reason, final_at=self._now)
            return False
        if row.must_go or (delivery is not None and delivery.erased_at is not None):
            return self._suppress(row, "the recipient's data was erased")
        if row.kind is Kind.RATING_REQUEST and delivery and not may_ask(self._session, delivery, self._now):
            return self._suppress(row, "they were asked lately, or have an open case")
        if self._is_others_route(row):
            return self._suppress(row, "another driver has the route now")
        return not self._is_held(row, delivery)

    def _suppress(self, row: Notification, reason: str) -> bool:
        advance(self._session, row.id, _S.SUPPRESSED, reason=reason, final_at=self._now)
        return False

    def _blocks(self, row: Notification) -> bool:
        """Suppress what its person does not want, and try the other channel."""
        self._suppress(row, "this person has opted out")
        self._session.refresh(row)
        after_failure(self._session, row, now=self._now, ids=self._house.ids, pepper=self._house.pepper)
        return False

    def _is_held(self, row: Notification, delivery: Delivery | None) -> bool:
        """True when the row goes out later, if at all: it is due again by then."""
        if row.kind in PLANNED_KINDS:
            is_dirty = delivery is not None and delivery.plan_dirty_at is not None
            if is_dirty or (not self._house.force.rules.is_on(row.kind) and "is_wish" not in row.context):
                self._put_back(row, retry_after=self._elapsed + REPLAN_S)  # the plan is about to say it anew
                return True
        released = self._released(row, delivery)
        if released > self._now:
            self._put_back(row, retry_after=None, due_at=released)
        return released > self._now

    def _put_back(self, row: Notification, *, retry_after: float | None, **columns: Any) -> None:
        put_back(self._session, row.id, owner=self._owner, retry_after=retry_after, **columns)

    def _is_others_route(self, row: Notification) -> bool:
        """True when a driver's link would go to somebody who does not drive the route any more."""
        driver_id = row.context.get("driver_id")
        if driver_id is None or row.route_id is None:
            return False
        return bool(self._session.get_one(Route, row.route_id).driver_id != driver_id)

    def _released(self, row: Notification, delivery: Delivery | None) -> datetime:
        """Return when quiet hours let a row out: ``now`` when they do not hold it."""
        if delivery is None:
            return self._now
        started_at = delivery.stop.route.started_at
        under_way = is_under_way(delivery.status, status_at=delivery.status_at, route_started_at=started_at)
        quiet = self._house.force.rules.quiet_of(row.kind, is_under_way=under_way)
        if quiet is None or not quiet.holds(self._now, delivery.zone):
            return self._now
        if row.kind is Kind.CHAT and _wrote_lately(self._session, row, self._now):
            return self._now
        return quiet.release(self._now, delivery.zone)


def _blocked(session: Session, rows: Collection[Notification], pepper: str) -> set[str]:
    """Return the rows whose address has opted out of their channel."""
    found: set[str] = set()
    for channel in Channel:
        hashes = {row.id: contact_hash(row.to_address or "", pepper) for row in rows if row.channel is channel}
        if hashes:
            out = opted_out(session, sorted(set(hashes.values())), channel)
            found |= {row_id for row_id, hashed in hashes.items() if hashed in out}
    return found


def _dead(session: Session, rows: Collection[Notification], now: datetime) -> set[str]:
    """Return the mails to addresses that do not exist, but those that a person sends again on purpose."""
    mails = [row for row in rows if row.channel is Channel.EMAIL and not row.context.get("is_wish")]
    gone = bounced_addresses(session, sorted({row.to_address for row in mails if row.to_address}), now)
    return {row.id for row in mails if row.to_address in gone}


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
