"""Which driver a device token speaks for: read from the record in a thread, remembered for a few seconds."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from tracking.clocks import Clock
from tracking.drivers import DeviceToken, live_device_token, token_hash
from tracking.storage import Database

REMEMBERED_S = 15.0  # machine time; a revoked token works at most this much longer
UNKNOWN_REMEMBERED_S = 10.0  # a token that was just issued must not be refused for long
MOST_REMEMBERED = 10_000
MAX_TOKEN_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Device:
    """Whose positions a token may send, and how its speeds are meant."""

    token_id: str
    driver_id: str
    speed_unit: str
    expires_at: datetime | None


class DeviceTokens:
    """Looks tokens up without holding the event loop. Only hashes are remembered."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Device | None]] = OrderedDict()

    async def device(self, token: str) -> Device | None:
        """Return the device of a token that may be used now, None for any other.

        Raises ``sqlalchemy.exc.SQLAlchemyError`` when the record is away.
        """
        if not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            return None
        key = token_hash(token)
        elapsed_s = self._clock.elapsed()
        remembered = self._known.get(key)
        if remembered is None or not 0 < remembered[0] - elapsed_s <= REMEMBERED_S:  # more: the clock was set back
            found = await asyncio.to_thread(self._load, token)
            self._remember(key, found, elapsed_s)
        else:
            found = remembered[1]
        if found is not None and found.expires_at is not None and found.expires_at <= self._clock.now():
            return None
        return found

    def _remember(self, key: str, found: Device | None, elapsed_s: float) -> None:
        until_s = elapsed_s + (UNKNOWN_REMEMBERED_S if found is None else REMEMBERED_S)
        self._known[key] = (until_s, found)
        self._known.move_to_end(key)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _load(self, token: str) -> Device | None:
        with self._database.reading() as session:
            row: DeviceToken | None = live_device_token(session, token, self._clock.now())
            return None if row is None else Device(row.id, row.driver_id, row.speed_unit, row.expires_at)
