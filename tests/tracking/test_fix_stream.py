"""The one call that puts fixes on the stream: what is new, what repeats, what is late, held against a plain model."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from tracking.fix_entries import count_fixes, read_batch
from tracking.fix_stream import SEEN_BYTES, STREAM, FixStream, Sender, UsableFix
from tracking.fixes import FixStatus

RECEIVED = datetime(2026, 3, 4, 17, tzinfo=UTC)
START_MS = round(RECEIVED.timestamp() * 1000) - 86_400_000
DANA, BO = Sender("d" * 32, "t" * 32, "json"), Sender("b" * 32, "u" * 32, "osmand")


def fix(at_s: int, *, sent_s: int | None = None) -> UsableFix:
    at_ms = START_MS + 1000 * at_s
    return UsableFix(at_ms, 52.0, 13.0, 8.0, None, None, at_ms if sent_s is None else START_MS + 1000 * sent_s)


def with_stream(redis_url: str, work: Callable[[FixStream], Coroutine[Any, Any, Any]]) -> Any:
    """Run ``work`` with a stream in a loop of its own."""

    async def run() -> Any:
        async with AsyncRedis.from_url(redis_url) as client:
            return await work(FixStream(client))

    return asyncio.run(run())


def append_all(redis_url: str, *batches: tuple[Sender, list[UsableFix]]) -> list[list[str]]:
    """Append batch after batch and return the statuses of each."""

    async def work(stream: FixStream) -> list[list[str]]:
        told = []
        for sender, fixes in batches:
            told.append([str(status) for status in await stream.append(sender, fixes, received=RECEIVED.isoformat())])
        return told

    found: list[list[str]] = with_stream(redis_url, work)
    return found


def on_stream(redis: Redis) -> list[tuple[str, int]]:
    """Driver and second of every fix on the stream."""
    entries: Any = redis.xrange(STREAM)
    found = []
    for entry in entries:
        for fixes in read_batch([entry]).fixes.values():
            found += [(one.driver_id[0], round(one.fix.at.timestamp()) - START_MS // 1000) for one in fixes]
    return found


class Model:
    """What each driver's fixes should be answered, in a few lines of Python."""

    def __init__(self) -> None:
        self.seen: dict[str, set[int]] = {}
        self.newest: dict[str, int] = {}
        self.kept: list[tuple[str, int]] = []

    def take(self, sender: Sender, fixes: list[UsableFix]) -> list[str]:
        told = {}
        seen = self.seen.setdefault(sender.driver_id, set())
        for index in sorted(range(len(fixes)), key=lambda index: fixes[index].at_ms):
            one, newest = fixes[index], self.newest.get(sender.driver_id, -1)
            if one.sent_ms in seen:
                told[index] = "duplicate"
                continue
            seen.add(one.sent_ms)
            told[index] = "clamped" if one.sent_ms != one.at_ms else "stored" if one.at_ms > newest else "late"
            self.newest[sender.driver_id] = max(newest, one.at_ms)
            self.kept.append((sender.driver_id[0], (one.at_ms - START_MS) // 1000))
        return [told[index] for index in range(len(fixes))]


FIXES = st.lists(
    st.one_of(
        st.integers(0, 60).map(fix),
        st.tuples(st.integers(0, 60), st.integers(61, 90)).map(lambda pair: fix(pair[0], sent_s=pair[1])),
    ),
    min_size=1,
    max_size=45,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from([DANA, BO]), FIXES), min_size=1, max_size=6))
def test_every_batch_is_answered_and_kept_as_the_model_says(
    redis: Redis, redis_url: str, batches: list[tuple[Sender, list[UsableFix]]]
) -> None:
    redis.flushall()
    model = Model()
    assert append_all(redis_url, *batches) == [model.take(sender, fixes) for sender, fixes in batches]
    assert on_stream(redis) == model.kept


def test_batches_that_come_together_go_in_one_call_and_each_gets_its_own_answer(redis: Redis, redis_url: str) -> None:
    async def work(stream: FixStream) -> list[list[FixStatus]]:
        sent = [(DANA, [fix(1), fix(2)]), (BO, [fix(1)]), (DANA, [fix(2)]), (DANA, [fix(3)])]
        return await asyncio.gather(
            *(stream.append(sender, fixes, received=RECEIVED.isoformat()) for sender, fixes in sent)
        )

    told: Any = with_stream(redis_url, work)
    assert told == [["stored", "stored"], ["stored"], ["duplicate"], ["stored"]]
    calls: Any = redis.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] - calls["cmdstat_evalsha"].get("failed_calls", 0) >= 1
    assert len(on_stream(redis)) == 4


def test_when_redis_refuses_all_are_told_and_may_send_the_same_again(redis: Redis, redis_url: str) -> None:
    async def work(stream: FixStream) -> list[Any]:
        sent = [(DANA, [fix(1)]), (BO, [fix(1)])]
        redis.config_set("maxmemory", "1")
        try:
            return await asyncio.gather(
                *(stream.append(sender, fixes, received=RECEIVED.isoformat()) for sender, fixes in sent),
                return_exceptions=True,
            )
        finally:
            redis.config_set("maxmemory", "0")

    failures: Any = with_stream(redis_url, work)
    assert [isinstance(failure, RedisError) for failure in failures] == [True, True]
    assert append_all(redis_url, (DANA, [fix(1)])) == [["stored"]]


def test_what_is_remembered_of_a_driver_stays_bounded(redis: Redis, redis_url: str) -> None:
    batches = [(DANA, [fix(500 * turn + number) for number in range(500)]) for turn in range(12)]
    append_all(redis_url, *batches)
    assert SEEN_BYTES <= redis.strlen(f"portal:sent:{DANA.driver_id}") <= 2 * SEEN_BYTES + 500 * 14
    assert append_all(redis_url, batches[-1]) == [["duplicate"] * 500]


@pytest.mark.parametrize(
    ("fields", "count"), [(None, 1), ({b"route": b"r"}, 1), ({b"fixes": b"[[1,2],[3,4]]"}, 2), ({b"fixes": b"[]"}, 1)]
)
def test_how_many_fixes_an_entry_holds_is_known_before_it_is_read(fields: Any, count: int) -> None:
    assert count_fixes(fields) == count
