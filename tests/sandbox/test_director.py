import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from sandbox.autopilot import Autopilot
from sandbox.clock import DayClock
from sandbox.demo import delivery_date
from sandbox.director import Director
from sandbox.journal import Journal

EVENING = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)


class Machine:
    def __init__(self):
        self.at_s = 100.0

    def __call__(self):
        return self.at_s


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def clock(tmp_path, machine):
    return DayClock(tmp_path / "clock.json", start=EVENING, rate=10.0, monotonic_s=machine)


@pytest.fixture
def journal():
    return Journal(now=lambda: EVENING)


def direct(clock, journal, machine, *, autopilot=None, under_way=False, is_over=False, theirs=False, quiet_s=8.0):
    """Let the director look twice, ``quiet_s`` machine seconds apart."""
    driver = SimpleNamespace(is_under_way=under_way, is_replaced=theirs, route=SimpleNamespace(name="R2"))
    cast = SimpleNamespace(autopilot=autopilot or Autopilot(), drivers=[driver], is_over=is_over)
    director = Director(clock=clock, cast=cast, journal=journal, monotonic_s=machine)

    async def play():
        running = asyncio.create_task(director.run())
        await asyncio.sleep(0.3)
        machine.at_s += quiet_s
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(play())


def test_a_quiet_evening_is_jumped_to_shortly_before_the_next_event(clock, journal, machine):
    morning = EVENING + timedelta(hours=14)
    clock.expect(morning, "messages of the morning")

    direct(clock, journal, machine)

    assert timedelta(0) < morning - clock.now() < timedelta(minutes=1)
    assert "messages of the morning" in journal.entries(event="day")[0]["what"]


@pytest.mark.parametrize("why", ["under way", "a person drives", "paused", "by hand", "busy", "typing", "soon"])
def test_nothing_is_jumped_over_when_it_would_be_missed(clock, journal, machine, why):
    clock.expect(EVENING + (timedelta(minutes=4) if why == "soon" else timedelta(hours=14)), "messages")
    if why == "paused":
        clock.set_rate(0)
    if why == "typing":
        clock.note_typing()
    quiet_s = 3.0 if why in {"busy", "typing"} else 8.0

    direct(
        clock,
        journal,
        machine,
        autopilot=Autopilot(is_on=why != "by hand"),
        under_way=why == "under way",
        theirs=why == "a person drives",
        quiet_s=quiet_s,
    )

    assert clock.now() - EVENING < timedelta(minutes=2)


def test_what_was_jumped_to_gets_time_to_show_itself(clock, machine):
    journal = Journal(now=lambda: EVENING, day_now=clock.now)
    clock.expect(EVENING + timedelta(hours=1), "messages of the day before")
    clock.expect(EVENING + timedelta(hours=14), "messages of the morning")
    cast = SimpleNamespace(autopilot=Autopilot(), drivers=[], is_over=False)
    director = Director(clock=clock, cast=cast, journal=journal, monotonic_s=machine)

    async def play():
        running = asyncio.create_task(director.run())
        jumps = []
        for message in (None, None, "accepted", None):
            await asyncio.sleep(0.3)
            if message:
                journal.add(message, to="+12015550110")
                await asyncio.sleep(0.3)
            machine.at_s += 8
            await asyncio.sleep(0.3)
            jumps.append(len(journal.entries(event="day")))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return jumps

    assert asyncio.run(play()) == [1, 1, 2, 2]


def test_the_end_of_the_day_is_told_once_and_time_runs_at_its_own_pace(clock, journal, machine):
    direct(clock, journal, machine, is_over=True)

    assert len(journal.entries(event="day")) == 1
    assert clock.chosen_rate == 1.0


def test_the_end_of_what_is_played_names_what_a_person_drives(clock, journal, machine):
    direct(clock, journal, machine, is_over=True, theirs=True)

    assert [entry["what"] for entry in journal.entries(event="day")] == ["is over but for what a person drives: R2"]


def test_a_sunday_has_no_deliveries():
    assert delivery_date(date(2026, 11, 20)) == date(2026, 11, 21)
    assert delivery_date(date(2026, 11, 21)) == date(2026, 11, 23)
