"""Where devices send positions: our own JSON, OsmAnd and Traccar Client, OwnTracks. Plain asyncio, no Flask.

Each dialect is authenticated by the device token, validated, put on the stream by one atomic call and only then
answered (DESIGN 7). When the stream cannot be reached the answer is 503 and the device keeps its fixes.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
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
    parse_json,
    read_osmand,
    read_own,
    read_own_item,
    read_owntracks,
    read_traccar,
)
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
from tracking.fix_stream import FixStream, UsableFix
from tracking.fixes import FUTURE_CLAMP_S, FUTURE_REFUSE_S, FixStatus

MOST_POSITIONS = 500  # DESIGN 7
LARGEST_BODY = 1024 * 1024  # bytes; 500 positions take about 100 kB
RETRY_AFTER_S = 5
# OwnTracks counts any answer as delivered (reference/tracking.md 4), so it is held while Redis may come back.
OWNTRACKS_WAITS_S = (0.2, 0.8, 2.0)

log = structlog.get_logger()


class IngestApp:
    """The half of the application that takes positions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tokens = DeviceTokens(services.database, services.clock)
        self._redis: Redis | None = None
        self._stream: FixStream | None = None

    async def startup(self) -> None:
        """Prepare the connection to Redis; it is opened by the first fix."""
        self._redis = Redis.from_url(
            self._services.settings.redis_url,
            socket_timeout=2,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), retries=1),
        )
        self._stream = FixStream(self._redis)

    async def shutdown(self) -> None:
        """Close the connection to Redis."""
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = self._stream = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request under ``/ingest/``."""
        if self._stream is None:
            await self.startup()
        try:
            answer = await self._answer(scope, receive)
        except Gone:
            return
        await write(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        handlers = {
            "/ingest/positions": (self._own, ("POST",)),
            "/ingest/osmand": (self._osmand, ("GET", "POST")),
            "/ingest/owntracks": (self._owntracks, ("POST",)),
        }
        handler, methods = handlers.get(scope["path"], (None, ()))
        if handler is None:
            return error(404, "There is nothing here.")
        if scope["method"] not in methods:
            return error(405, "This method is not used here.", (b"allow", ", ".join(methods).encode()))
        try:
            call = await read(scope, receive, largest=LARGEST_BODY)
            if call.headers.get(b"content-encoding", b"identity") != b"identity":
                return error(415, "Send the body without compression.")
            return await handler(call)
        except TooLarge:
            return error(413, f"At most {MOST_POSITIONS} positions and {LARGEST_BODY} bytes at once.")
        except BadBody as refused:
            return error(400, str(refused))
        except BadForm:
            return error(400, "There are too many fields.")
        except (RedisError, SQLAlchemyError) as failure:
            log.warning("positions not taken", error=type(failure).__name__)
            return error(503, "Not taken. Keep it and send it again.", (b"retry-after", str(RETRY_AFTER_S).encode()))

    async def _own(self, call: Call) -> Answer:
        device = await self._tokens.device(bearer(call))
        if device is None:
            return error(401, "This device token is unknown or has ended.", (b"www-authenticate", b"Bearer"))
        if call.media_type != "application/json":
            return error(415, "Send application/json.")
        items = read_own(call.body)
        if len(items) > MOST_POSITIONS:
            raise TooLarge
        results = await self._take(device, [read_own_item(item) for item in items], "json")
        return Answer(_status_of(results), json.dumps(results).encode())

    async def _osmand(self, call: Call) -> Answer:
        fields = fields_of(call.query)
        told: Any = None
        if call.media_type == "application/json":
            told = parse_json(call.body)
            if not isinstance(told, dict):
                raise BadBody("The body must be an object.")
        elif call.body and call.media_type in {"application/x-www-form-urlencoded", ""}:
            fields |= fields_of(call.body.decode("utf-8", "replace"))
        elif call.body:
            return error(415, "Send a form, or JSON.")
        names = (fields.get("id"), fields.get("deviceid"), told and told.get("device_id"), bearer(call))
        device = await self._tokens.device(next((name for name in names if name and isinstance(name, str)), ""))
        if device is None:
            return plain(400, "Unknown device.")  # Traccar's own answer
        now = self._services.clock.now()
        if told is not None:
            reading = read_traccar(told)
        else:
            reading = read_osmand(fields, knots=device.speed_unit == "knots", now=now)
        results = await self._take(device, [reading], "osmand")
        return plain(_status_of(results), results[0]["reason"] or "")

    async def _owntracks(self, call: Call) -> Answer:
        device = await self._tokens.device(basic_password(call) or bearer(call))
        if device is None:
            challenge = (b"www-authenticate", b'Basic realm="positions", charset="UTF-8"')
            return Answer(401, b"[]", headers=(challenge,))
        if not call.body:
            return Answer(200, b"[]")
        try:
            told = parse_json(call.body)
        except BadBody:
            return Answer(400, b"[]")
        if not isinstance(told, dict):
            return Answer(400, b"[]")
        if told.get("_type") != "location":
            return Answer(200, b"[]")
        reading = read_owntracks(told, now=self._services.clock.now())
        return Answer(_status_of(await self._take_patiently(device, reading)), b"[]")

    async def _take_patiently(self, device: Device, reading: Reading) -> list[dict[str, Any]]:
        for wait_s in OWNTRACKS_WAITS_S:
            try:
                return await self._take(device, [reading], "owntracks")
            except RedisError:
                await asyncio.sleep(wait_s)
        return await self._take(device, [reading], "owntracks")

    async def _take(self, device: Device, readings: Sequence[Reading], source: str) -> list[dict[str, Any]]:
        """Append what is usable and return one result a reading: index, status, reason."""
        assert self._stream is not None
        received_at = self._services.clock.now()
        results: list[dict[str, Any]] = []
        usable: list[tuple[int, Reading, datetime]] = []
        for index, reading in enumerate(readings):
            reason = reading.reason or _future(reading, received_at)
            results.append({"index": index, "status": FixStatus.REFUSED.value, "reason": reason})
            if reason is None and reading.at is not None:
                usable.append((index, reading, reading.at))
        if not usable:
            return results
        fixes = _clamped(usable, received_at, source)
        statuses = await self._stream.append(device.driver_id, fixes, received_at=received_at)
        for (index, _reading, _at), status in zip(usable, statuses, strict=True):
            results[index]["status"] = status.value
            if status is FixStatus.CLAMPED:
                results[index]["reason"] = "The device's clock is ahead."
        return results


def _clamped(usable: list[tuple[int, Reading, datetime]], received_at: datetime, source: str) -> list[UsableFix]:
    """Return the fixes; those from the future are moved back together, the newest to now, so their spacing stays."""
    ahead = max((at - received_at for _, _, at in usable), default=timedelta())
    limit = timedelta(seconds=FUTURE_CLAMP_S)
    return [
        UsableFix(
            sent_at=at,
            at=at - ahead if at - received_at > limit else at,
            lat=reading.lat,
            lon=reading.lon,
            accuracy_m=reading.accuracy_m,
            speed_mps=reading.speed_mps,
            heading_deg=reading.heading_deg,
            source=source,
        )
        for _, reading, at in usable
    ]


def _future(reading: Reading, received_at: datetime) -> str | None:
    if reading.at is not None and reading.at - received_at > timedelta(seconds=FUTURE_REFUSE_S):
        return "The time is more than a day ahead."
    return None


def _status_of(results: list[dict[str, Any]]) -> int:
    """422 when nothing could be used, 200 when anything could."""
    return 200 if any(result["status"] != FixStatus.REFUSED for result in results) else 422
