"""Tells places of trucks to whoever serves the viewers: by Redis as the product does, or by POST to nchan."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

from redis import Redis

from tracking.clocks import SystemClock
from tracking.facts import CHANNEL, place_moved

POSTS_IN_FLIGHT = 50


def place_fact(delivery_id: str, number: int) -> dict[str, Any]:
    """Return where a truck is as the consumer tells it, with the instant it was told in nanoseconds."""
    place = {
        "lat": round(40.7 + number % 1000 / 10_000, 4),
        "lon": -74.3456,
        "heading": 48,
        "at": SystemClock().now().isoformat(timespec="seconds"),
        "stale": False,
        "at_other_stop": False,
        "line": True,
        "t": time.monotonic_ns(),
    }
    return dict(place_moved(delivery_id, place))


class ByRedis:
    """Publishes facts as the product does."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._number = 0

    def publish(self, delivery_ids: list[str]) -> None:
        """Tell a new place of each."""
        pipe = self._redis.pipeline(transaction=False)
        for delivery_id in delivery_ids:
            self._number += 1
            pipe.publish(CHANNEL, json.dumps(place_fact(delivery_id, self._number), separators=(",", ":")))
        pipe.execute()

    def close(self) -> None:
        """Hang up."""
        self._redis.close()


class ByPost:
    """Publishes to nchan, 50 requests in flight, each on its kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def publish(self, delivery_ids: list[str]) -> None:
        """Tell a new place of each."""
        self._loop.run_until_complete(self._publish(iter(enumerate(delivery_ids))))

    async def _publish(self, left: Iterator[tuple[int, str]]) -> None:
        while len(self._open) < POSTS_IN_FLIGHT:
            self._open.append(await asyncio.open_connection("127.0.0.1", self._port))
        await asyncio.gather(*(self._post(reader, writer, left) for reader, writer in self._open))

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: Iterator[tuple[int, str]]
    ) -> None:
        for number, delivery_id in left:
            body = json.dumps(place_fact(delivery_id, number)["place"], separators=(",", ":")).encode()
            head = f"POST /publish/{delivery_id} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            await reader.readexactly(length)

    def close(self) -> None:
        """Hang up on every connection."""
        self._loop.run_until_complete(self._hang_up())
        self._loop.close()

    async def _hang_up(self) -> None:
        for _, writer in self._open:
            writer.close()
