"""One row of a route file: its fields, how each is read, and what is said when one cannot be."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError

from tracking.geo import is_place
from tracking.local_time import is_zone, local_instant
from tracking.recipients import normal_email, normal_phone

COLUMNS = (
    "date",
    "route",
    "depot",
    "depot_lat",
    "depot_lon",
    "planned_start",
    "driver",
    "driver_phone",
    "vehicle",
    "sequence",
    "reference",
    "recipient",
    "phone",
    "email",
    "address",
    "lat",
    "lon",
    "window_start",
    "window_end",
    "zone",
    "locale",
    "service_minutes",
    "items",
    "instructions",
)
OPTIONAL = frozenset({"vehicle", "phone", "email", "zone", "locale", "service_minutes", "items", "instructions"})
# Longest texts, as wide as their columns; free text is held to what one screen shows (our choice).
LIMITS = {"route": 120, "depot": 120, "driver": 120, "vehicle": 120, "reference": 120, "recipient": 200}
LIMITS |= {"address": 500, "items": 2000, "instructions": 1000}
SEVERAL_LINES = frozenset({"items", "instructions", "address"})
MAX_SEQUENCE = 100_000
MAX_SERVICE_MINUTES = 600.0
PLACE_DECIMALS = 7  # a centimetre
# Control characters and lone surrogates: no text has them, and databases refuse some (Unicode categories Cc, Cs).
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{0,20})?")


@dataclass(frozen=True, slots=True)
class ImportDefaults:
    """What a row without them gets: ``region`` reads phone numbers, ``zone`` and ``locale`` fill empty cells."""

    region: str
    zone: str
    locale: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is refused. ``line`` counts from 1 and is None for JSON, where ``column`` is the path instead."""

    line: int | None
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row comes from. ``paths`` gives a column's path in JSON, and is empty for a file of lines."""

    line: int | None
    paths: Mapping[str, str] = field(default_factory=dict)

    def problem(self, column: str, reason: str) -> Problem:
        """Return a problem with ``column`` of this row."""
        return Problem(self.line, self.paths.get(column, column), reason)

    def __str__(self) -> str:
        return f"line {self.line}" if self.line is not None else self.paths["reference"].rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery as a route file tells it. Instants are UTC; ``planned_start`` is still local to the route."""

    origin: Origin
    service_on: date
    route: str
    depot: str
    depot_lat: float
    depot_lon: float
    planned_start: time
    driver: str
    driver_phone: str
    vehicle: str
    sequence: int
    reference: str
    recipient: str
    phone: str | None
    email: str | None
    address: str
    lat: float
    lon: float
    window_start: time
    window_end: time
    zone: str
    locale: str
    service_minutes: float | None
    items: str
    instructions: str
    driver_locale: str

    @property
    def key(self) -> tuple[date, str, str]:
        """Return what makes this row the same row in every file: date, route, reference."""
        return self.service_on, self.route, self.reference

    @property
    def window(self) -> tuple[datetime, datetime]:
        """Return the window's instants."""
        start = local_instant(self.service_on, self.window_start, self.zone)
        return start, local_instant(self.service_on, self.window_end, self.zone)

    def fields(self) -> dict[str, Any]:
        """Return the row as kept in ``Delivery.imported``: plain JSON values by column."""
        kept: dict[str, Any] = {}
        for column in COLUMNS:
            value = getattr(self, "service_on" if column == "date" else column)
            if isinstance(value, time):
                value = value.strftime("%H:%M")
            kept[column] = value.isoformat() if isinstance(value, date) else value
        return kept


def read_row(
    raw: Mapping[str, str], origin: Origin, defaults: ImportDefaults, problems: list[Problem], *, comma: bool = False
) -> Row | None:
    """Return the row that ``raw`` (texts by column) tells, or None after adding each of its problems.

    ``comma``: numbers may be written with a decimal comma, as in files whose delimiter is a semicolon.
    """
    before = len(problems)
    texts = {column: _tidy(raw[column], column, origin, problems) for column in COLUMNS}
    values: dict[str, Any] = {}
    readers = _readers(defaults)
    for column, text in texts.items():
        if text is None:
            continue
        if not text and column not in OPTIONAL:
            problems.append(origin.problem(column, "is empty"))
            continue
        if comma and column in _NUMERIC:
            text = text.replace(",", ".")
        try:
            values["service_on" if column == "date" else column] = readers[column](text)
        except ValueError as error:
            problems.append(origin.problem(column, f"{_shown(text)} {error}"))
    _check_whole(values, texts, origin, problems)
    return None if len(problems) > before else Row(origin=origin, driver_locale=_locale(defaults.locale), **values)


_NUMERIC = frozenset({"depot_lat", "depot_lon", "lat", "lon", "service_minutes"})


def _check_whole(values: dict[str, Any], texts: dict[str, str | None], origin: Origin, problems: list[Problem]) -> None:
    """Add what is wrong with fields that are only right together."""
    if texts["phone"] == "" and texts["email"] == "":
        problems.append(origin.problem("phone", "is empty, and so is email: one of them is needed"))
    for prefix in ("depot_", ""):
        lat, lon = values.get(f"{prefix}lat"), values.get(f"{prefix}lon")
        if lat == 0.0 and lon == 0.0:
            problems.append(origin.problem(f"{prefix}lat", "and longitude are both 0, which is a place in the sea"))
    if {"window_start", "window_end", "zone", "service_on"} <= values.keys():
        on, zone = values["service_on"], values["zone"]
        if values["window_end"] <= values["window_start"]:
            problems.append(origin.problem("window_end", f"{texts['window_end']} is not after the window's start"))
        elif local_instant(on, values["window_end"], zone) <= local_instant(on, values["window_start"], zone):
            problems.append(origin.problem("window_end", f"the window does not exist on {on}: clocks go forward"))


def _tidy(text: str, column: str, origin: Origin, problems: list[Problem]) -> str | None:
    """Return the text trimmed, its spaces single; None after a problem: letters that no text has, or too many."""
    found = _UNPRINTABLE.search(text)
    if found is not None:
        problems.append(origin.problem(column, f"holds an unprintable character (U+{ord(found[0]):04X})"))
        return None
    lines = text.splitlines() if column in SEVERAL_LINES else [text]
    tidy = "\n".join(" ".join(line.split()) for line in lines).strip()
    limit = LIMITS.get(column)
    if limit is not None and len(tidy) > limit:
        problems.append(origin.problem(column, f"has {len(tidy)} characters; at most {limit} are taken"))
        return None
    return tidy


def _shown(text: str) -> str:
    return f'"{text[:40]}…"' if len(text) > 40 else f'"{text}"'


@lru_cache(maxsize=8)
def _readers(defaults: ImportDefaults) -> dict[str, Callable[[str], Any]]:
    """Return what reads each column; each raises ``ValueError`` with the words after the value."""
    readers: dict[str, Callable[[str], Any]] = dict.fromkeys(COLUMNS, str)
    readers |= dict.fromkeys(("planned_start", "window_start", "window_end"), _clock_time)
    readers |= dict.fromkeys(("lat", "depot_lat"), _latitude)
    readers |= dict.fromkeys(("lon", "depot_lon"), _longitude)
    readers["date"] = _day
    readers["sequence"] = _sequence
    readers["driver_phone"] = lambda text: normal_phone(text, defaults.region)
    readers["phone"] = lambda text: normal_phone(text, defaults.region) if text else None
    readers["email"] = lambda text: _email(text) if text else None
    readers["zone"] = lambda text: _zone(text or defaults.zone)
    readers["locale"] = lambda text: _locale(text or defaults.locale)
    readers["service_minutes"] = lambda text: _minutes(text) if text else None
    return readers


@lru_cache(maxsize=1024)
def _day(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError("is not a date; write it as 2026-01-31")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not in the calendar") from None
    if not 2000 <= day.year <= 2200:
        raise ValueError("is not in this century or the next")
    return day


@lru_cache(maxsize=1024)
def _clock_time(text: str) -> time:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("is not a time of day; write it as 09:30")
    return time(int(found[1]), int(found[2]))


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    return float(text)


def _latitude(text: str) -> float:
    degrees = _number(text)
    if not is_place(degrees, 1.0):
        raise ValueError("is not a latitude: those lie between -90 and 90")
    return round(degrees, PLACE_DECIMALS)


def _longitude(text: str) -> float:
    degrees = _number(text)
    if not is_place(1.0, degrees):
        raise ValueError("is not a longitude: those lie between -180 and 180")
    return round(degrees, PLACE_DECIMALS)


def _sequence(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or not 1 <= int(text) <= MAX_SEQUENCE:
        raise ValueError(f"is not a whole number from 1 to {MAX_SEQUENCE}")
    return int(text)


def _minutes(text: str) -> float:
    minutes = _number(text)
    if not (math.isfinite(minutes) and 0.0 <= minutes <= MAX_SERVICE_MINUTES):
        raise ValueError(f"is not between 0 and {MAX_SERVICE_MINUTES:.0f} minutes")
    return minutes


def _email(text: str) -> str:
    try:
        return normal_email(text)
    except ValueError as error:
        raise ValueError(f"is not an email address: {error}") from None


def _zone(text: str) -> str:
    if not is_zone(text):
        raise ValueError("is not a time zone; write one such as Europe/London")
    return text


@lru_cache(maxsize=1024)
def _locale(text: str) -> str:
    try:
        return str(Locale.parse(text.replace("-", "_")))
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError("is not a language; write one such as en or es") from None
