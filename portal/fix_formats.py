"""The dialects that devices tell their positions in, read into one form (reference/tracking.md 4).

Each reader returns one reading a fix: usable values, or the reason why there are none. Nothing here raises for what a
device sends but ``BadBody``, when the whole body cannot be read.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tracking.geo import is_place

KNOT_MPS = 0.514444
KMH_MPS = 1 / 3.6
SECONDS_BELOW = 2**31  # a smaller number is seconds since 1970, a larger one milliseconds (Traccar's reading)
MAX_SPEED_MPS = 150.0  # faster than any truck: the reading is not kept
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"\d{1,17}(\.\d{1,9})?")
_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class BadBody(Exception):
    """The body is not what this address takes. ``str(error)`` is a sentence."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One fix as a device told it. ``reason`` is set when it cannot be used; metres, m/s, degrees."""

    at: datetime | None = None
    lat: float = math.nan
    lon: float = math.nan
    accuracy_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    reason: str | None = None


def parse_json(body: bytes) -> Any:
    """Return the JSON value; raises ``BadBody``."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("The body is not JSON.") from None


def read_own(body: bytes) -> list[Any]:
    """Return the items of ``{"positions": [...]}``, unread, so that a long list can be refused first."""
    told = parse_json(body)
    if not isinstance(told, dict) or not isinstance(told.get("positions"), list):
        raise BadBody('The body must be {"positions": [...]}.')
    positions: list[Any] = told["positions"]
    return positions


def read_own_item(item: Any) -> Reading:
    """Return one item of our own format: lat, lon, at (ISO 8601 with a zone), accuracy_m, speed_mps, heading."""
    if not isinstance(item, dict):
        return Reading(reason="The item is not an object.")
    if item.get("at") is None:
        return Reading(reason="at is missing.")
    heading = item.get("heading", item.get("heading_deg"))
    return _reading(
        lat=item.get("lat"),
        lon=item.get("lon"),
        at=_time(item["at"]),
        accuracy_m=item.get("accuracy_m"),
        speed_mps=_number(item.get("speed_mps")),
        heading=heading,
    )


def read_osmand(fields: Mapping[str, str], *, knots: bool, now: datetime) -> Reading:
    """Return the fix of an OsmAnd or Traccar Client (before 9) request. A missing timestamp means now."""
    if fields.get("valid", "true").lower() in {"false", "0"}:
        return Reading(reason="The device says that this fix is not valid.")
    lat, lon = fields.get("lat"), fields.get("lon")
    if lat is None and "location" in fields:
        lat, _, lon = fields["location"].partition(",")
    told_at = fields.get("timestamp")
    speed = _number(_text_number(fields.get("speed")))
    return _reading(
        lat=_text_number(lat),
        lon=_text_number(lon),
        at=now if told_at is None else _text_time(told_at),
        accuracy_m=_text_number(fields.get("accuracy")),
        speed_mps=speed * KNOT_MPS if speed is not None and knots else speed,
        heading=_text_number(fields.get("bearing", fields.get("heading"))),
    )


def read_traccar(told: Mapping[str, Any]) -> Reading:
    """Return the fix of a Traccar Client 9 or later: ``{"location": {"timestamp", "coords": {...}}, "device_id"}``."""
    location = told.get("location")
    coords = location.get("coords") if isinstance(location, dict) else None
    if not isinstance(location, dict) or not isinstance(coords, dict):
        return Reading(reason="location.coords is missing.")
    return _reading(
        lat=coords.get("latitude"),
        lon=coords.get("longitude"),
        at=_time(location.get("timestamp")),
        accuracy_m=coords.get("accuracy"),
        speed_mps=_number(coords.get("speed")),
        heading=coords.get("heading"),
    )


def read_owntracks(told: Mapping[str, Any], *, now: datetime) -> Reading:
    """Return the fix of an OwnTracks message of type ``location``; ``vel`` is km/h, ``tst`` seconds since 1970."""
    speed = _number(told.get("vel"))
    return _reading(
        lat=told.get("lat"),
        lon=told.get("lon"),
        at=now if told.get("tst") is None else _time(told["tst"]),
        accuracy_m=told.get("acc"),
        speed_mps=None if speed is None else speed * KMH_MPS,
        heading=told.get("cog"),
    )


def _reading(
    *, lat: Any, lon: Any, at: datetime | None, accuracy_m: Any, speed_mps: float | None, heading: Any
) -> Reading:
    place = _number(lat), _number(lon)
    if place[0] is None or place[1] is None:
        return Reading(reason="lat and lon must be numbers.")
    if not is_place(place[0], place[1]):
        return Reading(reason="lat and lon are not a place on earth.")
    if at is None:
        return Reading(reason="The time cannot be read; it must carry a zone.")
    accuracy, course = _number(accuracy_m), _number(heading)
    return Reading(
        at=at,
        lat=place[0],
        lon=place[1],
        accuracy_m=accuracy if accuracy is not None and 0 <= accuracy <= 1e6 else None,
        speed_mps=speed_mps if speed_mps is not None and 0 <= speed_mps <= MAX_SPEED_MPS else None,
        heading_deg=course % 360 if course is not None and 0 <= course <= 360 else None,
    )


def _number(value: Any) -> float | None:
    """Return a finite float; None for text, true and false, NaN, and numbers no float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text_number(text: str | None) -> float | None:
    if text is None or len(text) > 40:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _time(value: Any) -> datetime | None:
    """Return an instant from ISO 8601 with a zone, or from seconds or milliseconds since 1970."""
    if isinstance(value, str):
        return _iso_time(value)
    number = _number(value)
    if number is None or number < 0:
        return None
    seconds = number if number < SECONDS_BELOW else number / 1000
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _text_time(text: str) -> datetime | None:
    """Return an instant as OsmAnd writes it: a number, ISO 8601, or ``yyyy-MM-dd HH:mm:ss`` in UTC."""
    if _NUMBER.fullmatch(text):
        return _time(float(text))
    return _iso_time(f"{text}Z" if _PLAIN_TIME.fullmatch(text) else text)


def _iso_time(text: str) -> datetime | None:
    if len(text) > 40:
        return None
    try:
        at = datetime.fromisoformat(text)
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
