"""From what a device told to what is on the stream: readings in, one result a reading out."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeGuard

from redis.asyncio import Redis

from portal.device_tokens import Device
from portal.fix_formats import Reading
from tracking.fix_stream import FixStream, Sender, UsableFix
from tracking.fixes import FUTURE_CLAMP_S, FUTURE_REFUSE_S, FixStatus

CLAMP_MS = int(FUTURE_CLAMP_S * 1000)
REFUSE_MS = int(FUTURE_REFUSE_S * 1000)
MOST_REFUSALS = 5_000


class Result(NamedTuple):
    """What became of one reading, and why where there is something to say."""

    status: FixStatus
    reason: str | None = None


_RESULTS = {status: Result(status) for status in FixStatus}
_RESULTS[FixStatus.CLAMPED] = Result(FixStatus.CLAMPED, "The device's clock is ahead.")


class Taker:
    """Puts readings on the stream. Build it in the event loop that uses it."""

    def __init__(self, redis: Redis) -> None:
        self._stream = FixStream(redis)

    async def take(
        self, device: Device, readings: Sequence[Reading], *, source: str, received_at: datetime
    ) -> list[Result]:
        """Append what is usable and return one result a reading; raises ``RedisError`` when nothing was kept."""
        received_ms = round(received_at.timestamp() * 1000)
        usable = [reading for reading in readings if _is_usable(reading, received_ms)]
        if len(usable) < len(readings):
            await self._stream.note_refused(len(readings) - len(usable))
        if not usable:
            return [_refused(reading) for reading in readings]
        sender = Sender(device.driver_id, device.token_id, source)
        fixes = _clamped(usable, received_ms)
        statuses = await self._stream.append(sender, fixes, received=received_at.isoformat())
        kept = [_RESULTS[status] for status in statuses]
        if len(kept) == len(readings):
            return kept
        rest = iter(kept)
        return [next(rest) if _is_usable(reading, received_ms) else _refused(reading) for reading in readings]


def _is_usable(reading: Reading, received_ms: int) -> TypeGuard[UsableFix]:
    return not isinstance(reading, str) and reading.at_ms - received_ms <= REFUSE_MS


def _refused(reading: Reading) -> Result:
    return Result(FixStatus.REFUSED, reading if isinstance(reading, str) else "The time is more than a day ahead.")


def _clamped(usable: list[UsableFix], received_ms: int) -> list[UsableFix]:
    """Return the fixes; those from the future are moved back together, the newest to now, so their spacing stays."""
    ahead_ms = max(fix.at_ms for fix in usable) - received_ms
    if ahead_ms <= CLAMP_MS:
        return usable
    limit_ms = received_ms + CLAMP_MS
    return [fix._replace(at_ms=fix.at_ms - ahead_ms) if fix.at_ms > limit_ms else fix for fix in usable]


def is_any_kept(results: Sequence[Result]) -> bool:
    """Tell whether anything could be used: 200, not 422."""
    return any(result.status is not FixStatus.REFUSED for result in results)


def as_json(results: Sequence[Result]) -> bytes:
    """Return the results as our own format answers them."""
    if all(result.status is FixStatus.STORED for result in results):
        return _all_stored(len(results))
    told: list[dict[str, Any]] = [
        {"index": index, "status": status.value, "reason": reason} for index, (status, reason) in enumerate(results)
    ]
    return json.dumps(told).encode()


@lru_cache(maxsize=512)
def _all_stored(count: int) -> bytes:
    return json.dumps([{"index": index, "status": "stored", "reason": None} for index in range(count)]).encode()


class Refusals:
    """What was refused for good. Apps that keep whatever is not answered by 2xx would send one unusable fix for ever.

    OwnTracks puts it back at the head of its queue, and Traccar Client stops at it: everything behind would wait. So a
    request that was refused and comes again, word for word, is answered as if it had been taken.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def is_again(self, device: Device, *told: bytes) -> bool:
        """Note a refusal; True when the same one was noted before."""
        key = blake2b(b"\0".join((device.token_id.encode(), *told)), digest_size=16).digest()
        if key in self._known:
            return True
        self._known[key] = None
        while len(self._known) > MOST_REFUSALS:
            self._known.popitem(last=False)
        return False
