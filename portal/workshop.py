"""The workshop: what the worker's jobs do, on the services of one process. Each method may run twice.

Event-loop things (connections to Twilio and to the mail server) live as long as the process, inside one runner.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from messaging.alarms import divert, look_for_silence, look_for_slowness
from messaging.breakers import states
from messaging.catching_up import catch_up
from messaging.channels.base import Provider
from messaging.channels.twilio import TwilioSms
from messaging.consent import pepper_of
from messaging.driver_links import plan_driver_links
from messaging.fallback import after_failure
from messaging.house import House
from messaging.inbound import InboundContext, read_inbound, unread_inbound
from messaging.kinds import RULES, Channel, Promise
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import has_due, may_retry, overdue, recover
from messaging.pacing import Bucket
from messaging.picture_fetching import fetch_pictures, has_waiting
from messaging.preparing import LINK_LASTS
from messaging.reconciler import Reconciled, dirty_deliveries, lock_free, reconcile
from messaging.replanning import recheck_clocks, spread
from messaging.sending import Sender, Sent, Timing
from messaging.settling import Settled, Settler
from messaging.unreached import anything_open, settle_by_themselves
from messaging.wording import Company
from portal.services import Services
from portal.ways_out import mails_out, texts_out, twilio_media
from tracking.facts import chat_changed, delivery_changed, inbox_changed, publish
from tracking.ids import new_id, new_link_id
from tracking.links import Audience, recipient_link

log = structlog.get_logger()

SEND_FOR_S = 20.0  # a send job then makes room; the sweep wakes the next one (our choice)
PLANS_AT_ONCE = 20  # deliveries in one transaction: SQLite's writer is held for some tens of milliseconds
MOST_PLANS = 5_000
PLAN_FOR_S = 3.0  # a planning job then lets the others of its queue through, and goes on after them (our choice)
MOST_INBOUND = 200
SWEEP_LOCK = "portal:sweeping"
SWEEP_LOCK_S = 15  # a killed sweep holds the others back no longer


class Workshop:
    """``runner`` owns the event loop; ``should_stop`` turns true when the process should come to an end.

    ``providers`` are ways out that are there already; the others are built from the settings when they are needed.
    """

    def __init__(
        self,
        services: Services,
        runner: asyncio.Runner,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        providers: Mapping[Channel, Provider] | None = None,
    ) -> None:
        self._services, self._runner, self._should_stop = services, runner, should_stop
        settings = services.settings
        self._pepper = pepper_of(settings.secret_keys)
        self._company = Company(
            settings.company_name, settings.support_phone, settings.support_email, settings.public_url
        )
        self._house = House(self._company, services.links, self._pepper, new_id)
        self._timing = Timing(settings.send_timeout_s, settings.lease_s, settings.settle_s)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"[:64]
        self._providers: dict[Channel, Provider] = dict(providers or {})
        self._has_checked_clocks = False
        self._was_open = True  # at the start too: whoever saw it open may be gone

    def sweep(self) -> None:
        """Do what is due and nobody was woken for; at once when another sweep is at it."""
        redis = self._services.redis
        self._services.wake.started("worker.sweep")
        if not redis.set(SWEEP_LOCK, self._owner, nx=True, ex=SWEEP_LOCK_S):
            return
        try:
            self._recover()
            self._recheck_clocks()
            self._settle_unreached()
            self._look_at_ways_out()
            self._wake_others()
            self._wake_for(self._plan())
        finally:
            if redis.get(SWEEP_LOCK) == self._owner.encode():  # it may have run out, and be another's
                redis.delete(SWEEP_LOCK)

    def reconcile(self) -> Reconciled:
        """Make the plans of dirty deliveries anew, and wake the senders of what is due now."""
        self._services.wake.started("worker.reconcile")
        done = self._plan()
        self._wake_for(done)
        return done

    def send(self, channel: Channel) -> Sent:
        """Send what is due on one channel."""
        self._services.wake.started("worker.send_sms" if channel is Channel.SMS else "worker.send_mail")
        sent = self._runner.run(self._send(channel))
        if sent.moved:
            publish(self._services.redis, [delivery_changed(moved) for moved in dict.fromkeys(sent.moved)])
        if sent.failed or sent.handed:
            self._services.wake.reconcile()
        if sent.failed:
            self._services.wake.send(Channel.EMAIL)
        return sent

    def settle(self) -> dict[Channel, Settled]:
        """Look up outcomes that nobody saw, on every channel."""
        self._services.wake.started("worker.settle")
        settled = {channel: self._runner.run(self._settle(channel)) for channel in Channel}
        for channel, done in settled.items():
            if done.resent:
                self._services.wake.send(channel)
            if done.lost:
                publish(self._services.redis, [inbox_changed()])
        return settled

    def catch_up(self) -> None:
        """Ask Twilio about texts whose receipts never came."""
        mine = self._services
        mine.wake.started("worker.catch_up")
        with mine.database.writing() as session:
            look_for_slowness(session, now=mine.clock.now(), elapsed=mine.clock.elapsed())
        moved = self._runner.run(self._catch_up())
        if moved:
            publish(mine.redis, [delivery_changed(delivery_id) for delivery_id in dict.fromkeys(moved)])
            mine.wake.send(Channel.EMAIL)

    def read_inbound(self, inbound_id: str) -> None:
        """Read one inbound message and wake whoever answers it."""
        mine = self._services
        mine.wake.started("worker.read_inbound", inbound_id)
        with mine.database.writing() as session:
            outcome = read_inbound(session, inbound_id, now=mine.clock.now(), context=self._inbound_context())
        publish(mine.redis, outcome.facts)
        for channel in outcome.channels:
            mine.wake.send(channel)
        mine.wake.reconcile()

    def fetch_pictures(self) -> None:
        """Fetch pictures that came by MMS, and tell the pages that show them."""
        mine = self._services
        mine.wake.started("worker.fetch_pictures")
        media = twilio_media(mine.settings)
        work = fetch_pictures(database=mine.database, files=mine.files, media=media, clock=mine.clock)
        changed = self._runner.run(work)
        publish(mine.redis, [chat_changed(delivery_id) for delivery_id in dict.fromkeys(changed)])

    def close(self) -> None:
        """Close every connection to a provider."""
        for provider in self._providers.values():
            self._runner.run(provider.close())
        self._providers.clear()

    async def _send(self, channel: Channel) -> Sent:
        settings = self._services.settings
        bucket = None
        if channel is Channel.SMS:
            sender = settings.twilio_messaging_service_sid or settings.sms_from
            bucket = Bucket(self._services.redis, sender, settings.segments_per_second)
        work = Sender(
            database=self._services.database,
            provider=self._provider(channel),
            channel=channel,
            clock=self._services.clock,
            house=self._house,
            timing=self._timing,
            bucket=bucket,
            owner=self._owner,
        )
        return await work.run(for_s=SEND_FOR_S, should_stop=self._should_stop)

    async def _settle(self, channel: Channel) -> Settled:
        work = Settler(
            database=self._services.database,
            provider=self._provider(channel),
            channel=channel,
            clock=self._services.clock,
            house=self._house,
            timing=self._timing,
        )
        return await work.run()

    async def _catch_up(self) -> list[str]:
        mine = self._services
        provider = self._provider(Channel.SMS)
        assert isinstance(provider, TwilioSms)
        return await catch_up(database=mine.database, provider=provider, clock=mine.clock, house=self._house)

    def _provider(self, channel: Channel) -> Provider:
        """Return the way out of a channel, made inside the running loop."""
        if channel not in self._providers:
            mine = self._services
            self._providers[channel] = texts_out(mine) if channel is Channel.SMS else mails_out(mine)
        return self._providers[channel]

    def _recover(self) -> None:
        """Deal with leases that ran out and with what is of no use any more."""
        mine = self._services
        now = mine.clock.now()
        with mine.database.writing() as session:
            due, ambiguous = recover(session, mine.clock.elapsed(), lease_s=self._timing.lease_s, now=now)
            for row in overdue(session, now=now):
                self._expire(session, row)
        if due or ambiguous:
            log.warning("leases ran out", due=due, ambiguous=ambiguous)

    def _look_at_ways_out(self) -> None:
        """Where texts rest, let what is happening now go as mail; tell staff when nothing gets out, or does again."""
        mine = self._services
        with mine.database.reading() as session:
            is_open = any(state.is_open for state in states(session).values())
        if not is_open and not self._was_open:
            return
        self._was_open = is_open
        now = mine.clock.now()
        with mine.database.writing() as session:
            diverted = divert(session, now=now, ids=new_id, pepper=self._pepper)
            has_changed = look_for_silence(session, now=now, ids=new_id)
        if diverted:
            log.warning("texts rest: mails instead", count=diverted)
        if has_changed:
            publish(mine.redis, [inbox_changed()])

    def _recheck_clocks(self) -> None:
        """Once in the life of this process: the tz database may be another than that of the process before."""
        if self._has_checked_clocks:
            return
        with self._services.database.writing() as session:
            recheck_clocks(session, self._services.clock.now())
        self._has_checked_clocks = True

    def _settle_unreached(self) -> None:
        """Take off staff's list who is known to know by now."""
        mine = self._services
        with mine.database.reading() as session:
            if not anything_open(session):
                return
        with mine.database.writing() as session:
            settled = settle_by_themselves(session, now=mine.clock.now(), ids=new_id, pepper=self._pepper)
        if settled:
            publish(mine.redis, [inbox_changed()])

    def _expire(self, session: Session, row: Notification) -> None:
        now = self._services.clock.now()
        if not advance(
            session, row.id, NotificationStatus.EXPIRED, reason="it was too late to be of use", final_at=now
        ):
            return
        if RULES[row.kind].promise is Promise.PLANNED and row.attempt > 0:
            session.refresh(row)
            after_failure(session, row, now=now, ids=new_id, pepper=self._pepper)

    def _plan(self) -> Reconciled:
        """Reconcile dirty deliveries, a few in each transaction, and send drivers their links."""
        mine = self._services
        done = Reconciled()
        spread(mine.database, mine.clock.now(), should_stop=self._should_stop)
        with mine.database.reading() as session:
            dirty = dirty_deliveries(session, MOST_PLANS)
        until = mine.clock.elapsed() + PLAN_FOR_S
        for start in range(0, len(dirty), PLANS_AT_ONCE):
            if self._should_stop():
                break
            if mine.clock.elapsed() > until:
                mine.wake.reconcile()
                break
            together = dirty[start : start + PLANS_AT_ONCE]
            free = self._reconcile_free(together, done)
            for delivery_id in together:
                if delivery_id not in free:  # alone: who waits for a lock here holds no other
                    with mine.database.writing() as session:
                        self._reconcile_one(session, delivery_id, done)
        with mine.database.writing() as session:
            if plan_driver_links(session, now=mine.clock.now(), ids=new_id):
                done.due.add(Channel.SMS)
        return done

    def _reconcile_free(self, delivery_ids: Sequence[str], done: Reconciled) -> set[str]:
        """Reconcile those deliveries that nobody holds now, in one transaction; return their ids."""
        with self._services.database.writing() as session:
            free = lock_free(session, delivery_ids)
            for delivery_id in free:
                self._reconcile_one(session, delivery_id, done)
        return set(free)

    def _reconcile_one(self, session: Session, delivery_id: str, done: Reconciled) -> None:
        now = self._services.clock.now()
        reconcile(session, delivery_id, now=now, ids=new_id, pepper=self._pepper, done=done)

    def _wake_for(self, done: Reconciled) -> None:
        """Wake the senders of what was planned for now."""
        for channel in done.due:
            self._services.wake.send(channel)

    def _wake_others(self) -> None:
        """Give the wake-ups that were lost, or that time itself gives."""
        mine = self._services
        now, elapsed = mine.clock.now(), mine.clock.elapsed()
        ambiguous = select(Notification.id).where(
            Notification.status == NotificationStatus.AMBIGUOUS,
            may_retry(elapsed),
        )
        with mine.database.reading() as session:
            due = [channel for channel in Channel if has_due(session, channel, now=now, elapsed=elapsed)]
            is_ambiguous = bool(session.scalar(select(exists(ambiguous))))
            unread = unread_inbound(session, MOST_INBOUND)
        for channel in due:
            mine.wake.send(channel)
        if is_ambiguous:
            mine.wake.settle()
        for inbound_id in unread:
            mine.wake.read_inbound(inbound_id)
        if has_waiting(mine.database, elapsed):
            mine.wake.fetch_pictures()

    def _inbound_context(self) -> InboundContext:
        settings = self._services.settings
        replies: Literal["twilio", "ours"] = "ours" if settings.opt_out_replies == "ours" else "twilio"
        return InboundContext(
            company_name=settings.company_name,
            support_phone=settings.support_phone,
            support_email=settings.support_email,
            pepper=self._pepper,
            default_region=settings.default_region,
            ids=new_id,
            default_locale=settings.default_locale,
            opt_out_replies=replies,
            page_url=self._page_url,
        )

    def _page_url(self, session: Session, delivery_id: str) -> str | None:
        now = self._services.clock.now()
        link = recipient_link(
            session, delivery_id=delivery_id, link_id=new_link_id(), now=now, expires_at=now + LINK_LASTS
        )
        return f"{self._company.public_url}/t/{self._services.links.token(link.id, Audience.RECIPIENT)}"
