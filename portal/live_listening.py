"""Hears the facts that lower layers publish, over one subscription a process, for as long as the process lives."""

import asyncio
import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from tracking.facts import CHANNEL, FLEET_CHANNEL

LONGEST_WAIT_S = 5.0  # between attempts to reach a Redis that is away
SILENCE_S = 5.0  # after this without a word Redis is asked whether it is there; after twice this we connect anew

log = structlog.get_logger()
_FLEET = FLEET_CHANNEL.encode()


class Ear:
    """``took`` and ``took_fleet`` are called with each fact; ``missed`` when facts may have gone unheard."""

    def __init__(
        self,
        redis_url: str,
        *,
        took: Callable[[Any], None],
        took_fleet: Callable[[Any], None],
        missed: Callable[[], None],
    ) -> None:
        self._redis_url = redis_url
        self._took, self._took_fleet, self._missed = took, took_fleet, missed
        self._is_silent = False
        self.is_listening = asyncio.Event()

    async def listen(self) -> None:
        """Hear facts; after every gap ``missed`` is called, also after the first connection."""
        wait_s = 0.1
        while True:
            client = redis.asyncio.Redis.from_url(self._redis_url, socket_connect_timeout=2)
            try:
                async with client.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL, FLEET_CHANNEL)
                    wait_s = 0.1
                    await self._hear_all(subscription)
            except (RedisError, OSError) as error:
                log.warning("facts not heard", error=type(error).__name__)
            finally:
                self.is_listening.clear()
                await client.aclose()
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)

    async def _hear_all(self, subscription: Any) -> None:
        guard = asyncio.create_task(self._guard(subscription))
        try:
            while True:  # from the connection itself: get_message with a time limit costs more than the fact
                self._hear(await subscription.connection.read_response(timeout=math.inf, push_request=True))
        finally:
            guard.cancel()

    async def _guard(self, subscription: Any) -> None:
        """Ask a silent Redis whether it is still there; hang up on one that does not answer."""
        was_asked = False
        while True:
            self._is_silent = True
            await asyncio.sleep(SILENCE_S)
            if self._is_silent and was_asked:
                await subscription.connection.disconnect(nowait=True)
            was_asked = self._is_silent
            if was_asked:
                with suppress(RedisError, OSError):
                    await subscription.ping()

    def _hear(self, told: Any) -> None:
        self._is_silent = False
        if not isinstance(told, list) or len(told) != 3:
            return  # the answer to a ping
        kind, channel, data = told
        if kind == b"message":
            if (fact := read_fact(data)) is not None:
                (self._took_fleet if channel == _FLEET else self._took)(fact)
        elif kind == b"subscribe" and channel == _FLEET:  # the second of the two
            self.is_listening.set()
            self._missed()


def read_fact(data: bytes) -> Any:
    """Return what was published, or None for what is no JSON object."""
    try:
        told = json.loads(data.decode())
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
