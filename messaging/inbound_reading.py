"""Reading one inbound message: what the reader knows, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.inbound_texts import InboundMessage, ReadAs
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.outbox import queue
from messaging.reply_texts import contact_text, reply_text
from tracking.facts import Fact, chat_changed, delivery_changed, inbox_changed

MAX_REPLIES_AN_HOUR = 8  # to one number; our choice: two machines that answer each other stop soon
REPLY_USEFUL_FOR = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class InboundContext:
    """What reading needs besides the record. ``pepper`` is the consent ledger's.

    ``opt_out_replies``: with "twilio" the carrier's own answers to STOP, START and HELP are left alone; with "ours" we
    answer. ``page_url`` gives the recipient's link for a delivery id, or None.
    """

    company_name: str
    support_phone: str
    support_email: str
    pepper: str
    default_region: str
    ids: Callable[[], str]
    default_locale: str = "en"
    opt_out_replies: Literal["twilio", "ours"] = "twilio"
    page_url: Callable[[Session, str], str | None] | None = None


@dataclass(slots=True)
class InboundOutcome:
    """What came of a message: publish ``facts`` and wake ``channels`` after the commit."""

    read_as: ReadAs | None = None
    delivery_id: str | None = None
    notification_ids: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    channels: set[Channel] = field(default_factory=set)


@dataclass(slots=True)
class Reading:
    """One message being read."""

    session: Session
    inbound: InboundMessage
    now: datetime
    context: InboundContext
    outcome: InboundOutcome = field(default_factory=InboundOutcome)

    @property
    def address(self) -> str:
        """Who wrote."""
        return self.inbound.from_address

    def settle(self, read_as: ReadAs, delivery_id: str | None = None, assumed: str = "") -> None:
        """Note what the message was, which delivery it was about, and why that was assumed."""
        self.inbound.read_as = self.outcome.read_as = read_as
        self.inbound.delivery_id = self.outcome.delivery_id = delivery_id
        self.inbound.assumed = assumed
        self.session.flush()

    def changed(self, delivery_id: str, *, is_delivery: bool = False) -> None:
        """Tell pages that the thread, or also the delivery, has changed."""
        if is_delivery:
            self.outcome.facts.append(delivery_changed(delivery_id))
        self.outcome.facts.append(chat_changed(delivery_id))
        self.inbox_changed()

    def inbox_changed(self) -> None:
        """Tell staff pages that there is something to settle."""
        if inbox_changed() not in self.outcome.facts:
            self.outcome.facts.append(inbox_changed())

    def contact(self, locale: str) -> str:
        """Return the sentence that tells how to reach the company."""
        return contact_text(locale, phone=self.context.support_phone, email=self.context.support_email)

    def reply(
        self,
        key: str,
        locale: str,
        *,
        delivery_id: str | None = None,
        subject: str | None = None,
        at_most_every: timedelta | None = None,
        is_opt_out_confirmation: bool = False,
        **values: object,
    ) -> None:
        """Answer the writer with one of our texts. Silent when this number gets too many answers.

        ``subject`` with the key makes it once only (a delivery's thanks); without, once for each message.
        """
        known = {"company": self.context.company_name, "contact": self.contact(locale)}
        self.answer(
            key,
            reply_text(key, locale, **{**known, **values}),
            locale,
            delivery_id=delivery_id,
            subject=subject,
            at_most_every=at_most_every,
            is_opt_out_confirmation=is_opt_out_confirmation,
        )

    def answer(
        self,
        occasion: str,
        text: str,
        locale: str,
        *,
        delivery_id: str | None = None,
        subject: str | None = None,
        at_most_every: timedelta | None = None,
        is_opt_out_confirmation: bool = False,
    ) -> None:
        """Answer the writer with ``text``; otherwise like ``reply``."""
        if not self._may_reply(occasion, at_most_every):
            return
        notification_id = queue(
            self.session,
            kind=Kind.REPLY,
            channel=self.inbound.channel,
            subject=subject or self.inbound.id,
            occasion=occasion,
            delivery_id=delivery_id,
            to_address=self.address,
            locale=locale,
            context={"text": text, "confirms_opt_out": is_opt_out_confirmation},
            now=self.now,
            due_at=self.now,
            useful_until=self.now + REPLY_USEFUL_FOR,
            ids=self.context.ids,
        )
        if notification_id is not None:
            self.outcome.notification_ids.append(notification_id)
            self.outcome.channels.add(self.inbound.channel)

    def _may_reply(self, occasion: str, at_most_every: timedelta | None) -> bool:
        replies = select(func.count()).where(Notification.to_address == self.address, Notification.kind == Kind.REPLY)
        lately = replies.where(Notification.created_at > self.now - timedelta(hours=1))
        if (self.session.scalar(lately) or 0) >= MAX_REPLIES_AN_HOUR:
            return False
        if at_most_every is None:
            return True
        same = replies.where(Notification.occasion == occasion, Notification.created_at > self.now - at_most_every)
        return not self.session.scalar(same)
