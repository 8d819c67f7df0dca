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

# Told "too much", we send at so much less of the rate, and take so much of it back each second (our choice).
LESS, LEAST, REGAIN_A_SECOND = 0.7, 0.2, 0.01
AT_ONCE_S = 1.0  # several refusals within it are one

_SCRIPT = """
local rate, size, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local taken, floor, stop_s = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'share', 'shrunk')
local tokens, at = tonumber(held[1]) or size, tonumber(held[2]) or now
local share, shrunk = tonumber(held[3]) or 1, tonumber(held[4])
if now > at then
  share = math.min(1, share + (now - at) * tonumber(ARGV[8]))
  tokens = math.min(size, tokens + (now - at) * rate * share)
elseif now > at - 60 then now = at end
if taken ~= 0 then tokens = math.max(tokens - taken, floor) end
if stop_s > 0 then
  if not shrunk or now > shrunk + tonumber(ARGV[9]) or now < shrunk then
    share, shrunk = math.max(tonumber(ARGV[11]), share * tonumber(ARGV[10])), now
  end
  tokens = math.max(math.min(tokens, -rate * (share + stop_s * tonumber(ARGV[8])) * stop_s), floor)
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now), 'share', tostring(share))
if shrunk then redis.call('HSET', KEYS[1], 'shrunk', tostring(shrunk)) end
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
        """Let nothing out for so long, and less of the rate for a while: the provider said that it was too much.

        Said several times at once, it counts once.
        """
        self._change(elapsed, 0.0, stop_s=max(seconds, DEBT_S))

    def _change(self, elapsed: float, taken: float, stop_s: float = 0.0) -> float:
        floor = -self.rate * 60.0  # a minute's pause is the longest
        how = (REGAIN_A_SECOND, AT_ONCE_S, LESS, LEAST)
        try:
            told = (self.rate, self.size, repr(elapsed), taken, floor, _FORGET_S, stop_s, *how)
            left = self._redis.eval(_SCRIPT, 1, self._key, *told)
        except RedisError as error:
            log.warning("pace not kept", error=type(error).__name__)
            return self.size
        return float(left)
