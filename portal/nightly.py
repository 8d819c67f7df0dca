"""The night's work: learn from completed routes, and forget what is old. It takes minutes, in a process of its own."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog
from redis import Redis
from redis.exceptions import RedisError

from portal.services import Services
from tracking.completed import are_tapped, completed_runs
from tracking.eta_learned import write_history
from tracking.learning import learn
from tracking.retention import forget_old

log = structlog.get_logger()

FROM_HOUR, UNTIL_HOUR = 2, 6  # local, day time: no truck is under way (our choice)
REMEMBERED_S = 2 * 86_400


class Nightly:
    """Starts the night's work once a night, on one machine. ``start`` must not wait for its end."""

    def __init__(self, redis: Redis, zone: str, start: Callable[[], None]) -> None:
        self._redis, self._zone, self._start = redis, ZoneInfo(zone), start
        self._looked_on: date | None = None

    def look(self, now: datetime) -> None:
        """Start it if it is night at ``now`` and nobody has tonight. Without Redis it waits."""
        local = now.astimezone(self._zone)
        if not FROM_HOUR <= local.hour < UNTIL_HOUR or self._looked_on == local.date():
            return
        try:
            is_first = self._redis.set(f"portal:night:{local.date()}", b"1", nx=True, ex=REMEMBERED_S)
        except RedisError as error:
            log.warning("night waits", error=type(error).__name__)
            return
        self._looked_on = local.date()
        if is_first:
            self._start()


def learn_history(services: Services) -> int:
    """Learn from the newest completed routes, replace what was learned, and return how many taught."""
    now = services.clock.now()
    with services.database.reading() as session:
        runs = completed_runs(session, now)
        taps = are_tapped(session, runs)
    if runs:
        history = learn(runs, taps=taps)
        with services.database.writing() as session:
            write_history(session, history, runs=len(runs), now=now)
    log.info("history learned", runs=len(runs))
    return len(runs)


def forget(services: Services, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Delete positions and estimates that are too old, a part at a time, and return how many rows went."""
    gone = 0
    while not should_stop():
        with services.database.writing() as session:
            part = forget_old(session, services.clock.now())
        gone += part
        if not part:
            break
    log.info("old rows forgotten", rows=gone)
    return gone
