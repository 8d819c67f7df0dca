"""Presence: who of staff has a conversation open, and who is writing in it. Short-lived, in Redis only.

Nothing depends on it: two answers at once are refused by the thread's version. Without Redis nobody is seen, and every
page works.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

# The page says every 10 s that it is still open; two missed beats and somebody is gone (our choice).
BEAT_S, GONE_AFTER_S = 10, 25
_WRITES, _READS = b"w", b"r"
_CHANGES = "portal:here-changes"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody of staff who has a conversation open."""

    staff_id: str
    is_writing: bool


def note(redis: Redis, delivery_id: str, staff_id: str, *, is_writing: bool, elapsed_s: float) -> bool:
    """Remember that somebody has this conversation open; True when the others have something new to see."""
    key = _key(delivery_id)
    value = (_WRITES if is_writing else _READS) + str(int(elapsed_s)).encode()
    try:
        before: Any = redis.hget(key, staff_id)
        is_news = before is None or before[:1] != value[:1] or not _is_fresh(before, elapsed_s)
        pipe = redis.pipeline(transaction=False)
        pipe.hset(key, staff_id, value)
        pipe.expire(key, 2 * GONE_AFTER_S)
        if is_news:
            pipe.incr(_CHANGES)
        pipe.execute()
    except RedisError as error:
        log.warning("presence not noted", error=type(error).__name__)
        return False
    return is_news


def leave(redis: Redis, delivery_id: str, staff_id: str) -> bool:
    """Forget that somebody has this conversation open; True when they had."""
    try:
        was_here = bool(redis.hdel(_key(delivery_id), staff_id))
        if was_here:
            redis.incr(_CHANGES)
    except RedisError as error:
        log.warning("presence not noted", error=type(error).__name__)
        return False
    return was_here


def note_read(redis: Redis) -> None:
    """Let every open inbox look again, because lines were read: too many lines to count them for its mark."""
    try:
        redis.incr(_CHANGES)
    except RedisError as error:
        log.warning("presence not noted", error=type(error).__name__)


def changes(redis: Redis) -> int:
    """Return a number that differs when somebody came, left or read anywhere: for the mark of the inbox."""
    try:
        return int(redis.get(_CHANGES) or 0)
    except RedisError as error:
        log.warning("presence not read", error=type(error).__name__)
        return 0


def present(redis: Redis, delivery_id: str, elapsed_s: float) -> tuple[Present, ...]:
    """Return who has this conversation open, by id; nobody while Redis is away."""
    return present_in(redis, [delivery_id], elapsed_s)[delivery_id]


def present_in(redis: Redis, delivery_ids: Sequence[str], elapsed_s: float) -> dict[str, tuple[Present, ...]]:
    """Return who has each of these conversations open, in one round trip."""
    try:
        pipe = redis.pipeline(transaction=False)
        for delivery_id in delivery_ids:
            pipe.hgetall(_key(delivery_id))
        found = pipe.execute() if delivery_ids else []
    except RedisError as error:
        log.warning("presence not read", error=type(error).__name__)
        return dict.fromkeys(delivery_ids, ())
    return {
        delivery_id: tuple(_fresh(entries.items(), elapsed_s))
        for delivery_id, entries in zip(delivery_ids, found, strict=True)
    }


def _fresh(entries: Iterable[tuple[bytes, bytes]], elapsed_s: float) -> list[Present]:
    return [
        Present(staff_id.decode(), value[:1] == _WRITES)
        for staff_id, value in sorted(entries)
        if _is_fresh(value, elapsed_s)
    ]


def _is_fresh(value: bytes, elapsed_s: float) -> bool:
    return elapsed_s - int(value[1:]) <= GONE_AFTER_S


def _key(delivery_id: str) -> str:
    return f"portal:here:{delivery_id}"
