"""How often somebody may try a password: counted in Redis by account and by address, in machine time.

Only failures count. With Redis away the count is kept in this process: slower attackers cannot use that, and staff
still get in (DESIGN 5: Redis is speed, never the record).
"""

import hashlib
from collections import Counter
from threading import Lock

import structlog
from redis import Redis
from redis.exceptions import RedisError

WINDOW_S = 15 * 60
# Failures a window: of one account from one address, of one account from anywhere, of one address (our choice; an
# argon2 check costs 64 MiB and a quarter of a second, reference/messaging.md 5.6).
ACCOUNT_AT_ADDRESS, ACCOUNT, ADDRESS = 5, 50, 30

log = structlog.get_logger()


class Attempts:
    """Counts failed logins. Keys are hashes, so neither an account nor an address can be read from Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._here: Counter[str] = Counter()
        self._lock = Lock()

    def are_used_up(self, *, account: str, address: str, elapsed_s: float) -> bool:
        """True when this account or address has failed too often in this quarter of an hour."""
        limits = _limits(account, address, elapsed_s)
        return any(count >= limits[key] for key, count in self._counts(list(limits)).items())

    def failed(self, *, account: str, address: str, elapsed_s: float) -> None:
        """Count one failure."""
        keys = list(_limits(account, address, elapsed_s))
        try:
            pipe = self._redis.pipeline()
            for key in keys:
                pipe.incr(key)
                pipe.expire(key, WINDOW_S)
            pipe.execute()
        except RedisError as error:
            log.warning("failed logins counted in this process only", error=type(error).__name__)
            with self._lock:
                self._here = Counter({key: n for key, n in self._here.items() if key.endswith(_window(elapsed_s))})
                self._here.update(keys)

    def _counts(self, keys: list[str]) -> dict[str, int]:
        with self._lock:
            counts = {key: self._here[key] for key in keys}
        try:
            known = self._redis.mget(keys)
        except RedisError:
            return counts
        return {key: counts[key] + int(value or 0) for key, value in zip(keys, known, strict=True)}


def _limits(account: str, address: str, elapsed_s: float) -> dict[str, int]:
    account = account.strip().lower()
    window = _window(elapsed_s)
    subjects = {
        f"both|{account}|{address}": ACCOUNT_AT_ADDRESS,
        f"account|{account}": ACCOUNT,
        f"ip|{address}": ADDRESS,
    }
    return {
        f"portal:attempts:{hashlib.sha256(subject.encode()).hexdigest()[:32]}{window}": limit
        for subject, limit in subjects.items()
    }


def _window(elapsed_s: float) -> str:
    return f":{int(elapsed_s // WINDOW_S)}"
