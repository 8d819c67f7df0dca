"""The sandbox's one look at the machine's clocks; everything else is handed the time or a callable."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the machine's time in UTC. The stand-ins date what they accept by it, as real providers do."""
    return datetime.now(UTC)  # noqa: TID251  (this is the sandbox's clock module)


def monotonic_s() -> float:
    """Return seconds since some start that all processes of this machine share."""
    return time.monotonic()  # noqa: TID251  (this is the sandbox's clock module)
