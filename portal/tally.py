"""Counts of what failed, in windows of machine time: in Redis, and in this process while Redis is away.

Slower attackers cannot use an absence of Redis, and nobody else is kept out by it (DESIGN 5: Redis is speed, never the
record). Keys are hashes, so neither an account nor an address can be read from Redis.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from threading import Lock

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()


class Tally:
    """Counts subjects in windows of ``window_s`` seconds. One a process."""

    def __init__(self, redis: Redis, name: str, window_s: int) -> None:
        self._redis = redis
        self._name = name
        self._window_s = window_s
        self._here: Counter[str] = Counter()
        self._lock = Lock()

    def counts(self, subjects: Iterable[str], elapsed_s: float) -> dict[str, int]:
        """Return how often each subject was added in this window."""
        keys = {subject: self._key(subject, elapsed_s) for subject in subjects}
        with self._lock:
            here = {subject: self._here[key] for subject, key in keys.items()}
        try:
            known = self._redis.mget(list(keys.values()))
        except RedisError:
            return here
        return {subject: here[subject] + int(value or 0) for subject, value in zip(keys, known, strict=True)}

    def add(self, subjects: Iterable[str], elapsed_s: float) -> None:
        """Count each subject once more."""
        keys = [self._key(subject, elapsed_s) for subject in subjects]
        try:
            pipe = self._redis.pipeline()
            for key in keys:
                pipe.incr(key)
                pipe.expire(key, self._window_s)
            pipe.execute()
        except RedisError as error:
            log.warning("counted in this process only", tally=self._name, error=type(error).__name__)
            window = self._window(elapsed_s)
            with self._lock:
                self._here = Counter({key: n for key, n in self._here.items() if key.endswith(window)})
                self._here.update(keys)

    def _key(self, subject: str, elapsed_s: float) -> str:
        digest = hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"portal:{self._name}:{digest}{self._window(elapsed_s)}"

    def _window(self, elapsed_s: float) -> str:
        return f":{int(elapsed_s // self._window_s)}"
