"""The dialects that devices tell their positions in, read into one form (reference/tracking.md 4).

Each reader returns one reading a fix: usable values, or a sentence that says why there are none. Nothing here raises
for what a device sends but ``BadBody``, when the whole body cannot be read.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import SchemaValidator, ValidationError, core_schema

from tracking.fix_stream import UsableFix
from tracking.geo import is_place

Reading = UsableFix | str

KNOT_MPS = 0.514444
KMH_MPS = 1 / 3.6
SECONDS_BELOW = 2**31  # a smaller number is seconds since 1970, a larger one milliseconds (Traccar's reading)
MAX_SPEED_MPS = 150.0  # faster than any truck: the reading is not kept
LATEST_MS = 253_402_300_800_000  # the year 10000: no calendar of ours goes further
HDOP_M = 5.0  # metres of error a unit of HDOP, the usual rule of thumb; for clients that tell no accuracy
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMBER = re.compile(r"\d{1,17}(\.\d{1,9})?")
_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class BadBody(Exception):
    """The body is not what this address takes. ``str(error)`` is a sentence."""


def parse_json(body: bytes) -> Any:
    """Return the JSON value; raises ``BadBody``."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("The body is not JSON.") from None


def own_items(body: bytes) -> list[Any]:
    """Return the items of ``{"positions": [...]}``, to be read by ``read_own_item``; raises ``BadBody``.

    Where every item is as it should be, which is nearly always, they are checked in one go: five times as fast.
    """
    try:
        items: list[Any] = _OWN.validate_json(body)["positions"]
    except ValidationError:
        told = parse_json(body)
        odd: Any = told.get("positions") if isinstance(told, dict) else None
        if not isinstance(odd, list):
            raise BadBody('The body must be {"positions": [...]}.') from None
        return odd
    return [_quick(item) for item in items]


def _within(low: float, high: float) -> core_schema.CoreSchema:
    return core_schema.float_schema(strict=True, ge=low, le=high, allow_inf_nan=False)


def _item_schema() -> core_schema.CoreSchema:
    """Return what an item is like that has nothing odd about it; all others go the long way."""
    fields = {
        "lat": core_schema.typed_dict_field(_within(-90, 90)),
        "lon": core_schema.typed_dict_field(_within(-180, 180)),
        "at": core_schema.typed_dict_field(core_schema.str_schema(strict=True, max_length=40)),
    }
    limits = {"accuracy_m": 1e6, "speed_mps": MAX_SPEED_MPS, "heading": 360, "heading_deg": 360}
    for name, most in limits.items():
        value = core_schema.nullable_schema(_within(0, most))
        fields[name] = core_schema.typed_dict_field(value, required=False)
    return core_schema.typed_dict_schema(fields, extra_behavior="ignore")


_POSITIONS = core_schema.list_schema(_item_schema(), fail_fast=True)
_OWN = SchemaValidator(
    core_schema.typed_dict_schema({"positions": core_schema.typed_dict_field(_POSITIONS)}, extra_behavior="ignore")
)


def _quick(item: dict[str, Any]) -> Reading | dict[str, Any]:
    """Return the fix of a checked item; the item itself where there is something odd about it after all."""
    lat, lon, at_ms = item["lat"], item["lon"], _iso_time(item["at"])
    if at_ms is None or (lat == 0.0 and lon == 0.0):
        return item
    heading = item["heading"] if "heading" in item else item.get("heading_deg")
    course = None if heading is None else heading % 360
    return UsableFix(at_ms, lat, lon, item.get("accuracy_m"), item.get("speed_mps"), course, at_ms)


def read_own_item(item: Any) -> Reading:
    """Return one item of our own format: lat, lon, at (ISO 8601 with a zone), accuracy_m, speed_mps, heading."""
    if isinstance(item, UsableFix):
        return item
    if not isinstance(item, dict):
        return "The item is not an object."
    if item.get("at") is None:
        return "at is missing."
    return _reading(
        item.get("lat"),
        item.get("lon"),
        _time(item["at"]),
        item.get("accuracy_m"),
        item.get("speed_mps"),
        item["heading"] if "heading" in item else item.get("heading_deg"),
    )


def read_osmand(fields: Mapping[str, str], *, knots: bool, now_ms: int) -> Reading:
    """Return the fix of an OsmAnd or Traccar Client (before 9) request. A missing timestamp means now.

    ``valid`` is read as Traccar does: anything but true and 1 means no. Of a fix without ``accuracy``, ``hdop`` tells.
    """
    if fields.get("valid", "true").lower() not in {"true", "1"}:
        return "The device says that this fix is not valid."
    lat, lon = fields.get("lat"), fields.get("lon")
    if lat is None and "location" in fields:
        lat, _, lon = fields["location"].partition(",")
    told_at = fields.get("timestamp")
    speed = _number(_text_number(fields.get("speed")))
    accuracy_m = _text_number(fields.get("accuracy"))
    if accuracy_m is None and (hdop := _text_number(fields.get("hdop"))) is not None:
        accuracy_m = hdop * HDOP_M
    return _reading(
        _text_number(lat),
        _text_number(lon),
        now_ms if told_at is None else _text_time(told_at),
        accuracy_m,
        speed * KNOT_MPS if speed is not None and knots else speed,
        _text_number(fields.get("bearing", fields.get("heading"))),
    )


def traccar_parts(body: bytes) -> list[dict[str, Any]]:
    """Return the messages of a Traccar Client 9 or later, usually one; raises ``BadBody``."""
    told = parse_json(body)
    parts = told if isinstance(told, list) else [told]
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise BadBody("The body must be an object, or a list of them.")
    return parts


def read_traccar(told: Mapping[str, Any]) -> list[Reading]:
    """Return the fixes of one message: ``{"location": {"timestamp", "coords": {...}}, "device_id"}``.

    ``location`` may be a list, as the library under the app sends a backlog when it is told to.
    """
    location = told.get("location")
    return [_read_location(one) for one in (location if isinstance(location, list) and location else [location])]


def _read_location(location: Any) -> Reading:
    coords = location.get("coords") if isinstance(location, dict) else None
    if not isinstance(location, dict) or not isinstance(coords, dict):
        return "location.coords is missing."
    return _reading(
        coords.get("latitude"),
        coords.get("longitude"),
        _time(location.get("timestamp")),
        coords.get("accuracy"),
        coords.get("speed"),
        coords.get("heading"),
    )


def owntracks_locations(body: bytes) -> list[dict[str, Any]]:
    """Return the messages of type ``location`` in what an OwnTracks client posts: one message, or a list of them.

    Every other type (lwt, transition, waypoints, status, card, cmd, encrypted) is nothing to us. Raises ``BadBody``.
    """
    if not body:
        return []
    told = parse_json(body)
    messages = told if isinstance(told, list) else [told]
    if not all(isinstance(message, dict) for message in messages):
        raise BadBody("The body must be an object, or a list of them.")
    return [message for message in messages if message.get("_type") == "location"]


def read_owntracks(told: Mapping[str, Any], *, now_ms: int) -> Reading:
    """Return the fix of an OwnTracks message of type ``location``; ``vel`` is km/h, ``tst`` seconds since 1970."""
    speed = _number(told.get("vel"))
    return _reading(
        told.get("lat"),
        told.get("lon"),
        now_ms if told.get("tst") is None else _time(told["tst"]),
        told.get("acc"),
        None if speed is None else speed * KMH_MPS,
        told.get("cog"),
    )


def _reading(lat: Any, lon: Any, at_ms: int | None, accuracy_m: Any, speed_mps: Any, heading: Any) -> Reading:
    """Return the fix, or why it is none. Accuracy, speed and heading that cannot be meant are left out."""
    north, east = _number(lat), _number(lon)
    if north is None or east is None:
        return "lat and lon must be numbers."
    if not is_place(north, east):
        return "lat and lon are not a place on earth."
    if at_ms is None:
        return "The time cannot be read; it must carry a zone."
    accuracy, speed, course = _number(accuracy_m), _number(speed_mps), _number(heading)
    return UsableFix(
        at_ms,
        north,
        east,
        accuracy if accuracy is not None and 0 <= accuracy <= 1e6 else None,
        speed if speed is not None and 0 <= speed <= MAX_SPEED_MPS else None,
        course % 360 if course is not None and 0 <= course <= 360 else None,
        at_ms,
    )


def _number(value: Any) -> float | None:
    """Return a finite float; None for text, true and false, NaN, and numbers no float can hold."""
    if type(value) is float:
        return value if math.isfinite(value) else None
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


def _time(value: Any) -> int | None:
    """Return ms since 1970 from ISO 8601 with a zone, or from seconds or milliseconds since 1970; None before 1970."""
    if isinstance(value, str):
        return _iso_time(value)
    number = _number(value)
    if number is None or number < 0:
        return None
    milliseconds = number * 1000 if number < SECONDS_BELOW else number
    return round(milliseconds) if milliseconds < LATEST_MS else None


def _text_time(text: str) -> int | None:
    """Return ms since 1970 as OsmAnd writes a time: a number, ISO 8601, or ``yyyy-MM-dd HH:mm:ss`` in UTC."""
    if _NUMBER.fullmatch(text):
        return _time(float(text))
    return _iso_time(f"{text}Z" if _PLAIN_TIME.fullmatch(text) else text)


def _iso_time(text: str) -> int | None:
    if len(text) > 40:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    milliseconds = round((at - _EPOCH) / _MILLISECOND)
    return milliseconds if milliseconds >= 0 else None
