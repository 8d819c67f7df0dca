import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import DayClock
from tracking.clocks import SteeredClock

EVENING = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)


class Machine:
    """A monotonic clock that moves when told to."""

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


def test_day_time_runs_at_the_chosen_rate_and_stands_when_paused(clock, machine):
    machine.at_s += 6
    assert clock.now() == EVENING + timedelta(minutes=1)

    clock.set_rate(0)
    machine.at_s += 1000
    assert clock.now() == EVENING + timedelta(minutes=1)


def test_the_file_is_what_the_product_reads(clock, tmp_path):
    clock.set_rate(0)
    clock.jump_to(EVENING + timedelta(hours=3))

    assert SteeredClock(tmp_path / "clock.json").now() == EVENING + timedelta(hours=3)
    assert set(json.loads((tmp_path / "clock.json").read_text())) == {"machine_s", "day_s", "rate"}
    assert [path.name for path in tmp_path.iterdir()] == ["clock.json"]


def test_typing_holds_the_day_at_1x_until_nobody_types(clock, machine):
    clock.note_typing()
    assert (clock.rate, clock.is_held) == (1.0, True)

    machine.at_s += 2
    clock.note_typing()
    machine.at_s += 3
    clock.release()
    assert clock.rate == 1.0

    machine.at_s += 2
    clock.release()
    assert (clock.rate, clock.is_held) == (10.0, False)


def test_typing_does_not_wake_a_paused_day(clock):
    clock.set_rate(0)
    clock.note_typing()
    assert clock.rate == 0.0


def test_a_jump_goes_to_the_next_event_and_never_back(clock):
    clock.expect(EVENING + timedelta(hours=14), "morning")
    clock.expect(EVENING + timedelta(minutes=30), "six o'clock")

    clock.jump_to(clock.next_event().at)
    assert clock.next_event().label == "morning"
    clock.jump_to(EVENING)
    assert clock.now() >= EVENING + timedelta(minutes=30)


def test_who_waits_for_an_instant_wakes_after_a_jump(clock):
    async def wait():
        waiting = asyncio.create_task(clock.wait_until(EVENING + timedelta(hours=20)))
        await asyncio.sleep(0)
        clock.jump_to(EVENING + timedelta(hours=1))
        await asyncio.sleep(0)
        assert not waiting.done()
        clock.jump_to(EVENING + timedelta(hours=21))
        await asyncio.wait_for(waiting, 2)

    clock.set_rate(0)
    asyncio.run(wait())
