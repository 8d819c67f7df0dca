"""A delivery whose day changes: the real plan and outbox on a real database, and a provider that only writes down."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.channels.base import Handed, Outgoing
from messaging.house import House
from messaging.kinds import Channel
from messaging.notifications import Notification, NotificationStatus, advance
from messaging.outbox import has_due, overdue
from messaging.reconciler import dirty_deliveries, reconcile
from messaging.replanning import spread
from messaging.sending import Sender, Timing
from messaging.wording import Company
from tests.builders import ZONE, local, make_delivery, make_driver, make_route, make_stop
from tracking import changes, driver_day
from tracking.actors import SYSTEM, Actor, ActorKind
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, mark_plan_dirty
from tracking.ids import new_id
from tracking.links import LinkSigner
from tracking.local_time import local_instant
from tracking.stops import Stop
from tracking.storage import Database
from tracking.taps import FailureReason, Tap

THURSDAY = date(2026, 3, 5)
MONDAY_MORNING = local("09:00") - timedelta(days=3)
DAYS = {"mon": -3, "tue": -2, "wed": -1, "thu": 0, "fri": 1}
COMPANY = Company("Juniper", "+12125550199", "", "https://example.com")
PEPPER = "pepper"


@dataclass(frozen=True, slots=True)
class SentText:
    """One text or mail as the provider got it."""

    at: datetime
    channel: Channel
    to: str
    body: str


class Journal:
    """A provider that takes everything and writes it down."""

    at_once, can_find = 8, True

    def __init__(self, channel: Channel, clock: SetClock, sent: list[SentText]) -> None:
        self.name = f"journal-{channel}"
        self._channel, self._clock, self._sent = channel, clock, sent

    async def send(self, message: Outgoing) -> Handed:
        """Take the message."""
        body = f"{message.subject}\n{message.body}" if message.subject else message.body
        self._sent.append(SentText(self._clock.now(), self._channel, message.to, body))
        return Handed(message.reference, NotificationStatus.SENT)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Nothing is ever in doubt here."""
        return []

    async def close(self) -> None:
        """Nothing to hang up."""


class Outbox:
    """The plan and outbox of one database, and the clock they work by."""

    def __init__(self, database: Database, clock: SetClock) -> None:
        self.database, self.clock = database, clock
        self.sent: list[SentText] = []
        clock.at = MONDAY_MORNING
        self._providers = {channel: Journal(channel, clock, self.sent) for channel in Channel}
        self._house = House(COMPANY, LinkSigner(["k" * 32]), PEPPER, new_id)

    def go_to(self, until: datetime) -> None:
        """Let time pass, working whenever something falls due."""
        while True:
            with self.database.reading() as session:
                due = session.scalar(
                    select(func.min(Notification.due_at)).where(Notification.status == NotificationStatus.DUE)
                )
            if due is None or due > until:
                break
            before = len(self.sent)
            self._set(max(self.clock.at, due))
            self.work()
            assert len(self.sent) > before or self._is_due_later(due), "what is due neither goes out nor moves"
        self._set(until)
        self.work()

    def _set(self, at: datetime) -> None:
        """Move both clocks."""
        self.clock.advance(seconds=(at - self.clock.at).total_seconds())

    def _is_due_later(self, due: datetime) -> bool:
        with self.database.reading() as session:
            waiting = select(func.count()).where(
                Notification.status == NotificationStatus.DUE, Notification.due_at <= due
            )
            return not session.scalar(waiting)

    def work(self) -> None:
        """Plan what is dirty and send what is due, until nothing is left."""
        for _ in range(10):
            with self.database.writing() as session:
                for row in overdue(session, now=self.clock.now()):
                    advance(session, row.id, NotificationStatus.EXPIRED)
            spread(self.database, self.clock.now())
            with self.database.reading() as session:
                dirty = dirty_deliveries(session, 100)
            for delivery_id in dirty:
                with self.database.writing() as session:
                    reconcile(session, delivery_id, now=self.clock.now(), ids=new_id, pepper=PEPPER)
            before = len(self.sent)
            due = self._due_channels()
            if due:
                asyncio.run(self._send(due))
            if not dirty and len(self.sent) == before:
                return
        raise AssertionError("the plan never comes to rest")

    def _due_channels(self) -> list[Channel]:
        now, elapsed = self.clock.now(), self.clock.elapsed()
        with self.database.reading() as session:
            return [channel for channel in Channel if has_due(session, channel, now=now, elapsed=elapsed)]

    async def _send(self, channels: Sequence[Channel]) -> None:
        for channel in channels:
            sender = Sender(
                database=self.database,
                provider=self._providers[channel],
                channel=channel,
                clock=self.clock,
                house=self._house,
                timing=Timing(2.0, 8.0, 3.0),
                bucket=None,
                owner="test",
            )
            await sender.run(for_s=20, should_stop=lambda: False)


class PlayedDay:
    """One delivery on Thursday between 10:00 and 12:00, as the second of two stops."""

    def __init__(self, outbox: Outbox, phone: str = "+12015550111") -> None:
        self.outbox, self.phone = outbox, phone
        self.database, self.clock = outbox.database, outbox.clock
        with self.database.writing() as session:
            route = make_route(session, on=THURSDAY)
            other = make_stop(session, route)
            make_delivery(session, stop=other, phone="+12015550199", email=None)
            made = make_delivery(session, route=route, phone=phone, email=None, plan_dirty_at=MONDAY_MORNING)
            self.id, self.route_id, self.stop_id, self.other_stop_id = made.id, route.id, made.stop_id, other.id

    def texts(self, to: str | None = None) -> list[str]:
        """Return what this recipient, or another number, got, without the link at the end."""
        return [one.body.partition(" https://")[0] for one in self.outbox.sent if one.to == (to or self.phone)]

    def rows(self) -> list[Notification]:
        """Return every notification about the delivery."""
        with self.database.reading() as session:
            return list(session.scalars(select(Notification).where(Notification.delivery_id == self.id)))

    def change(self, act: Callable[[Session, datetime], object]) -> None:
        """Do something in one transaction."""
        with self.database.writing() as session:
            act(session, self.clock.now())

    def _tap(self) -> Tap:
        driver = Actor(ActorKind.DRIVER, "d" * 32)
        return Tap(now=self.clock.now(), actor=driver, ids=new_id, request_id=new_id())

    def move(self, name: str, window: str) -> None:
        """Move the delivery to another day or window."""
        start, _, end = window.partition("-")
        on = THURSDAY + timedelta(days=DAYS[name])
        self.change(
            lambda session, now: changes.reschedule(
                session,
                self.id,
                service_on=on,
                window_start=start,
                window_end=end,
                now=now,
                actor=SYSTEM,
                ids=new_id,
                route_id=self.route_id if name == "thu" else None,
            )
        )

    def cancel(self) -> None:
        """Cancel it."""
        self.change(lambda session, now: changes.cancel(session, self.id, now=now, actor=SYSTEM, ids=new_id))

    def correct(self, **fields: str) -> None:
        """Correct the recipient's contact."""
        self.change(lambda session, now: changes.correct_contact(session, self.id, now=now, region="US", **fields))

    def reassign(self) -> None:
        """Give the route to another driver."""

        def act(session: Session, now: datetime) -> None:
            other = make_driver(session, "Noor Haddad", "+12015550151")
            changes.reassign(session, self.route_id, driver_id=other.id, now=now, actor=SYSTEM, ids=new_id)

        self.change(act)

    def reorder(self, *, first: bool) -> None:
        """Put this stop first, or last."""
        order = [self.stop_id, self.other_stop_id] if first else [self.other_stop_id, self.stop_id]
        self.change(lambda session, now: changes.reorder(session, self.route_id, order, now=now))

    def put(self, **columns: object) -> None:
        """Set columns of the delivery, as an import or the fix consumer does, and mark its plan."""

        def act(session: Session, now: datetime) -> None:
            delivery = session.get_one(Delivery, self.id)
            for name, value in columns.items():
                setattr(delivery, name, value)
            session.flush()
            mark_plan_dirty(session, [self.id], now)

        self.change(act)

    def window(self, window: str, zone: str = ZONE) -> None:
        """Change the window, and the zone of the address, as a changed route file does."""
        start, _, end = window.partition("-")
        self.put(
            zone=zone,
            window_start_at=local_instant(THURSDAY, time.fromisoformat(start), zone),
            window_end_at=local_instant(THURSDAY, time.fromisoformat(end), zone),
        )

    def start(self) -> None:
        """Start the route."""
        self.change(lambda session, now: driver_day.start_route(session, self.route_id, self._tap()))

    def is_next(self) -> None:
        """Say that this recipient is next, as the first fix that shows it does."""
        self.change(lambda session, now: setattr(session.get_one(Stop, self.stop_id), "stops_before", 0))
        self.put(next_stop_at=self.clock.now(), promise_point_at=self.clock.now() + timedelta(minutes=15))

    def arrive(self) -> None:
        """Arrive."""
        self.change(lambda session, now: driver_day.arrive(session, self.stop_id, self._tap()))

    def deliver(self) -> None:
        """Hand over."""
        self.change(lambda session, now: driver_day.deliver(session, self.id, self._tap()))

    def fail(self) -> None:
        """Fail."""
        reason = FailureReason.NOBODY_HOME
        self.change(lambda session, now: driver_day.fail(session, self.id, self._tap(), reason=reason))

    def undo(self) -> None:
        """Take the last step back."""
        self.change(lambda session, now: driver_day.undo(session, self.id, self._tap()))

    @property
    def status(self) -> DeliveryStatus:
        """How the delivery stands."""
        with self.database.reading() as session:
            return session.get_one(Delivery, self.id).status


Act = Callable[[PlayedDay], None]
Steps = Sequence[tuple[str, Act]]


def play(outbox: Outbox, plays: Sequence[tuple[PlayedDay, Steps]], *, until: str) -> None:
    """Do every step of every play at its local time, with all that falls due in between, and go on to the end."""
    outbox.work()
    steps = [(instant_of(when), number, act, day) for day, steps in plays for number, (when, act) in enumerate(steps)]
    for at, _, act, day in sorted(steps, key=lambda step: step[:2]):
        outbox.go_to(at)
        act(day)
        outbox.work()
    outbox.go_to(instant_of(until))


def instant_of(when: str) -> datetime:
    """Return the instant of ``thu 10:30`` of that week."""
    name, _, clock_time = when.partition(" ")
    return local_instant(THURSDAY + timedelta(days=DAYS[name]), time.fromisoformat(clock_time), ZONE)
