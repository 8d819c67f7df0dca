"""A provider that fails again and again rests, is tried by one message, and everybody sees the same."""

from collections.abc import Callable

import pytest
from redis import Redis

from messaging.breakers import (
    FAILURES_TO_OPEN,
    FIRST_REST_S,
    LONGEST_REST_S,
    Health,
    is_resting,
    note_health,
    release_probe,
    room,
    states,
)
from messaging.kinds import Channel, Kind, Lane
from messaging.notifications import Notification
from messaging.reconciler import OUT
from portal.services import Services
from portal.workshop import Workshop
from sandbox.world import World
from tests.builders import local, make_delivery, make_route, make_stop
from tracking.clocks import SetClock
from tracking.deliveries import mark_plan_dirty
from tracking.storage import Database

NOON = local("12:00")
FAILS, ANSWERS = (Health.FAILS, "no answer in time"), (Health.ANSWERS, "")


def tell(database: Database, *told: tuple[Health, str], elapsed: float, owner: str = "a") -> None:
    with database.writing() as session:
        note_health(session, "twilio", list(told), owner=owner, now=NOON, elapsed=elapsed)


def may(database: Database, elapsed: float, owner: str = "a", wished: int = 50) -> tuple[int, bool]:
    with database.writing() as session:
        return room(session, "twilio", wished=wished, owner=owner, elapsed=elapsed, probe_s=30.0)


def test_failures_in_a_row_open_it_and_one_answer_ends_the_row(database: Database) -> None:
    tell(database, *[FAILS] * (FAILURES_TO_OPEN - 1), elapsed=100.0)
    tell(database, ANSWERS, *[FAILS] * (FAILURES_TO_OPEN - 1), elapsed=101.0)
    assert may(database, 101.0) == (50, False)

    tell(database, FAILS, elapsed=102.0, owner="b")

    assert may(database, 102.0) == (0, False)
    with database.reading() as session:
        assert is_resting(session, "twilio", 102.0)
        state = states(session)["twilio"]
        assert (state.opened_at, state.rested_until) == (NOON, 102.0 + FIRST_REST_S)


def test_after_the_rest_one_message_tries_whoever_asks(database: Database) -> None:
    tell(database, *[FAILS] * FAILURES_TO_OPEN, elapsed=100.0)
    assert may(database, 102.0, "a") == (1, True)
    assert may(database, 102.0, "b") == (0, False)

    tell(database, ANSWERS, elapsed=103.0, owner="a")

    assert may(database, 103.0, "b") == (50, False)


def test_each_probe_that_fails_doubles_the_rest_up_to_half_a_minute(database: Database) -> None:
    elapsed, rests = 100.0, []
    tell(database, *[FAILS] * FAILURES_TO_OPEN, elapsed=elapsed)
    for _ in range(6):
        with database.reading() as session:
            rested_until = states(session)["twilio"].rested_until or 0.0
        rests.append(rested_until - elapsed)
        elapsed = rested_until
        assert may(database, elapsed) == (1, True)
        tell(database, FAILS, elapsed=elapsed)
    assert rests == [2.0, 4.0, 8.0, 16.0, LONGEST_REST_S, LONGEST_REST_S]


def test_what_was_on_its_way_when_it_opened_makes_no_rest_longer(database: Database) -> None:
    tell(database, *[FAILS] * FAILURES_TO_OPEN, elapsed=100.0)
    tell(database, *[FAILS] * 40, elapsed=110.0, owner="b")
    assert may(database, 110.0) == (1, True)


def test_a_probe_that_was_not_used_or_whose_sender_died_is_given_to_another(database: Database) -> None:
    tell(database, *[FAILS] * FAILURES_TO_OPEN, elapsed=100.0)
    assert may(database, 102.0, "a") == (1, True)
    with database.writing() as session:
        release_probe(session, "twilio", "a")
    assert may(database, 102.0, "b") == (1, True)
    assert may(database, 131.0, "c") == (0, False)
    assert may(database, 132.0, "c") == (1, True)


def test_a_rest_written_before_the_clock_was_set_back_is_over(database: Database) -> None:
    tell(database, *[FAILS] * FAILURES_TO_OPEN, elapsed=10_000.0)
    with database.reading() as session:
        assert not is_resting(session, "twilio", 6_400.0)
    assert may(database, 6_400.0) == (1, True)


@pytest.fixture
def many(world_services: Services, workshop: Workshop) -> int:
    """Twelve texts that are due at noon of the day: a correction each would do; here the day's own."""
    with world_services.database.writing() as session:
        route = make_route(session)
        made = [make_delivery(session, stop=make_stop(session, route)) for _ in range(12)]
        mark_plan_dirty(session, [one.id for one in made], NOON)
    return len(made)


def test_a_silent_provider_gets_one_message_a_rest_and_everything_when_it_is_back(
    many: int,
    workshop: Workshop,
    world: World,
    clock: SetClock,
    redis: Redis,
    rows: Callable[[], list[Notification]],
) -> None:
    clock.at = clock.at.replace(hour=23)  # the eve, 18:00 in New York
    world.fault("error_before")
    workshop.reconcile()
    workshop.send(Channel.SMS)
    tried = len([row for row in rows() if row.attempt and row.channel is Channel.SMS])
    redis.flushall()
    workshop.send(Channel.SMS)
    assert len([row for row in rows() if row.attempt and row.channel is Channel.SMS]) == tried

    world.clear_faults()
    for _ in range(8):
        clock.machine_s += 20
        workshop.sweep()
        workshop.settle()
        workshop.send(Channel.SMS)

    sent = [row for row in rows() if row.kind is Kind.DAY_BEFORE and row.channel is Channel.SMS]
    assert {row.status for row in sent} <= OUT  # one that was found may be further on
    assert sorted(text.to for text in world.texts()) == sorted({text.to for text in world.texts()})
    assert len(world.texts()) == many


def test_one_tries_with_a_message_that_can_wait(
    many: int,
    workshop: Workshop,
    world: World,
    world_services: Services,
    clock: SetClock,
    rows: Callable[[], list[Notification]],
) -> None:
    clock.at = clock.at.replace(hour=23)
    workshop.reconcile()
    urgent = next(row for row in rows() if row.channel is Channel.SMS)
    with world_services.database.writing() as session:
        session.get_one(Notification, urgent.id).lane = Lane.NOW
    tell(world_services.database, *[FAILS] * FAILURES_TO_OPEN, elapsed=clock.machine_s)
    world.fault("error_before")
    clock.machine_s += FIRST_REST_S + 1

    workshop.send(Channel.SMS)

    assert [row.lane for row in rows() if row.attempt] == [Lane.DAY_BEFORE]
