"""What the stream of fixes holds, read back: fixes of drivers, and routes that somebody changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from tracking.fixes import Fix

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DriverFix:
    """One fix as ingest put it on the stream."""

    driver_id: str
    fix: Fix
    source: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries read together: fixes by driver in the order of receipt, routes to look at again, all entry ids."""

    entry_ids: tuple[bytes, ...]
    fixes: dict[str, list[DriverFix]]
    route_ids: tuple[str, ...]


def read_batch(entries: Sequence[tuple[bytes, Mapping[bytes, bytes] | None]]) -> Batch:
    """Return the entries sorted out. One that cannot be read is logged and left out, for good."""
    fixes: dict[str, list[DriverFix]] = {}
    route_ids: dict[str, None] = {}
    for entry_id, fields in entries:
        if not fields:  # trimmed away while it was pending
            continue
        if b"route" in fields:
            route_ids[fields[b"route"].decode()] = None
            continue
        try:
            found = _driver_fix(fields)
        except (KeyError, ValueError) as error:
            log.warning("fix left out", entry=entry_id.decode(), error=type(error).__name__)
            continue
        fixes.setdefault(found.driver_id, []).append(found)
    return Batch(tuple(entry_id for entry_id, _ in entries), fixes, tuple(route_ids))


def _driver_fix(fields: Mapping[bytes, bytes]) -> DriverFix:
    at = datetime.fromisoformat(fields[b"at"].decode())
    received_at = datetime.fromisoformat(fields[b"received"].decode())
    if at.tzinfo is None or received_at.tzinfo is None:
        raise ValueError("a fix needs aware instants")
    fix = Fix(
        lat=float(fields[b"lat"]),
        lon=float(fields[b"lon"]),
        at=at,
        received_at=received_at,
        accuracy_m=_optional(fields, b"acc"),
        speed_mps=_optional(fields, b"speed"),
        heading_deg=_optional(fields, b"heading"),
    )
    if not (math.isfinite(fix.lat) and math.isfinite(fix.lon)):
        raise ValueError("a fix needs a place")
    return DriverFix(fields[b"driver"].decode(), fix, fields[b"source"].decode()[:16])


def _optional(fields: Mapping[bytes, bytes], name: bytes) -> float | None:
    text = fields.get(name, b"")
    value = float(text) if text else None
    return value if value is not None and math.isfinite(value) else None
