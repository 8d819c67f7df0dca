"""The life of messages as a game: any order of plans, changes, sends, deaths, receipts, clocks; then four laws.

Terminal never regresses; nothing goes out after an opt-out; no held kind goes out in quiet hours; at most one per key.
The jobs are the worker's own (``Workshop``), on SQLite; only the providers are ours, and judge by their journals.
``LIFE_CYCLES=5000`` plays the full number of games.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from sqlalchemy import Row, event, select, update

from messaging.channels.base import Outgoing
from messaging.channels.names import TWILIO
from messaging.channels.twilio_words import STATUSES
from messaging.consent import ConsentAction, contact_hash, note_consent, pepper_of
from messaging.kinds import RULES, Channel, Kind, Lane, Promise
from messaging.notifications import TERMINAL, Notification, NotificationStatus
from messaging.outbox import Lease, claim, mark_posting, queue
from messaging.receipts import Word, record
from messaging.wakeups import Wakeups
from portal.services import Services, build
from portal.settings import read_settings
from portal.workshop import Workshop
from tests.builders import ZONE, local, make_delivery
from tests.messaging.shelf import Answer, Killed, Shelf, Taken
from tracking.actors import SYSTEM
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, mark_plan_dirty
from tracking.ids import new_id
from tracking.storage import Base

GAMES = int(os.environ.get("LIFE_CYCLES", "12"))
STEPS = 20
EVE = local("17:50", on=date(2026, 3, 4))
_S = NotificationStatus
SAID = (Kind.REPLY, Kind.CHAT, Kind.NEXT_STOP, Kind.DELAYED)
NEVER_HELD = {Kind.REPLY, Kind.DRIVER_LINK}
# By DESIGN 4: planned kinds 20:00-08:00, what the day brings about 21:00-07:00. The wider bounds hold for every kind.
PLANNED_HOURS, ANY_HOURS = (time(8), time(20)), (time(7), time(21))
PLANNED_QUIET_KINDS = {Kind.SCHEDULED, Kind.DAY_BEFORE, Kind.MORNING_OF, Kind.RATING_REQUEST, Kind.CASE_FOLLOW_UP}


class Asleep(Wakeups):
    """Nobody is woken: here every job runs when the game says so."""

    def enqueue(self, queue: str, job: str, *arguments: str, ttl_s: float = 0.0) -> None:
        """Enqueue nothing."""

    def started(self, job: str, *arguments: str) -> None:
        """Note nothing."""


class Stage:
    """What every game is played on: one record, one Valkey, one event loop, emptied between games."""

    def __init__(self, services: Services, runner: asyncio.Runner, clock: SetClock) -> None:
        self.services, self.runner, self.clock = services, runner, clock
        self.pepper = pepper_of(services.settings.secret_keys)

    def clear(self) -> None:
        """Empty the record and Valkey."""
        with self.services.database.writing() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
        self.services.redis.flushall()
        self.clock.at, self.clock.machine_s = EVE, 1_000_000.0


class LifeCycle(RuleBasedStateMachine):
    """One game about one delivery."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage, self.database, self.clock = stage, stage.services.database, stage.clock
        stage.clear()
        self.texts = Shelf(TWILIO, can_find=True, seen=self._seen)
        self.mails = Shelf("smtp", can_find=False, seen=self._seen)
        self.shelves = {Channel.SMS: self.texts, Channel.EMAIL: self.mails}
        self.texts.taken = self._taken
        self.looks = 0
        self.workshop = self._started()
        self.out: set[tuple[Channel, str]] = set()
        self.ended: dict[str, NotificationStatus] = {}
        self.shown: dict[tuple[str, str], set[str]] = {}
        self.refused: set[str] = set()
        self.broken_laws: list[str] = []
        self.early: list[str] = []
        self.occasions = 0

    def _started(self) -> Workshop:
        return Workshop(
            self.stage.services, self.stage.runner, should_stop=self._has_looked_enough, providers=self.shelves
        )

    def _has_looked_enough(self) -> bool:
        """End a send job that only waits: its clock stands still."""
        self.looks += 1
        return self.looks > 4

    @initialize()
    def begin(self) -> None:
        with self.database.writing() as session:
            made = make_delivery(session, zone=ZONE)
            mark_plan_dirty(session, [made.id], self.clock.now())
            self.delivery_id = made.id
            self.addresses = {Channel.SMS: made.phone or "", Channel.EMAIL: made.email or ""}

    # What people and the day do.

    @rule()
    def plan(self) -> None:
        self.workshop.reconcile()

    @rule(kind=st.sampled_from(SAID), channel=st.sampled_from(Channel), again=st.booleans())
    def say(self, kind: Kind, channel: Channel, again: bool) -> None:
        """Queue a message; the same occasion a second time adds nothing."""
        self.occasions += 0 if again else 1
        with self.database.writing() as session:
            queue(
                session,
                kind=kind,
                channel=channel,
                subject=self.delivery_id,
                occasion=str(self.occasions),
                delivery_id=self.delivery_id,
                to_address=self.addresses[channel],
                locale="en",
                context={"text": f"Line {self.occasions}"} if kind in {Kind.REPLY, Kind.CHAT} else {},
                now=self.clock.now(),
                ids=new_id,
            )

    @rule(days=st.integers(-1, 2), hours=st.integers(0, 8))
    def reschedule(self, days: int, hours: int) -> None:
        on = date(2026, 3, 5) + timedelta(days=days)
        start = local("08:00", on) + timedelta(hours=hours)
        self._change(service_on=on, window_start_at=start, window_end_at=start + timedelta(hours=2))

    @rule(status=st.sampled_from([DeliveryStatus.SCHEDULED, DeliveryStatus.CANCELLED, DeliveryStatus.OUT_FOR_DELIVERY]))
    def turn(self, status: DeliveryStatus) -> None:
        self._change(status=status, status_at=self.clock.now())

    def _change(self, **columns: Any) -> None:
        with self.database.writing() as session:
            session.execute(update(Delivery).where(Delivery.id == self.delivery_id).values(**columns))
            mark_plan_dirty(session, [self.delivery_id], self.clock.now())

    @rule(channel=st.sampled_from(Channel), action=st.sampled_from(ConsentAction))
    def consent(self, channel: Channel, action: ConsentAction) -> None:
        with self.database.writing() as session:
            hashed = contact_hash(self.addresses[channel], self.stage.pepper)
            note_consent(
                session,
                contact=hashed,
                channel=channel,
                action=action,
                source="page",
                actor=SYSTEM,
                now=self.clock.now(),
            )
            mark_plan_dirty(session, [self.delivery_id], self.clock.now())
        (self.out.add if action is ConsentAction.OPT_OUT else self.out.discard)((channel, self.addresses[channel]))

    # What the worker does, and what becomes of it.

    @rule(channel=st.sampled_from(Channel), answers=st.lists(st.sampled_from(Answer), min_size=1, max_size=3))
    def answer(self, channel: Channel, answers: list[Answer]) -> None:
        self.shelves[channel].answers = answers

    @rule(channel=st.sampled_from(Channel))
    def send(self, channel: Channel) -> None:
        waiting = list(self.shelves[channel].answers)
        self.looks = 0
        try:
            self.workshop.send(channel)
        except Killed:
            self.workshop = self._started()
        used = waiting[: len(waiting) - len(self.shelves[channel].answers)]
        if Answer.OPTED_OUT in used:
            self.out |= {(channel, address) for address in self._newly_refused(channel)}

    def _newly_refused(self, channel: Channel) -> set[str]:
        """Return whose messages failed because that person opted out there: not those whose sender died first."""
        failed = select(Notification.id, Notification.to_address).where(
            Notification.error_code == "21610", Notification.channel == channel, Notification.status == _S.FAILED
        )
        with self.database.reading() as session:
            found = {row.id: row.to_address for row in session.execute(failed)}
        fresh = {address for row_id, address in found.items() if row_id not in self.refused and address}
        self.refused |= set(found)
        return fresh

    @rule(channel=st.sampled_from(Channel), has_posted=st.booleans())
    def die_holding(self, channel: Channel, has_posted: bool) -> None:
        """A sender claims what is due and dies, before or after it said that it posts."""
        elapsed = self.clock.elapsed()
        lease = Lease("dead", elapsed + self.stage.services.settings.lease_s)
        with self.database.writing() as session:
            taken = claim(
                session,
                channel=channel,
                lanes=list(Lane),
                limit=3,
                now=self.clock.now(),
                elapsed=elapsed,
                lease=lease,
            )
            if has_posted:
                mark_posting(session, {one: {} for one in taken}, lease, elapsed)

    @rule()
    def sweep(self) -> None:
        self.workshop.sweep()

    @rule()
    def settle(self) -> None:
        self.workshop.settle()

    # What the provider tells.

    @precondition(lambda self: self.texts.journal)
    @rule(
        data=st.data(),
        word=st.sampled_from([*STATUSES, "teleported"]),
        code=st.sampled_from(["", "30003", "30008"]),
        is_named=st.booleans(),
    )
    def receipt(self, data: st.DataObject, word: str, code: str, is_named: bool) -> None:
        """A receipt of any text, in any order, as often as it likes, with or without our id."""
        taken = data.draw(st.sampled_from(self.texts.journal))
        self._tell(taken, word, code, is_named=is_named)

    @rule(word=st.sampled_from(["queued", "sent", "delivered", "undelivered"]))
    def overtake(self, word: str) -> None:
        """The next text's receipt comes before the answer to its create."""
        self.early = [word]

    def _tell(self, taken: Taken, word: str, code: str = "", *, is_named: bool = True) -> None:
        told = Word(
            TWILIO,
            taken.ref,
            word,
            STATUSES.get(word),
            code,
            notification_id=taken.reference if is_named else None,
        )
        with self.database.writing() as session:
            record(session, told, now=self.clock.now(), ids=new_id, pepper=self.stage.pepper)

    def _taken(self, taken: Taken) -> None:
        while self.early:
            self._tell(taken, self.early.pop())

    # What the clocks do.

    @rule(seconds=st.sampled_from([1, 3, 12, 35, 120, 700]))
    def pass_seconds(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(hours=st.sampled_from([1, 3, 9, 14]))
    def pass_hours(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule(step_s=st.sampled_from([-3600.0, 3600.0]))
    def set_machine_clock(self, step_s: float) -> None:
        self.clock.machine_s += step_s

    # The laws.

    def _seen(self, message: Outgoing) -> None:
        """Look at a message at the moment it reaches its provider."""
        with self.database.reading() as session:
            row = session.get_one(Notification, message.reference)
        if (row.channel, message.to) in self.out:
            self.broken_laws.append(f"{row.kind} by {row.channel} after an opt-out")
        at = self.clock.now().astimezone(local("12:00").tzinfo).time()
        first, last = PLANNED_HOURS if row.kind in PLANNED_QUIET_KINDS else ANY_HOURS
        if row.kind not in NEVER_HELD and not first <= at < last:
            self.broken_laws.append(f"{row.kind} by {row.channel} at {at}")
        self.shown.setdefault((message.to, message.body), set()).add(message.reference)

    @invariant()
    def nothing_goes_out_after_an_opt_out_or_in_quiet_hours(self) -> None:
        assert self.broken_laws == []

    @invariant()
    def terminal_never_regresses(self) -> None:
        for row in self._rows():
            assert self.ended.setdefault(row.id, row.status) is row.status or row.id not in self.ended
            if row.status not in TERMINAL:
                del self.ended[row.id]

    @invariant()
    def each_key_goes_out_once(self) -> None:
        rows = {row.id: row for row in self._rows()}
        assert len({row.dedupe_key for row in rows.values()}) == len(rows)
        same_words = Counter((taken.to, taken.body) for taken in self.texts.journal)
        assert all(count <= len(self.shown[words]) for words, count in same_words.items())
        for shelf in self.shelves.values():
            count = Counter(taken.reference for taken in shelf.journal)
            unanswered = Counter(taken.reference for taken in shelf.journal if not taken.is_answered)
            for reference, times in count.items():
                if RULES[rows[reference].kind].promise is Promise.HAPPENING_NOW:
                    assert times == 1
                elif not shelf.can_find:  # a mail is said again only when nobody answered; same Message-ID
                    assert times - 1 <= unanswered[reference]

    def _rows(self) -> Sequence[Row[str, NotificationStatus, Kind, str, datetime]]:
        of = Notification
        with self.database.reading() as session:
            return session.execute(select(of.id, of.status, of.kind, of.dedupe_key, of.due_at)).all()

    def teardown(self) -> None:
        """Let it play to its end: nothing may be left in the air."""
        for shelf in self.shelves.values():
            shelf.answers.clear()
        for _ in range(3):
            self.clock.machine_s += 700.0
            self.workshop.sweep()
            self.workshop.settle()
            for channel in Channel:
                self.looks = 0
                self.workshop.send(channel)
        self.nothing_goes_out_after_an_opt_out_or_in_quiet_hours()
        self.terminal_never_regresses()
        self.each_key_goes_out_once()
        for row in self._rows():
            assert row.status not in {_S.SENDING, _S.AMBIGUOUS}, row.kind
            assert row.status is not _S.DUE or row.due_at > self.clock.now(), row.kind


@pytest.fixture
def stage(environ: dict[str, str], redis: Redis, clock: SetClock) -> Iterator[Stage]:
    """The real services, on a record that need not survive the power."""
    fast = {"PORTAL_SEND_TIMEOUT_S": "2", "PORTAL_LEASE_S": "6", "PORTAL_SETTLE_S": "3"}
    built = build(read_settings({**environ, **fast}), clock=clock)
    event.listen(built.database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    with asyncio.Runner() as runner:
        yield Stage(replace(built, wake=Asleep(built.redis)), runner, clock)
    built.database.close()
    built.redis.close()


def test_the_laws_hold_in_any_order_of_events(stage: Stage) -> None:
    class Game(LifeCycle):
        def __init__(self) -> None:
            super().__init__(stage)

    run_state_machine_as_test(
        Game,
        settings=settings(
            max_examples=GAMES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize="LIFE_CYCLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
