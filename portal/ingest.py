"""Where devices send positions: our own JSON, OsmAnd and Traccar Client, OwnTracks. Plain asyncio, no Flask.

Each dialect is authenticated by the device token, validated, put on the stream by one atomic call and only then
answered, in its own words (DESIGN 7). When the stream cannot be reached the answer is 503: the device keeps its fixes.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from portal.device_tokens import Device, DeviceTokens
from portal.fix_formats import (
    BadBody,
    Reading,
    own_items,
    owntracks_locations,
    read_osmand,
    read_own_item,
    read_owntracks,
    read_traccar,
    traccar_parts,
)
from portal.fix_taking import Refusals, Result, Taker, as_json, is_any_kept
from portal.raw_http import (
    Answer,
    BadForm,
    Call,
    Gone,
    Receive,
    Scope,
    Send,
    TooLarge,
    basic_password,
    bearer,
    error,
    fields_of,
    plain,
    read,
    write,
)
from portal.services import Services

MOST_POSITIONS = 500  # DESIGN 7
LARGEST_BODY = 1024 * 1024  # bytes; 500 positions take about 100 kB
RETRY_AFTER = (b"retry-after", b"5")
# Some versions of OwnTracks take any answer, 503 too, for "delivered" (reference/tracking.md 4); others keep the fix.
# So it gets no answer while Redis may come back, until its own patience (10 s on Android) has ended: then all keep it.
OWNTRACKS_WAITS_S = (0.2, 0.8, 2.0, 4.0, 5.0)
MOST_HELD = 1_000  # requests that wait so at once; more are answered 503

log = structlog.get_logger()


class IngestApp:
    """The half of the application that takes positions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tokens = DeviceTokens(services.database, services.clock)
        self._redis: Redis | None = None
        self._taker: Taker | None = None
        self._refusals = Refusals()
        self._held = 0
        self._handlers = {
            "/ingest/positions": (self._own, ("POST",), error),
            "/ingest/osmand": (self._osmand, ("GET", "POST"), plain),
            "/ingest/owntracks": (self._owntracks, ("POST",), _owntracks_error),
        }

    async def startup(self) -> None:
        """Prepare the connection to Redis; it is opened by the first fix."""
        self._redis = Redis.from_url(
            self._services.settings.redis_url,
            socket_timeout=2,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), retries=1),
        )
        self._taker = Taker(self._redis)

    async def shutdown(self) -> None:
        """Close the connection to Redis."""
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = self._taker = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under ``/ingest/``."""
        if self._taker is None:
            await self.startup()
        try:
            answer = await self._answer(scope, receive)
        except Gone:
            return
        await write(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path = scope["path"].removesuffix("/")  # as people type it into an app
        handler, methods, refuse = self._handlers.get(path, (None, (), error))
        if handler is None:
            return error(404, "There is nothing here.")
        if scope["method"] not in methods:
            return refuse(405, "This method is not used here.", (b"allow", ", ".join(methods).encode()))
        try:
            call = await read(scope, receive, largest=LARGEST_BODY)
            if call.headers.get(b"content-encoding", b"identity") != b"identity":
                return refuse(415, "Send the body without compression.")
            return await handler(call)
        except TooLarge:
            return refuse(413, f"At most {MOST_POSITIONS} positions and {LARGEST_BODY} bytes at once.")
        except BadBody as refused:
            return refuse(400, str(refused))
        except BadForm:
            return refuse(400, "There are too many fields.")
        except (RedisError, SQLAlchemyError) as failure:
            log.warning("positions not taken", error=type(failure).__name__)
            return refuse(503, "Not taken. Keep it and send it again.", RETRY_AFTER)

    async def _own(self, call: Call) -> Answer:
        device = await self._tokens.device(bearer(call))
        if device is None:
            return error(401, "This device token is unknown or has ended.", (b"www-authenticate", b"Bearer"))
        if call.media_type != "application/json":
            return error(415, "Send application/json.")
        results = await self._take(device, "json", own_items(call.body), read_own_item)
        return Answer(200 if is_any_kept(results) else 422, as_json(results))

    async def _osmand(self, call: Call) -> Answer:
        fields = fields_of(call.query)
        parts: list[dict[str, Any]] = []
        if call.media_type == "application/json":
            parts = traccar_parts(call.body)
        elif call.body and call.media_type in {"application/x-www-form-urlencoded", ""}:
            fields |= fields_of(call.body.decode("utf-8", "replace"))
        elif call.body:
            return plain(415, "Send a form, or JSON.")
        names = {part.get("device_id") for part in parts if isinstance(part.get("device_id"), str)}
        if len(names) > 1:
            raise BadBody("One device at a time.")
        told = (fields.get("id"), fields.get("deviceid"), *names, bearer(call))
        device = await self._tokens.device(next((name for name in told if name), ""))
        if device is None:
            return plain(400, "Unknown device.")  # Traccar's own answer
        readings = [reading for part in parts for reading in read_traccar(part)]
        if not parts:
            readings = [read_osmand(fields, knots=device.speed_unit == "knots", now_ms=self._now_ms())]
        results = await self._take(device, "osmand", readings)
        if is_any_kept(results) or self._refusals.is_again(device, call.query.encode(), call.body):
            return plain(200, "")
        return plain(422, results[0].reason or "")

    async def _owntracks(self, call: Call) -> Answer:
        """Take what an OwnTracks client tells; while Redis or the record is away, hold the answer back."""
        self._held += 1
        try:
            for wait_s in OWNTRACKS_WAITS_S if self._held <= MOST_HELD else ():
                try:
                    return await self._owntracks_once(call)
                except (RedisError, SQLAlchemyError):
                    await asyncio.sleep(wait_s)
            return await self._owntracks_once(call)
        finally:
            self._held -= 1

    async def _owntracks_once(self, call: Call) -> Answer:
        device = await self._tokens.device(basic_password(call) or bearer(call))
        if device is None:
            challenge = (b"www-authenticate", b'Basic realm="positions", charset="UTF-8"')
            return Answer(401, b"[]", headers=(challenge,))
        locations = owntracks_locations(call.body)
        if not locations:
            return Answer(200, b"[]")
        now_ms = self._now_ms()
        results = await self._take(device, "owntracks", [read_owntracks(told, now_ms=now_ms) for told in locations])
        is_done = is_any_kept(results) or self._refusals.is_again(device, call.body)
        return Answer(200 if is_done else 422, b"[]")

    def _now_ms(self) -> int:
        return round(self._services.clock.now().timestamp() * 1000)

    async def _take(
        self, device: Device, source: str, told: list[Any], read_one: Callable[[Any], Reading] | None = None
    ) -> list[Result]:
        """Read and take; raises ``TooLarge`` before anything is read."""
        assert self._taker is not None
        if len(told) > MOST_POSITIONS:
            raise TooLarge
        readings = told if read_one is None else [read_one(item) for item in told]
        return await self._taker.take(device, readings, source=source, received_at=self._services.clock.now())


def _owntracks_error(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an empty list of messages: an OwnTracks client reads nothing else."""
    return Answer(status, b"[]", headers=headers)
