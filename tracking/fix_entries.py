"""What the stream of fixes holds, read back: fixes of drivers, and routes that somebody changed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from tracking.fixes import OTHER_DECIMALS, PLACE_DECIMALS, Fix

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DriverFix:
    """One fix as ingest put it on the stream."""

    driver_id: str
    fix: Fix
    source: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries read together: fixes by driver in the order of receipt, routes to look at again, all entry ids.

    ``heard_at`` says when each device token was last heard of.
    """

    entry_ids: tuple[bytes, ...]
    fixes: dict[str, list[DriverFix]]
    route_ids: tuple[str, ...]
    heard_at: dict[str, datetime] = field(default_factory=dict)


def read_batch(entries: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]) -> Batch:
    """Return the entries sorted out. One that cannot be read is logged and left out, for good."""
    fixes: dict[str, list[DriverFix]] = {}
    route_ids: dict[str, None] = {}
    heard_at: dict[str, datetime] = {}
    for entry_id, fields in entries:
        if not fields:  # trimmed away while it was pending
            continue
        if b"route" in fields:
            route_ids[fields[b"route"].decode()] = None
            continue
        try:
            found = _driver_fixes(fields)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            log.warning("fixes left out", entry=entry_id.decode(), error=type(error).__name__)
            continue
        fixes.setdefault(found[0].driver_id, []).extend(found)
        if b"device" in fields:
            heard_at[fields[b"device"].decode()] = found[-1].fix.received_at
    return Batch(tuple(entry_id for entry_id, _ in entries), fixes, tuple(route_ids), heard_at)


def count_fixes(fields: Mapping[bytes, bytes] | None) -> int:
    """Return about how many fixes an entry holds, unread; a changed route counts as one."""
    return 1 if not fields else max(1, fields.get(b"fixes", b"").count(b"[") - 1)


def _driver_fixes(fields: Mapping[bytes, bytes]) -> list[DriverFix]:
    """Return the fixes of one entry, at least one; raises for what is not as ``fix_stream`` writes it."""
    driver_id, source = fields[b"driver"].decode(), fields[b"source"].decode()[:16]
    received_at = datetime.fromisoformat(fields[b"received"].decode())
    if received_at.tzinfo is None:
        raise ValueError("a fix needs aware instants")
    rows = json.loads(fields[b"fixes"]) if b"fixes" in fields else [_flat_row(fields)]
    found = [DriverFix(driver_id, _fix(row, received_at), source) for row in rows]
    if not found:
        raise ValueError("an entry needs a fix")
    return found


def _flat_row(fields: Mapping[bytes, bytes]) -> list[Any]:
    """Return the one fix of an entry as it was written before batches were: an update must not lose what waits."""
    at = datetime.fromisoformat(fields[b"at"].decode())
    if at.tzinfo is None:
        raise ValueError("a fix needs aware instants")
    at_ms = (at - _EPOCH) / timedelta(milliseconds=1)
    numbers = [float(text) if (text := fields.get(name, b"")) else None for name in (b"acc", b"speed", b"heading")]
    return [at_ms, float(fields[b"lat"]), float(fields[b"lon"]), *numbers, at_ms]


def _fix(row: Sequence[Any], received_at: datetime) -> Fix:
    """Return the fix, as exact as a route's state keeps it: the consumer tells the same place that pages read later."""
    at_ms, lat, lon, accuracy_m, speed_mps, heading_deg, _sent_ms = row
    if not (math.isfinite(lat) and math.isfinite(lon)):
        raise ValueError("a fix needs a place")
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return Fix(
        lat=round(float(lat), PLACE_DECIMALS),
        lon=round(float(lon), PLACE_DECIMALS),
        at=at,
        received_at=received_at,
        accuracy_m=_optional(accuracy_m),
        speed_mps=_optional(speed_mps),
        heading_deg=_optional(heading_deg),
    )


def _optional(value: Any) -> float | None:
    return round(float(value), OTHER_DECIMALS) if value is not None and math.isfinite(value) else None
