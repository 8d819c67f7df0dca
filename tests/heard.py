"""What was published on channels of Redis: all of it, however busy the machine is."""

from typing import Any

from redis import Redis

PATIENCE_S = 60.0
_END = b"that was all"


class Heard:
    """Listens to channels from the moment it is made."""

    def __init__(self, redis: Redis, *channels: str) -> None:
        self._redis, self._first = redis, channels[0]
        self._pubsub = redis.pubsub()
        self._pubsub.subscribe(*channels)
        for _ in channels:
            self.next()  # it listens

    def next(self) -> dict[str, Any]:
        """Return the next message, waiting for it."""
        message: dict[str, Any] | None = self._pubsub.get_message(timeout=PATIENCE_S)
        assert message is not None
        return message

    def news(self, channel: str) -> list[bytes]:
        """Return what was published on this channel since the last time."""
        self._redis.publish(self._first, _END)  # what was published before comes before
        found = []
        while (message := self.next())["data"] != _END:
            if message["channel"] == channel.encode():
                found.append(message["data"])
        return found

    def close(self) -> None:
        """Listen no more."""
        self._pubsub.close()
