"""The stream of fixes in Redis: one atomic call that knows repeats, notes each newest fix and appends what is new.

One entry of the stream holds one device's batch: ``driver``, ``device`` (the token's id), ``received`` (ISO 8601),
``source``, and ``fixes``, a JSON list of ``[at_ms, lat, lon, accuracy_m, speed_mps, heading_deg, sent_ms]``. Batches
that come while a call is under way go together in the next one: under load its cost is shared, else nobody waits.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from pydantic_core import to_json
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from tracking.fixes import FixStatus

STREAM = "portal:fixes"
COUNTS = "portal:fixes:counts"  # hash: how many fixes were answered with each status, since Redis was empty; /metrics
MAX_LENGTH = 500_000  # entries, about; 100 trucks that send every 5 s fill it in seven hours (our choice)
SEEN_BYTES = 28_000  # of fix times remembered a driver, 2,000 at least; SQL's unique key is the last word
SEEN_S = 90_000  # 25 h: a device may send a day's fixes twice
MOST_TOGETHER = 64  # batches a call: the script then runs for about a millisecond (our choice)

# KEYS: stream, counts, then two a batch: what is known of its driver's newest fix, and the times that were sent, as a
# text ",t1,t2,". ARGV: the stream's length, then nine a batch: driver, device, received, source, fixes oldest first,
# the times they were sent, whether these are their own and rise, the first and the last. Answers a word a batch, a
# letter a fix; "+" for a batch that is newer than all before, which needs no second look.
_APPEND = """
local counted = {s = 0, d = 0, l = 0, c = 0}
local words = {}

local function finder(seen, count)
  local text = redis.call('GET', seen) or ''
  if count <= 30 then return function(sent) return string.find(text, ',' .. sent .. ',', 1, true) end end
  local set = {}
  for sent in string.gmatch(text, '%d+') do set[sent] = true end
  return function(sent) return set[sent] end
end

local function judge(text, seen, newest, count)
  local is_known, met, letters, new = finder(seen, count), {}, {}, {}
  local times = {}
  for number, fix in ipairs(cjson.decode(text)) do
    local sent, letter = string.format('%.0f', fix[7]), 's'
    if met[sent] or is_known(sent) then
      letter = 'd'
    else
      if fix[1] ~= fix[7] then letter = 'c' elseif fix[1] <= newest then letter = 'l' end
      if fix[1] > newest then newest = fix[1] end
      new[#new + 1], times[#times + 1] = fix, sent
    end
    met[sent] = true
    counted[letter] = counted[letter] + 1
    letters[number] = letter
  end
  return table.concat(letters), #new > 0 and cjson.encode(new) or nil, table.concat(times, ','), newest
end

for batch = 0, (#ARGV - 1) / 9 - 1 do
  local latest, seen, at = KEYS[3 + 2 * batch], KEYS[4 + 2 * batch], 2 + 9 * batch
  local text, times, first, last = ARGV[at + 4], ARGV[at + 5], tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8])
  local known = redis.call('HMGET', latest, 'at_ms', 'sent_ms')
  local newest, highest = tonumber(known[1] or '-1'), tonumber(known[2] or '-1')
  local word, count = '+', tonumber(ARGV[at + 6])
  if count > 0 and first > newest and first > highest then
    counted.s = counted.s + count
    newest = last
  else
    word, text, times, newest = judge(text, seen, newest, math.abs(count))
  end
  if text then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'driver', ARGV[at], 'device', ARGV[at + 1],
      'received', ARGV[at + 2], 'source', ARGV[at + 3], 'fixes', text)
    redis.call('HSET', latest, 'at_ms', string.format('%.0f', newest),
      'sent_ms', string.format('%.0f', math.max(highest, last)), 'received', ARGV[at + 2])
    redis.call('EXPIRE', latest, @seen_s@)
    local size = redis.call('APPEND', seen, highest < 0 and ',' .. times .. ',' or times .. ',')
    redis.call('EXPIRE', seen, @seen_s@)
    if size > 2 * @seen_bytes@ then
      redis.call('SETEX', seen, @seen_s@, redis.call('GETRANGE', seen, -@seen_bytes@, -1))
    end
  end
  words[batch + 1] = word
end
for letter, name in pairs({s = 'stored', d = 'duplicate', l = 'late', c = 'clamped'}) do
  if counted[letter] > 0 then redis.call('HINCRBY', KEYS[2], name, counted[letter]) end
end
return words
""".replace("@seen_bytes@", str(SEEN_BYTES)).replace("@seen_s@", str(SEEN_S))

_STATUSES = {
    ord("s"): FixStatus.STORED,
    ord("d"): FixStatus.DUPLICATE,
    ord("l"): FixStatus.LATE,
    ord("c"): FixStatus.CLAMPED,
}


class UsableFix(NamedTuple):
    """A fix that passed validation: milliseconds since 1970, degrees, metres, m/s.

    ``sent_ms`` is the device's own time of it, ``at_ms`` the same after clamping.
    """

    at_ms: int
    lat: float
    lon: float
    accuracy_m: float | None
    speed_mps: float | None
    heading_deg: float | None
    sent_ms: int


class Sender(NamedTuple):
    """Whose fixes they are, by which device token, and in which dialect they came."""

    driver_id: str
    device_id: str
    source: str


class _Batch(NamedTuple):
    driver_id: str
    size: int
    arguments: tuple[str | bytes, ...]
    answer: asyncio.Future[list[FixStatus]]


def latest_key(driver_id: str) -> str:
    """Return the name of the hash of a driver's newest fix: ``at_ms``, ``sent_ms`` and ``received`` (ISO 8601)."""
    return f"portal:latest:{driver_id}"


class FixStream:
    """Appends fixes. Build it in the event loop that uses it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._append: AsyncScript = redis.register_script(_APPEND)
        self._waiting: list[_Batch] = []
        self._sending: asyncio.Task[None] | None = None

    async def append(self, sender: Sender, fixes: Sequence[UsableFix], *, received: str) -> list[FixStatus]:
        """Append the fixes that are new, oldest first, and return what became of each, in the order given.

        ``received`` is ISO 8601 with a zone. Raises ``redis.exceptions.RedisError`` when Redis is away; sending the
        same fixes again is then safe.
        """
        times = [fix.at_ms for fix in fixes]
        order: list[int] | None = None
        ordered = fixes
        if any(later <= earlier for earlier, later in pairwise(times)):
            order = sorted(range(len(fixes)), key=times.__getitem__)
            ordered = [fixes[index] for index in order]
        sent = [fix.sent_ms for fix in ordered]
        is_plain = order is None and sent == times
        arguments = (
            *(sender.driver_id, sender.device_id, received, sender.source, to_json(ordered)),
            *(",".join(map(str, sent)), str(len(fixes) if is_plain else -len(fixes))),
            *(str(min(sent)), str(max(sent))),
        )
        answer: asyncio.Future[list[FixStatus]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Batch(sender.driver_id, len(fixes), arguments, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        statuses = await answer
        if order is None:
            return statuses
        placed = dict(zip(order, statuses, strict=True))
        return [placed[index] for index in range(len(fixes))]

    async def note_refused(self, count: int) -> None:
        """Count readings that could not be used. A Redis that is away costs the count, not the answer."""
        with suppress(RedisError):
            await self._redis.hincrby(COUNTS, FixStatus.REFUSED.value, count)

    async def _send(self) -> None:
        """Send what waits, call by call, until nothing does."""
        try:
            while self._waiting:
                batches, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                await self._send_together(batches)
        finally:
            self._sending = None
            for batch in self._waiting:  # only when the process ends
                batch.answer.set_exception(RedisError("not sent"))
            self._waiting.clear()

    async def _send_together(self, batches: list[_Batch]) -> None:
        """Make one call and tell each batch's sender what came of it, whatever happens."""
        keys: list[str] = [STREAM, COUNTS]
        arguments: list[str | bytes] = [str(MAX_LENGTH)]
        for batch in batches:
            keys += (latest_key(batch.driver_id), f"portal:sent:{batch.driver_id}")
            arguments += batch.arguments
        words: list[bytes] = []
        failure = RedisError("not sent")
        try:
            words = await self._append(keys=keys, args=arguments)
        except RedisError as error:
            failure = error
        finally:
            for place, batch in enumerate(batches):
                if batch.answer.done():
                    continue
                if place < len(words):
                    batch.answer.set_result(_statuses(words[place], batch.size))
                else:
                    batch.answer.set_exception(failure)


def _statuses(word: bytes, count: int) -> list[FixStatus]:
    return [FixStatus.STORED] * count if word == b"+" else [_STATUSES[letter] for letter in word]
