import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from tests.builders import DEPOT_AT, local, make_delivery, make_driver, make_route, make_stop
from tests.heard import Heard
from tracking import consumer, deliveries, driver_day, facts
from tracking.actors import Actor, ActorKind
from tracking.clocks import SetClock
from tracking.consumer import ASIDE, GROUP, LEASE_KEY, MOST_READS, NAME, Consumer
from tracking.custody import CustodyEvent, CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, EstimateMade, PromiseChange
from tracking.drivers import DeviceToken, issue_device_token
from tracking.eta import Estimate, EtaHistory
from tracking.eta_learned import write_history
from tracking.fix_stream import STREAM
from tracking.holding import NOBODY_NAME, NOBODY_PHONE
from tracking.live_state import place_json, truck_place
from tracking.nearness import Nearness
from tracking.positions import Position
from tracking.route_changes import reorder
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop, stops_of
from tracking.storage import Database
from tracking.taps import Tap

STEP = 0.004  # degrees between stops of the builders' routes, in latitude
START = local("10:00")
HOUR = timedelta(hours=1)


class Day:
    """One started route of three stops, its truck, and a consumer."""

    def __init__(self, database: Database, redis: Redis, clock: SetClock, ids: Callable[[], str]) -> None:
        self.database, self.redis, self.clock, self.ids = database, redis, clock, ids
        self.woken: list[str] = []
        self.clock.at = START
        with database.writing() as session:
            route = make_route(session, status=RouteStatus.STARTED, started_at=START)
            self.route_id, self.driver_id = route.id, route.driver_id
            self.delivery_ids = []
            for _ in range(3):
                stop = make_stop(session, route)
                delivery = make_delivery(session, stop=stop, status=DeliveryStatus.OUT_FOR_DELIVERY)
                self.delivery_ids.append(delivery.id)
        self.consumer = self.another()
        self.heard = Heard(redis, facts.CHANNEL, facts.FLEET_CHANNEL)

    def another(self) -> Consumer:
        return Consumer(self.database, self.redis, self.clock, self.ids, wake=lambda: self.woken.append("wake"))

    def fix(self, along: float, *, ago_s: float = 0.0, driver_id: str | None = None, **told: Any) -> None:
        """Put a fix on the stream, ``along`` stops from the depot."""
        at = self.clock.now() - timedelta(seconds=ago_s)
        fields = {
            "driver": driver_id or self.driver_id,
            "at": at.isoformat(),
            "received": self.clock.now().isoformat(),
            "lat": repr(DEPOT_AT[0] + STEP * along),
            "lon": repr(DEPOT_AT[1] + 0.003 * along),
            "acc": "8.0",
            "speed": "8.0",
            "heading": "",
            "source": "json",
        }
        self.redis.xadd(STREAM, {**fields, **told})

    def work(self) -> None:
        """Let the consumer take all there is."""
        while self.consumer.step(block_ms=1):
            pass

    def drive(self, *, start: float, end: float, step_s: float = 10.0, speed_mps: float = 8.0) -> None:
        """Drive from one place to another, a fix every ``step_s``; one stop's way is about 510 m."""
        place = start
        while place < end:
            self.clock.advance(seconds=step_s)
            place = min(end, place + speed_mps * step_s / 510.0)
            self.fix(place)
        self.work()

    def stand(self, where: float, seconds: float) -> None:
        """Stand there, a fix every ten seconds."""
        for _ in range(int(seconds / 10)):
            self.clock.advance(seconds=10)
            self.fix(where, speed="0.0")
            self.work()

    def delivery(self, number: int) -> Delivery:
        with self.database.reading() as session:
            return deliveries.load(session, self.delivery_ids[number])

    def stop(self, number: int) -> Stop:
        return self.delivery(number).stop

    def count(self, table: Any) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def facts(self, kind: str | None = None) -> list[dict[str, Any]]:
        """All facts published since the last time."""
        found = [json.loads(line) for line in self.heard.news(facts.CHANNEL)]
        return [fact for fact in found if kind is None or fact["kind"] == kind]

    def pending(self) -> int:
        found: Any = self.redis.xpending(STREAM, GROUP)
        return int(found["pending"])


@pytest.fixture
def day(database: Database, redis: Redis, clock: SetClock, ids: Callable[[], str]) -> Any:
    made = Day(database, redis, clock, ids)
    yield made
    made.heard.close()


def test_fixes_become_history_estimates_and_promises(day: Day) -> None:
    day.drive(start=0.0, end=0.5)
    assert day.count(Position) == 4
    stops = [day.stop(number) for number in range(3)]
    assert [stop.stops_before for stop in stops] == [0, 1, 2]
    etas = [stop.eta_at for stop in stops]
    assert None not in etas
    assert etas == sorted(etas, key=str)
    assert all(day.delivery(number).promise_point_at is not None for number in range(3))
    assert day.pending() == 0


def test_devices_are_noted_as_heard_of_once_a_minute(day: Day) -> None:
    with day.database.writing() as session:
        issue_device_token(session, token_id="t1", driver_id=day.driver_id, label="phone", now=START, expires_at=None)
    heard_at = []
    for seconds in (10, 30, 40):
        day.clock.advance(seconds=seconds)
        day.fix(0.1 + seconds / 1000, device="t1")
        day.work()
        with day.database.reading() as session:
            heard_at.append(session.get_one(DeviceToken, "t1").last_heard_at)
    assert heard_at == [START + timedelta(seconds=seconds) for seconds in (10, 10, 80)]


def test_same_fixes_again_change_nothing(day: Day) -> None:
    day.drive(start=0.0, end=0.5)
    before = [(day.delivery(n).version, day.stop(n).eta_at) for n in range(3)]
    entries: Any = day.redis.xrange(STREAM)
    for _, fields in entries:
        day.redis.xadd(STREAM, fields)
    day.work()
    assert day.count(Position) == len(entries)
    assert [(day.delivery(n).version, day.stop(n).eta_at) for n in range(3)] == before


def test_consumer_killed_between_commit_and_acknowledgement_does_no_harm(day: Day) -> None:
    day.drive(start=0.0, end=0.8)
    day.stand(1.0, 90)
    for _ in range(3):
        day.clock.advance(seconds=10)
        day.fix(1.0, speed="0.0")
    # What a killed consumer leaves behind: read and committed, never acknowledged.
    acknowledge, day.redis.xack = day.redis.xack, lambda *_: 0  # type: ignore[method-assign]
    day.work()
    day.redis.xack = acknowledge  # type: ignore[method-assign]
    assert day.pending() == 3
    arrived_at, events = day.delivery(0).arrived_at, day.count(CustodyEvent)
    day.consumer = day.another()
    day.work()
    assert (day.pending(), day.count(CustodyEvent), day.delivery(0).arrived_at) == (0, events, arrived_at)
    day.drive(start=1.0, end=1.5)
    assert day.stop(1).stops_before == 0


def test_restarted_consumer_goes_on_where_the_other_was(day: Day) -> None:
    day.drive(start=0.0, end=0.9)
    day.stand(1.0, 40)
    day.consumer = day.another()
    day.stand(1.0, 60)
    assert day.delivery(0).status is DeliveryStatus.ARRIVED


def test_group_is_made_again_after_a_flush(day: Day) -> None:
    day.drive(start=0.0, end=0.3)
    day.redis.flushall()
    day.clock.advance(seconds=10)
    day.fix(0.4)
    day.work()
    day.work()
    assert (day.count(Position), day.pending()) == (3, 0)


def test_standing_at_the_stop_is_an_arrival_with_custody_and_place(day: Day) -> None:
    day.drive(start=0.0, end=0.95)
    day.stand(1.0, 100)
    delivery = day.delivery(0)
    assert delivery.status is DeliveryStatus.ARRIVED
    assert (delivery.stop.arrived_source, delivery.arrived_at) == ("position", delivery.stop.arrived_at)
    with day.database.reading() as session:
        event = session.scalars(select(CustodyEvent)).one()
    assert (event.kind, event.source, event.at) == (CustodyKind.ARRIVED, "position", delivery.arrived_at)
    assert event.lat == pytest.approx(DEPOT_AT[0] + STEP, abs=1e-4)
    day.drive(start=1.0, end=1.8)
    assert day.stop(0).departed_at is not None


def test_tap_wins_over_a_detected_arrival_and_custody_keeps_both(day: Day) -> None:
    day.drive(start=0.0, end=0.95)
    tap = Tap(day.clock.now(), Actor(ActorKind.DRIVER, day.driver_id), day.ids, "r1")
    with day.database.writing() as session:
        driver_day.arrive(session, day.stop(0).id, tap)
    tapped_at = day.clock.now()
    day.stand(1.0, 60)
    stop = day.stop(0)
    assert (stop.arrived_at, stop.arrived_source) == (tapped_at, "tap")
    day.drive(start=1.0, end=1.6)
    assert day.stop(0).departed_at is not None
    assert day.stop(1).stops_before == 0


def test_undone_arrival_is_ahead_again(day: Day) -> None:
    day.drive(start=0.0, end=0.95)
    actor = Actor(ActorKind.DRIVER, day.driver_id)
    with day.database.writing() as session:
        driver_day.arrive(session, day.stop(0).id, Tap(day.clock.now(), actor, day.ids, "r1"))
    day.consumer.tick()
    assert day.stop(1).stops_before == 1
    with day.database.writing() as session:
        driver_day.undo(session, day.delivery_ids[0], Tap(day.clock.now(), actor, day.ids, "r2"))
    day.drive(start=0.95, end=0.97)
    assert [day.stop(n).stops_before for n in range(3)] == [0, 1, 2]


def test_delivered_stop_no_longer_stands_before_the_next(day: Day) -> None:
    day.drive(start=0.0, end=0.95)
    actor = Actor(ActorKind.DRIVER, day.driver_id)
    with day.database.writing() as session:
        driver_day.deliver(session, day.delivery_ids[0], Tap(day.clock.now(), actor, day.ids, "r1"))
    facts.publish(day.redis, [facts.route_changed(day.route_id)])
    day.work()
    assert day.stop(1).stops_before == 0
    assert day.delivery(1).next_stop_at == day.clock.now()


def test_next_stop_is_marked_once_and_wakes_the_planner(day: Day) -> None:
    day.drive(start=0.0, end=0.2)
    first = day.delivery(0)
    assert first.next_stop_at is not None
    assert first.plan_dirty_at is not None
    assert day.woken
    day.drive(start=0.2, end=0.4)
    assert day.delivery(0).next_stop_at == first.next_stop_at


def test_what_staff_count_as_near_holds_from_the_next_tick(day: Day) -> None:
    near = [Nearness(5, or_next=False)]
    day.consumer = Consumer(
        day.database, day.redis, day.clock, day.ids, wake=lambda: None, nearness=lambda _session: near[0]
    )
    day.drive(start=0.0, end=0.2)
    first, last = (day.stop(number).eta_at for number in (0, 2))
    assert first is not None
    assert last is not None
    away = [(eta_at - day.clock.now()).total_seconds() / 60 for eta_at in (first, last)]
    assert away[0] < 5 < away[1] < 60  # the first stop is near by any rule, the last one by an hour's
    assert [day.delivery(number).next_stop_at is not None for number in (0, 2)] == [True, False]

    near[0] = Nearness(60)
    day.clock.advance(seconds=30)
    day.work()

    assert day.delivery(2).next_stop_at == day.clock.now()


def test_next_in_order_but_far_is_not_near_where_staff_said_so() -> None:
    def told(*, or_next: bool) -> bool:
        return Nearness(5, or_next=or_next).holds(
            Estimate("s", START + HOUR, START, START + HOUR, 0, None, "live"), START
        )

    assert [told(or_next=True), told(or_next=False)] == [True, False]


def test_only_recipients_who_may_see_the_truck_are_told_its_place(day: Day) -> None:
    with day.database.writing() as session:
        session.get_one(Delivery, day.delivery_ids[2]).status = DeliveryStatus.SCHEDULED
    day.drive(start=0.0, end=0.4)
    places = day.facts("place")
    told = {fact["delivery_id"]: fact["place"] for fact in places}
    assert told[day.delivery_ids[0]] is not None
    assert told[day.delivery_ids[1]] is not None
    assert [fact["place"] for fact in places if fact["delivery_id"] == day.delivery_ids[2]] == [None]


def test_place_told_is_the_place_that_pages_read(day: Day) -> None:
    day.drive(start=0.0, end=0.4)
    (*_, last) = [fact for fact in day.facts("place") if fact["delivery_id"] == day.delivery_ids[0]]
    with day.database.reading() as session:
        truck = truck_place(session, deliveries.load(session, day.delivery_ids[0]), day.clock.now())
    assert truck is not None
    assert (last["place"]["lat"], last["place"]["lon"]) == (truck.lat, truck.lon)
    assert last["place"]["lat"] == round(last["place"]["lat"], 4)


def test_place_told_is_the_place_that_pages_read_to_the_last_digit(day: Day) -> None:
    """-74.38714996 is -74.3871 in four decimals, and -74.3872 by way of six; 1.96 m/s is not yet driving, 2.0 is."""
    day.drive(start=0.0, end=0.4)
    for lon, speed in (("-74.38714996", "9.0"), ("-74.3871500001", "1.96"), ("-74.38715", "1.94")):
        day.clock.advance(seconds=600)
        day.fix(0.4, lon=lon, speed=speed)
        day.facts()
        day.work()
        [told] = [fact["place"] for fact in day.facts("place") if fact["delivery_id"] == day.delivery_ids[0]][-1:]
        with day.database.reading() as session:
            truck = truck_place(session, deliveries.load(session, day.delivery_ids[0]), day.clock.now())
        assert truck is not None
        assert told == place_json(truck)


def test_truck_is_followed_again_when_the_clock_was_set_back(day: Day) -> None:
    """The machine's clock was an hour ahead, and is set right: the truck's next fix counts, not the one in an hour."""
    day.clock.at += timedelta(hours=1)
    day.drive(start=0.0, end=0.4)
    day.clock.at -= timedelta(hours=1)
    day.clock.machine_s -= 3600
    day.facts()
    day.drive(start=0.4, end=0.6)
    [*_, told] = [fact["place"] for fact in day.facts("place") if fact["delivery_id"] == day.delivery_ids[0]]
    assert told is not None
    assert told["lat"] == round(DEPOT_AT[0] + STEP * 0.6, 4)
    eta_at = day.stop(0).eta_at
    assert eta_at is not None
    assert timedelta() <= eta_at - day.clock.now() < timedelta(minutes=5)
    day.stand(1.0, 120)
    day.drive(start=1.0, end=1.5)
    assert day.stop(0).arrived_at is not None
    assert day.stop(0).departed_at is not None


def test_silent_truck_is_looked_at_when_the_machines_clock_was_set_back(day: Day) -> None:
    day.drive(start=0.0, end=0.4)
    day.consumer.tick()
    day.clock.machine_s -= 3600
    day.clock.advance(seconds=600)
    day.facts()
    day.work()
    assert day.facts("place") != []


def test_consumer_that_was_held_up_tells_no_place(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between commit and telling it stood still for longer than its lease: the truck may be hidden by now."""
    day.drive(start=0.0, end=0.4)
    day.consumer.tick()
    day.facts()
    acknowledge = day.redis.xack

    def held_up(*given: Any) -> Any:
        day.clock.advance(seconds=5)
        return acknowledge(*given)

    monkeypatch.setattr(day.redis, "xack", held_up)
    day.fix(0.45)
    day.work()
    told = day.facts()
    assert [fact for fact in told if fact["kind"] == "place"] == []
    assert {fact["delivery_id"] for fact in told if fact["kind"] == "delivery"} >= set(day.delivery_ids)


def test_truck_is_hidden_once_when_the_delivery_arrives(day: Day) -> None:
    day.drive(start=0.0, end=0.95)
    day.facts()
    day.stand(1.0, 90)
    told = [fact["place"] for fact in day.facts("place") if fact["delivery_id"] == day.delivery_ids[0]]
    assert told.count(None) == 1
    assert told[-1] is None


def test_a_fix_is_taken_before_a_tick_has_looked_at_every_truck(day: Day) -> None:
    with day.database.writing() as session:
        for number in range(3):
            driver = make_driver(session, f"Driver {number}", f"+1201555016{number}")
            make_stop(session, make_route(session, status=RouteStatus.STARTED, started_at=START, driver=driver))
    day.consumer.step(block_ms=1)  # begins the tick
    day.fix(0.2)
    day.consumer.step(block_ms=1)
    assert (day.count(Position), day.pending()) == (1, 0)
    assert day.count(RouteState) < 4  # a look leaves a route's state behind
    for _ in range(2):
        day.consumer.step(block_ms=1)
    assert day.count(RouteState) == 4


def test_silent_truck_moves_the_promise_and_says_why(day: Day) -> None:
    day.drive(start=0.0, end=0.5)
    before = day.delivery(2).promise_point_at
    assert before is not None
    for _ in range(60):
        day.clock.advance(seconds=60)
        day.consumer.step(block_ms=1)
    after = day.delivery(2)
    assert after.promise_point_at is not None
    assert after.promise_point_at > before
    assert after.promise_cause == "no_signal"
    assert day.count(PromiseChange) > 0


def test_delay_beyond_the_window_is_marked_with_the_first_moment(day: Day) -> None:
    with day.database.writing() as session:
        session.get_one(Delivery, day.delivery_ids[2]).window_end_at = START + timedelta(minutes=10)
        session.get_one(Delivery, day.delivery_ids[2]).window_start_at = START
    day.stand(0.0, 900)
    broken_at = day.delivery(2).promise_broken_at
    assert broken_at is not None
    assert day.delivery(2).plan_dirty_at is not None
    day.stand(0.0, 60)
    assert day.delivery(2).promise_broken_at == broken_at


def test_planned_route_that_does_not_start_slips(day: Day) -> None:
    with day.database.writing() as session:
        route = make_route(session, starts="10:30", driver=make_driver(session, "Sam", "+12015550151"))
        stop = make_stop(session, route, planned_arrival_at=local("10:40"))
        late = make_delivery(session, stop=stop, window="10:30-11:00")
    day.clock.at = local("11:30")
    day.consumer.tick()
    with day.database.reading() as session:
        found = deliveries.load(session, late.id)
    assert found.promise_point_at is not None
    assert found.promise_point_at >= local("11:30")
    assert (found.promise_cause, found.next_stop_at) == ("late_start", None)
    assert found.promise_broken_at is not None


def test_what_waits_for_a_truck_is_promised_no_time_and_is_not_late(day: Day) -> None:
    with day.database.writing() as session:
        nobody = make_driver(session, NOBODY_NAME, NOBODY_PHONE)
        route = make_route(session, starts="08:00", driver=nobody)
        stop = make_stop(session, route, planned_arrival_at=local("08:10"))
        waiting = make_delivery(session, stop=stop, window="10:30-11:00")
    day.clock.at = local("11:30")
    day.consumer.tick()
    with day.database.reading() as session:
        found = deliveries.load(session, waiting.id)
        assert (found.stop.eta_at, found.promise_point_at, found.promise_broken_at) == (None, None, None)


def test_estimates_are_kept_at_most_once_a_minute_and_stop(day: Day) -> None:
    day.stand(0.2, 300)
    with day.database.reading() as session:
        kept = list(session.scalars(select(EstimateMade.made_at).where(EstimateMade.stop_id == day.stop(0).id)))
    assert 4 <= len(kept) <= 6
    day.consumer = day.another()
    day.stand(0.2, 20)
    with day.database.reading() as session:
        again = list(session.scalars(select(EstimateMade.made_at).where(EstimateMade.stop_id == day.stop(0).id)))
    assert len(again) <= len(kept) + 1


def test_new_order_explains_the_new_estimates(day: Day) -> None:
    day.drive(start=0.0, end=0.3)
    with day.database.writing() as session:
        order = [stop.id for stop in stops_of(session, day.route_id)]
        reorder(session, day.route_id, [order[2], order[0], order[1]], now=day.clock.now())
    day.drive(start=0.3, end=0.35)
    assert [day.stop(n).stops_before for n in range(3)] == [1, 2, 0]
    assert day.stop(0).eta_cause == "reorder"


def test_fixes_of_a_driver_without_a_route_are_kept_for_nobody(day: Day) -> None:
    with day.database.writing() as session:
        other = make_driver(session, "Sam", "+12015550151").id
    day.fix(0.5, driver_id=other)
    day.fix(0.5, driver_id="nobody")
    day.work()
    with day.database.reading() as session:
        rows = list(session.execute(select(Position.driver_id, Position.route_id)))
    assert [tuple(row) for row in rows] == [(other, None)]


def test_planned_route_keeps_the_last_fix_and_waits_for_the_start(day: Day) -> None:
    with day.database.writing() as session:
        session.get_one(Route, day.route_id).status = RouteStatus.PLANNED
    day.drive(start=0.0, end=2.0)
    with day.database.reading() as session:
        state = session.get_one(RouteState, day.route_id)
        assert state.last_fix_at == day.clock.now()
    assert day.stop(0).arrived_at is None
    assert {fact["place"] for fact in day.facts("place")} == {None}


@pytest.mark.parametrize("fields", [{"x": "y"}, {"lat": "nan"}, {"at": "now"}, {"at": "2026-03-05T10:00:00"}])
def test_entry_that_is_no_fix_is_left_out(day: Day, fields: dict[str, str]) -> None:
    if "x" in fields:
        day.redis.xadd(STREAM, dict(fields))
    else:
        day.fix(0.1, **fields)
    day.work()
    assert (day.count(Position), day.pending()) == (0, 0)


def test_entry_that_stops_the_loop_again_and_again_is_put_aside(day: Day) -> None:
    day.fix(0.1)
    day.consumer.step(block_ms=1)
    day.fix(0.2)
    for _ in range(MOST_READS):
        day.redis.xreadgroup(GROUP, NAME, {STREAM: ">"})
        day.redis.xreadgroup(GROUP, NAME, {STREAM: "0"})
    day.consumer = day.another()
    day.work()
    assert (day.redis.xlen(ASIDE), day.pending()) == (1, 0)


def test_fixes_are_not_put_aside_while_the_database_is_away(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    day.work()
    day.fix(0.1)
    stop, looks = threading.Event(), 0
    there = {"reading": day.database.reading, "writing": day.database.writing}

    def away() -> Any:
        nonlocal looks
        looks += 1
        if looks == 5 * MOST_READS:
            for name, way in there.items():
                setattr(day.database, name, way)
        raise OperationalError("SELECT 1", None, Exception("the server is not there"))

    def back(_told: Any, _begun_s: float) -> None:
        stop.set()

    monkeypatch.setattr(consumer, "RETRY_S", 0.001)
    monkeypatch.setattr(day.consumer, "_tell", back)
    for name in there:
        monkeypatch.setattr(day.database, name, away)
    day.consumer.run(stop)
    assert day.redis.xlen(ASIDE) == 0
    assert day.pending() == 0
    assert day.count(Position) == 1


def test_one_consumer_is_active_and_the_other_takes_over(day: Day) -> None:
    other = day.another()
    assert day.consumer.hold_lease()
    assert not other.hold_lease()
    day.redis.delete(LEASE_KEY)
    assert other.hold_lease()
    assert not day.consumer.hold_lease()


def test_two_consumers_at_once_do_no_harm(day: Day) -> None:
    other = day.another()
    place = 0.0
    for turn in range(12):
        day.clock.advance(seconds=10)
        place += 0.08
        day.fix(place)
        (day.consumer if turn % 2 else other).step(block_ms=1)
    assert day.count(Position) == 12
    assert [day.stop(n).stops_before for n in range(3)] == [0, 1, 2]


def test_what_the_consumer_remembers_gives_way_to_what_people_changed(day: Day) -> None:
    day.drive(start=0.0, end=0.3)
    with day.database.writing() as session:
        over = day.clock.now() - timedelta(minutes=1)
        this = update(Delivery).where(Delivery.id == day.delivery_ids[2])
        window = {"window_start_at": over - timedelta(hours=1), "window_end_at": over}
        session.execute(this.values(version=Delivery.version + 1, **window))
    day.drive(start=0.3, end=0.4)
    assert day.delivery(2).promise_broken_at is not None


def test_remembering_changes_no_estimate(day: Day) -> None:
    # The same day twice: once each look goes on from the last, once each reads everything anew.
    days = [day, Day(day.database, day.redis, day.clock, day.ids)]
    with day.database.writing() as session:
        driver_id = make_driver(session, "Sam", "+12015550151").id
        session.execute(update(Route).where(Route.id == days[1].route_id).values(driver_id=driver_id))
    days[1].driver_id = driver_id
    for number in range(1, 9):
        day.clock.advance(seconds=10)
        for one in days:
            one.fix(0.1 * number)
        days[0].consumer.step(block_ms=1)
        days[0].consumer._batches._seen.pop(days[1].route_id, None)
    etas = [[one.stop(number).eta_at for number in range(3)] for one in days]
    assert None not in etas[0]
    for one, two in zip(*etas, strict=True):
        assert one is not None
        assert two is not None
        assert abs((one - two).total_seconds()) < 1


def test_night_that_learned_changes_the_next_estimates(day: Day) -> None:
    day.drive(start=0.0, end=0.2)
    before = day.stop(2).eta_at
    with day.database.writing() as session:
        slow = replace(EtaHistory.default(), pace=2.5)
        write_history(session, slow, runs=9, now=day.clock.now())
    day.consumer.tick()
    after = day.stop(2).eta_at
    assert before is not None
    assert after is not None
    # 1.4 km at 150 s/km: 210 engine seconds, at twice the pace some four minutes more.
    assert after - before > timedelta(minutes=2)


def test_run_takes_fixes_until_it_is_stopped(day: Day) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=day.consumer.run, args=(stop,))
    thread.start()
    day.fix(0.2)
    while not day.count(Position):
        day.heard.next()
    stop.set()
    thread.join(timeout=60)
    assert day.redis.get(LEASE_KEY) is None
    assert day.count(Position) == 1


def test_instants_stay_instants(day: Day) -> None:
    day.fix(0.2, at=datetime.fromisoformat("2026-03-05T10:00:00-05:00").isoformat())
    day.work()
    with day.database.reading() as session:
        assert session.scalars(select(Position.at)).one() == START


def test_route_that_was_never_finished_does_not_take_the_next_days_fixes(day: Day) -> None:
    with day.database.writing() as session:
        old = session.get_one(Route, day.route_id)
        old.started_at = START - timedelta(hours=25)
        today = make_route(session, starts="11:00").id
    day.drive(start=0.0, end=0.3)
    with day.database.reading() as session:
        assert set(session.scalars(select(Position.route_id))) == {today}
    assert day.stop(0).eta_at is None
