"""Whatever is killed or emptied, every open page is right again by itself, and a revoked link goes silent at once."""

import asyncio
from collections.abc import Iterator

import pytest

from bench.bench_recovery import GOAL_S, REVOKED_GOAL_S, play
from sandbox.instance import Instance
from sandbox.small_day import START

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
# Processes take seconds to start where two cores run all tests at once; ``make bench-recovery`` is strict.
BUSY_S = 20.0


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Web and worker at the start of a delivery day that runs as fast as the machine's."""
    with Instance(tmp_path_factory.mktemp("instance"), day=START) as started:
        started.set_day(START, 1.0)
        yield started


def test_every_page_heals_by_itself_and_a_revoked_one_goes_silent(instance: Instance) -> None:
    worst = asyncio.run(play(instance, routes=1, stops=2, repeat=1, revoked=1))

    assert worst.pop("revoked") <= REVOKED_GOAL_S + BUSY_S
    kills = {"consumer killed", "Redis killed", "Redis emptied", "web killed"}
    assert set(worst) == {*kills, "consumer asleep", "Redis asleep"}
    assert max(worst.values()) <= GOAL_S + BUSY_S, worst
