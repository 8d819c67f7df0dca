"""The night's work: compare yesterday with the provider, learn from completed routes, forget what is old.

It takes minutes, in a process of its own.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog
from redis import Redis
from redis.exceptions import RedisError

from messaging.channels.base import CannotLook
from messaging.consent import pepper_of
from messaging.kinds import Channel
from messaging.provider_days import Compared, DayReader, yesterday
from portal.retain_command import retain
from portal.services import Services
from portal.ways_out import texts_out
from tracking.completed import are_tapped, completed_runs
from tracking.eta_learned import write_history
from tracking.facts import delivery_changed, inbox_changed, publish
from tracking.ids import new_id
from tracking.learning import learn
from tracking.truth_days import count_day, days_to_count, write_day

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


def count_truth(services: Services) -> int:
    """Count how true the estimates and promises of past days were; return how many days were counted."""
    today = services.clock.now().astimezone(ZoneInfo(services.settings.default_zone)).date()
    with services.database.reading() as session:
        days = days_to_count(session, today)
    for on in days:
        with services.database.reading() as session:
            counted = count_day(session, on)
        with services.database.writing() as session:
            write_day(session, counted)
    log.info("truth counted", days=len(days))
    return len(days)


def compare_day(services: Services, on: date | None = None) -> Compared | None:
    """Compare a day (UTC; yesterday when none is given) with Twilio's list; None when Twilio could not be asked."""
    mine = services

    async def compare() -> Compared:
        provider = texts_out(mine)
        try:
            pepper = pepper_of(mine.settings.secret_keys)
            reader = DayReader(database=mine.database, provider=provider, clock=mine.clock, ids=new_id, pepper=pepper)
            return await reader.compare(on or yesterday(mine.clock))
        finally:
            await provider.close()

    try:
        compared = asyncio.run(compare())
    except CannotLook as error:
        log.error("day not compared with the provider", why=str(error))
        return None
    publish(mine.redis, [inbox_changed(), *(delivery_changed(moved) for moved in dict.fromkeys(compared.moved))])
    if compared.adopted:
        mine.wake.send(Channel.EMAIL)
    return compared


def forget(services: Services, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Let go what is past its time, a part at a time, and return how much went."""
    return sum(retain(services, should_stop=should_stop).values())
