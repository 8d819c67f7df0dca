"""Pacing: a token bucket in SMS segments for each sender, shared through Redis, on machine time.

Carriers count segments, so we do (reference/messaging.md 1.2). A flushed Redis only means a full bucket. Machines'
clocks differ a little, so a look from the past counts as now; one from more than a minute ago means that the clock was
set back, and counting begins there.
"""

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

BURST_S = 1.0  # a full bucket is this much of the rate, so that urgency is asked about once a second (our choice)
LEAST_BURST = 10.0  # segments
DEBT_S = 3.0  # how far urgent texts may overdraw
_FORGET_S = 600

_SCRIPT = """
local rate, size, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local taken, floor = tonumber(ARGV[4]), tonumber(ARGV[5])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or size, tonumber(held[2]) or now
if now > at then tokens = math.min(size, tokens + (now - at) * rate)
elseif now > at - 60 then now = at end
if taken ~= 0 then tokens = math.max(tokens - taken, floor) end
if ARGV[7] ~= '' then tokens = math.min(tokens, tonumber(ARGV[7])) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], ARGV[6])
return tostring(tokens)
"""


class Bucket:
    """``rate`` in segments a second. Urgent texts may overdraw the bucket; what waits then waits longer."""

    def __init__(self, redis: Redis, sender: str, rate: float) -> None:
        self._redis = redis
        self._key = f"portal:pace:{sender}"
        self.rate = rate
        self.size = max(LEAST_BURST, rate * BURST_S)

    def room(self, elapsed: float, *, urgent: bool = False) -> int:
        """Return how many segments may go out now. ``elapsed`` is machine time in seconds."""
        tokens = self._change(elapsed, 0.0)
        return max(0, int(tokens + (self.rate * DEBT_S if urgent else 0.0)))

    def take(self, elapsed: float, segments: int) -> None:
        """Note that ``segments`` go out."""
        self._change(elapsed, float(segments))

    def stop_for(self, elapsed: float, seconds: float) -> None:
        """Let nothing out for so long: the provider said that it was too much. Said several times, it counts once."""
        self._change(elapsed, 0.0, at_most=-self.rate * max(seconds, DEBT_S))

    def _change(self, elapsed: float, taken: float, at_most: float | None = None) -> float:
        floor = -self.rate * 60.0  # a minute's pause is the longest
        try:
            numbers = (self.rate, self.size, repr(elapsed), taken, floor, _FORGET_S, "" if at_most is None else at_most)
            left = self._redis.eval(_SCRIPT, 1, self._key, *numbers)
        except RedisError as error:
            log.warning("pace not kept", error=type(error).__name__)
            return self.size
        return float(left)
