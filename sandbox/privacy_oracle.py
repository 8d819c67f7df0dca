"""An independent judge of DESIGN 7's privacy rule, over raw bytes: what may the holder of one link learn?

It knows the true day (``sandbox.small_day``) and what was sent to the portal, and nothing of how the portal decides. It
looks for every coordinate, name, number, address and reference in whatever a link can fetch. Its limits are DESIGN's:
150 m, ten stops or an hour, three decimals until next and then four.
"""

import html
import json
import math
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote

from sandbox.small_day import Parcel, Round, TrueFix

OTHER_STOP_M = 150.0
FEW_STOPS, SOON = 10, timedelta(minutes=60)
REMEMBERED = timedelta(minutes=30)  # a truck that is held back may be shown where it was so long ago
KEPT_DEG = 1e-6  # a fix need not be kept any more exactly than that
HOME_M = 12.0  # the home pin has four decimals
_NUMBER = re.compile(r"-?\d{1,3}\.\d{3,}")
_NAMED = re.compile(r"(?:lat|lon|lng)\w*[\"']?\s*[:=]\s*[\"']?(-?\d{1,3}(?:\.\d{1,2})?)(?![\d.])")
_APART = 120  # characters between the two numbers of one place, at most


@dataclass(frozen=True)
class Standing:
    """What the record says of a delivery as its page is fetched, states only; and the newest sent of its truck."""

    status: str
    stops_before: int | None
    eta_at: datetime | None
    route_is_started: bool
    now: datetime
    truck: TrueFix | None


@dataclass(frozen=True)
class Finding:
    """Something that the holder of a link must not have been told."""

    whose: str
    where: str
    what: str


@dataclass
class TruckTruth:
    """What was sent of one truck so far, newest last, and where it truly is."""

    sent: deque[TrueFix] = field(default_factory=deque)

    def note(self, fix: TrueFix) -> None:
        """Take note of a fix that the portal has just been told."""
        self.sent.append(fix)
        while self.sent and fix.at - self.sent[0].at > REMEMBERED:
            self.sent.popleft()

    @property
    def here(self) -> TrueFix | None:
        """The newest of them that can be believed, by the time it was taken: nobody can know more."""
        return max((fix for fix in self.sent if _is_believable(fix)), key=lambda fix: fix.at, default=None)


class Oracle:
    """Judges bytes. ``rounds`` is the whole day; ``truth`` one truck each, by route name."""

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._rounds = list(rounds)
        self.truth = {one.name: TruckTruth() for one in rounds}
        everybody = [parcel for one in rounds for parcel in one.parcels]
        self._secrets = [(word, parcel, kind) for parcel in everybody for kind, word in _secrets(parcel)]
        self.looked_at = 0

    def judge_recipient(
        self, parcel: Parcel, one: Round, told: bytes, *, where: str, standings: Sequence[Standing]
    ) -> list[Finding]:
        """Return what a recipient's link has given away. What was right in any of ``standings`` is right."""
        text = self._text(told)
        found = self._words(text, parcel.name, {parcel.reference}, where)
        found += [
            Finding(parcel.name, where, f"the driver's {kind}")
            for kind, word in (("last name", one.driver.split()[1]), ("phone", _digits(one.driver_phone)))
            if word in text or word in _digits(text, keep=kind != "phone")
        ]
        for lat, lon in places(text):
            if _far_m((lat.value, lon.value), (parcel.lat, parcel.lon)) <= HOME_M:
                continue
            wrong = [self._wrong_place(parcel, one, lat, lon, standing) for standing in standings]
            if all(wrong):
                found.append(Finding(parcel.name, where, f"{lat.text}, {lon.text}: {wrong[-1]}"))
        if '"line":true' in text.replace(" ", "") and all(standing.stops_before != 0 for standing in standings):
            found.append(Finding(parcel.name, where, "a line from truck to home, and it is not next"))
        return found

    def judge_driver(self, one: Round, told: bytes, *, where: str) -> list[Finding]:
        """Return what a driver's link has given away: numbers of anybody, anything of other routes."""
        text = self._text(told)
        own = {parcel.reference for parcel in one.parcels}
        found = self._words(text, one.driver, own, where)
        for parcel in one.parcels:
            for kind, word in (("phone", _digits(parcel.phone)[-10:]), ("email", parcel.email)):
                if word in text or (kind == "phone" and word in _digits(text)):
                    found.append(Finding(one.driver, where, f"the {kind} of {parcel.reference}"))
        near = [*one.doors, one.depot]
        for lat, lon in places(text):
            if min(_far_m((lat.value, lon.value), door) for door in near) > HOME_M:
                found.append(Finding(one.driver, where, f"{lat.text}, {lon.text}: no door of this route"))
        return found

    def _text(self, told: bytes) -> str:
        self.looked_at += len(told)
        return unquote(html.unescape(told.decode("utf-8", "replace")))

    def _words(self, text: str, whose: str, own: set[str], where: str) -> list[Finding]:
        """Return every word of somebody else's that stands in ``text``."""
        lower, digits = text.casefold(), _digits(text)
        return [
            Finding(whose, where, f"the {kind} of {parcel.reference}")
            for word, parcel, kind in self._secrets
            if parcel.reference not in own and (word in digits if kind == "phone" else word in lower)
        ]

    def _wrong_place(self, parcel: Parcel, one: Round, lat: "Number", lon: "Number", standing: Standing) -> str:
        """Return why this place may not be told to this recipient now; empty when it may."""
        hidden = _hidden(standing)
        if hidden:
            return hidden
        most = 4 if standing.stops_before == 0 else 3
        if max(lat.decimals, lon.decimals) > most:
            return f"more than {most} decimals"
        here = standing.truck
        if here is None:
            return "nothing was sent of this truck"
        place = (lat.value, lon.value)
        if here.stands_at is not None:
            for stop, door in enumerate(one.doors):
                is_there = _far_m((here.lat, here.lon), door) <= OTHER_STOP_M
                if stop != parcel.stop and is_there and _far_m(place, door) <= OTHER_STOP_M:
                    return f"the truck stands at stop {stop + 1}"
        for fix in self.truth[one.name].sent:
            is_secret = fix.stands_at not in (None, parcel.stop) and not self._is_clear(fix, one)
            if not is_secret and _is_rounded(place, (fix.told_lat, fix.told_lon), most):
                return ""
        return "no fix of this truck that may be shown"

    def _is_clear(self, fix: TrueFix, one: Round) -> bool:
        return all(_far_m((fix.lat, fix.lon), door) > OTHER_STOP_M for door in one.doors)


@dataclass(frozen=True)
class Number:
    """A decimal number as it stands in a text."""

    text: str
    start: int

    @property
    def value(self) -> float:
        """What it says."""
        return float(self.text)

    @property
    def decimals(self) -> int:
        """How exact it is."""
        return len(self.text.partition(".")[2].rstrip("0"))


def places(text: str) -> list[tuple[Number, Number]]:
    """Return every pair of numbers near each other in ``text`` that could be a place in this day's part of town."""
    numbers = [Number(found.group(), found.start()) for found in _NUMBER.finditer(text)]
    numbers += [Number(f"{value}", start) for value, start in _coarse(text)]
    north = [number for number in numbers if 40.0 <= number.value <= 42.0]
    west = [number for number in numbers if -75.5 <= number.value <= -73.0]
    return [
        (lat, lon)
        for lat in north
        for lon in sorted(west, key=lambda one: abs(one.start - lat.start))[:1]
        if abs(lon.start - lat.start) <= _APART
    ]


def _coarse(text: str) -> Iterable[tuple[float, int]]:
    """Return the numbers of places with less than three decimals, as 40.7 is written for 40.700."""
    for found in _NAMED.finditer(text):
        yield json.loads(found[1]), found.start()


def _is_believable(fix: TrueFix) -> bool:
    """False for a fix that was told with a wrong place or as inaccurate."""
    return fix.accuracy_m <= 100 and _far_m((fix.lat, fix.lon), (fix.told_lat, fix.told_lon)) <= 50


def _hidden(standing: Standing) -> str:
    """Return why no place may be told at all; empty when one may."""
    if standing.status != "out_for_delivery" or not standing.route_is_started:
        return f"the delivery is {standing.status}"
    is_few = standing.stops_before is not None and standing.stops_before <= FEW_STOPS
    is_soon = standing.eta_at is not None and standing.eta_at - standing.now <= SOON
    return "" if is_few or is_soon else "neither few stops before nor soon"


def _secrets(parcel: Parcel) -> list[tuple[str, str]]:
    first, last = parcel.name.casefold().split()
    number, street, _ = parcel.address.casefold().split()
    return [
        ("first name", first),
        ("last name", last),
        ("phone", _digits(parcel.phone)[-10:]),
        ("email", parcel.email.casefold()),
        ("address", f"{number} {street}"),
        ("street", street),
        ("reference", parcel.reference.casefold()),
        ("id", parcel.delivery_id),
        ("token", parcel.token.casefold()),
        ("door", f"{parcel.lat:.5f}"),
        ("door", f"{parcel.lon:.5f}"),
    ]


def _is_rounded(place: tuple[float, float], fix: tuple[float, float], decimals: int) -> bool:
    """True when ``place`` is ``fix`` with at most so many decimals, rounded perhaps more than once on its way."""
    return all(abs(told - true) <= 0.5 * 10**-decimals + KEPT_DEG for told, true in zip(place, fix, strict=True))


def _digits(text: str, *, keep: bool = False) -> str:
    """Return only the digits of a text with what may stand between those of a phone number taken out."""
    return text if keep else re.sub(r"[\s().+-]+", "", text)


def _far_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return metres between two places near each other, on a flat earth."""
    north = (a[0] - b[0]) * 111_195.0
    east = (a[1] - b[1]) * 111_195.0 * math.cos(math.radians((a[0] + b[0]) / 2))
    return math.hypot(north, east)
