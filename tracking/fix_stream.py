"""The stream of fixes in Redis: one atomic call that knows repeats, notes the newest and appends the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from tracking.fixes import FixStatus

STREAM = "portal:fixes"
COUNTS = "portal:fixes:counts"  # hash: how many fixes were answered with each status, since Redis was empty
MAX_LENGTH = 500_000  # entries, about; 100 trucks at a fix every 5 s fill it in seven hours (our choice)
SEEN_LENGTH = 2_000  # fix times remembered per driver; SQL's unique key is the last word
SEEN_S = 90_000  # 25 h: a device may send a day's fixes twice

_APPEND = """
local counted = {stored = 0, duplicate = 0, late = 0, clamped = 0}
local answers = {}
local newest = tonumber(redis.call('HGET', KEYS[2], 'at_ms') or '-9e15')
for first = 4, #ARGV, 11 do
  local sent_ms, at_ms, clamped = ARGV[first], tonumber(ARGV[first + 1]), ARGV[first + 10] == '1'
  local answer = 'duplicate'
  if redis.call('ZADD', KEYS[3], 'NX', sent_ms, sent_ms) == 1 then
    answer = clamped and 'clamped' or 'stored'
    local fields = {'driver', ARGV[1], 'at', ARGV[first + 2], 'received', ARGV[2], 'lat', ARGV[first + 3],
      'lon', ARGV[first + 4], 'acc', ARGV[first + 5], 'speed', ARGV[first + 6], 'heading', ARGV[first + 7],
      'source', ARGV[first + 8], 'sent', ARGV[first + 9]}
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', unpack(fields))
    if at_ms > newest then
      newest = at_ms
      redis.call('HSET', KEYS[2], 'at_ms', ARGV[first + 1], unpack(fields))
    elseif not clamped then
      answer = 'late'
    end
  end
  counted[answer] = counted[answer] + 1
  answers[#answers + 1] = answer
end
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -@seen_length@ - 1)
redis.call('EXPIRE', KEYS[3], @seen_s@)
redis.call('EXPIRE', KEYS[2], @seen_s@)
for answer, count in pairs(counted) do
  if count > 0 then redis.call('HINCRBY', KEYS[4], answer, count) end
end
return answers
""".replace("@seen_length@", str(SEEN_LENGTH)).replace("@seen_s@", str(SEEN_S))


@dataclass(frozen=True, slots=True)
class UsableFix:
    """A fix that passed validation. ``sent_at`` is the device's own time of it, ``at`` the same after clamping."""

    sent_at: datetime
    at: datetime
    lat: float
    lon: float
    accuracy_m: float | None
    speed_mps: float | None
    heading_deg: float | None
    source: str

    @property
    def is_clamped(self) -> bool:
        """True when the device's clock is ahead and the time was corrected."""
        return self.at != self.sent_at


def latest_key(driver_id: str) -> str:
    """Return the name of the hash with a driver's newest fix: the stream's fields and ``at_ms``."""
    return f"portal:latest:{driver_id}"


class FixStream:
    """Appends fixes. Build it in the event loop that uses it."""

    def __init__(self, redis: Redis) -> None:
        self._append: AsyncScript = redis.register_script(_APPEND)

    async def append(self, driver_id: str, fixes: Sequence[UsableFix], *, received_at: datetime) -> list[FixStatus]:
        """Append the fixes that are new, oldest first, and return what became of each, in the order given.

        Raises ``redis.exceptions.RedisError`` when Redis is away; sending the same fixes again is then safe.
        """
        order = sorted(range(len(fixes)), key=lambda index: fixes[index].at)
        arguments: list[str] = [driver_id, received_at.isoformat(), str(MAX_LENGTH)]
        for index in order:
            arguments.extend(_arguments(fixes[index]))
        keys = [STREAM, latest_key(driver_id), f"portal:seen:{driver_id}", COUNTS]
        answers = await self._append(keys=keys, args=arguments)
        statuses = dict(zip(order, (FixStatus(answer.decode()) for answer in answers), strict=True))
        return [statuses[index] for index in range(len(fixes))]


def _arguments(fix: UsableFix) -> list[str]:
    return [
        str(_milliseconds(fix.sent_at)),
        str(_milliseconds(fix.at)),
        fix.at.isoformat(),
        repr(fix.lat),
        repr(fix.lon),
        _text(fix.accuracy_m),
        _text(fix.speed_mps),
        _text(fix.heading_deg),
        fix.source,
        fix.sent_at.isoformat(),
        "1" if fix.is_clamped else "0",
    ]


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)
