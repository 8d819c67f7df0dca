"""Wording: the words of a delivery in its recipient's language, and what a text said with them.

Times are local to the address, in five-minute promises as the page shows them. Our own words lose the accents that
GSM-7 lacks in an SMS; names keep theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from messaging.clock_words import clock_words, date_words, formats_of, weekday_words
from messaging.kinds import Channel, Kind
from messaging.plan_facts import TAKEN_BACK
from messaging.segments import folded
from messaging.texts import language_of, put_in, small_words
from tracking.deliveries import Delivery
from tracking.local_time import local_day
from tracking.routes import Route

LONGEST_NAME = 24  # letters of a name in an SMS; a longer one is cut
LONGEST_REFERENCE = 32


@dataclass(frozen=True, slots=True)
class Company:
    """Who writes. ``public_url`` has no slash at its end."""

    name: str
    support_phone: str
    support_email: str
    public_url: str

    @property
    def support(self) -> str:
        """How to reach the company, in one word: its phone, else its mail."""
        return self.support_phone or self.support_email


@dataclass(frozen=True, slots=True)
class Speech:
    """The words of one text, and the facts it states (kept, so that a later change can be told from it)."""

    words: dict[str, str]
    said: dict[str, Any]


class Voice:
    """Says days and times in one language and zone. ``fold`` is what an SMS does to our own words."""

    def __init__(self, locale: str, zone: str, channel: Channel) -> None:
        self.language = language_of(locale)
        self._locale = formats_of(locale, self.language)
        self._zone = zone
        self._words = small_words(self.language)
        self.fold: Callable[[str], str] = folded if channel is Channel.SMS else str

    def word(self, name: str, /, **values: str) -> str:
        """Return a small word; an unknown one is empty."""
        return self.fold(put_in(self._words.get(name, ""), values))

    def clock(self, at: datetime) -> str:
        """Return a local clock time, such as ``10:40`` or ``10:40 am``, written as on the recipient's page."""
        return self.fold(clock_words(at, self._zone, self._locale))

    def day(self, on: date, today: date) -> str:
        """Return ``today``, ``tomorrow, Thursday``, or ``on Thursday, March 5``."""
        if on == today:
            return self.word("today")
        if on == today + timedelta(days=1):
            return self.word("tomorrow", weekday=weekday_words(on, self._locale))
        return self.word("dated", date=date_words(on, self._locale))

    def between(self, start: datetime, end: datetime) -> str:
        """Return ``between 10:40 and 11:20``; ``around 11:20`` when both are the same."""
        if start >= end:
            return self.word("around", at=self.clock(end))
        return self.word("between", **{"from": self.clock(start), "to": self.clock(end)})

    def soon(self, at: datetime | None, now: datetime) -> str:
        """Return ``in about 15 minutes``, in steps of five; ``in a moment`` under three minutes or when unknown."""
        minutes = 0 if at is None else round((at - now).total_seconds() / 300) * 5
        return self.word("moments") if minutes <= 0 else self.word("minutes", minutes=str(minutes))

    def turn(self, stops_before: int | None) -> str:
        """Return ``you are next``, or how many stops come before; a text may be sent to those who are only near."""
        if not stops_before:
            return self.word("turn.next")
        return self.word("turn.one") if stops_before == 1 else self.word("turn.more", count=str(stops_before))


def speech_of(
    delivery: Delivery,
    *,
    kind: Kind,
    channel: Channel,
    company: Company,
    link: str,
    now: datetime,
    occasion: str = "",
    may_ask: bool = True,
) -> Speech:
    """Return the words about ``delivery`` (whole) as they are true ``now``, and what they state.

    ``occasion`` is the notification's: it says which text a correction takes back. ``may_ask``: whether ``delivered``
    asks how it was.
    """
    voice = Voice(delivery.locale, delivery.zone, channel)
    window = delivery.window_start_at, delivery.window_end_at
    lo_at, hi_at = expected_of(delivery)
    asks = kind is Kind.DELIVERED and may_ask
    driver = _first_name(delivery.stop.route.driver.name) or voice.word("driver")
    words = {
        "company": company.name,
        "name": _first_name(delivery.recipient_name) or voice.word("there"),
        "day": voice.day(delivery.service_on, local_day(now, delivery.zone)),
        "window": voice.between(*window),
        "expected": voice.between(lo_at, hi_at),
        "turn": voice.turn(delivery.stop.stops_before),
        "soon": voice.soon(delivery.promise_point_at or delivery.stop.eta_at, now),
        "reason": voice.word(f"cause.{delivery.promise_cause}"),
        "failure": voice.word(f"failure.{delivery.failure_reason}"),
        "question": voice.word("question") if asks and channel is Channel.SMS else "",
        "delivered_at": voice.clock(delivery.delivered_at or now),
        "driver": driver,
        "reference": delivery.reference[:LONGEST_REFERENCE],
        "support": company.support,
        "link": link,
        "text": "",
    }
    words["correction"] = voice.word(_mistake(occasion), **words)
    said: dict[str, Any] = {
        "zone": delivery.zone,
        "service_on": delivery.service_on.isoformat(),
        "window_start": window[0].isoformat(),
        "window_end": window[1].isoformat(),
    }
    if kind is Kind.DELAYED:
        said["promised_until"] = hi_at.isoformat()
    if asks:
        said["asked"] = True
    return Speech(words, said)


def _mistake(occasion: str) -> str:
    """Return which small word a correction is: that of the kind it takes back, else that the times are others."""
    if not occasion.startswith(TAKEN_BACK):
        return "correction.times"
    return f"correction.{occasion.removeprefix(TAKEN_BACK).partition('/')[0]}"


def route_speech(route: Route, *, stops: int, locale: str, company: Company, link: str, driver_name: str) -> Speech:
    """Return the words that open a route to its driver."""
    voice = Voice(locale, route.zone, Channel.SMS)
    words = {
        "company": company.name,
        "name": _first_name(driver_name),
        "driver": _first_name(driver_name),
        "route": route.name[:LONGEST_REFERENCE],
        "stops": str(stops),
        "start": voice.clock(route.planned_start_at),
        "support": company.support,
        "link": link,
        "text": "",
    }
    return Speech(words, {})


def expected_of(delivery: Delivery) -> tuple[datetime, datetime]:
    """Return the time promised on the page, once there is one, else the window."""
    if delivery.promise_lo_at is None or delivery.promise_hi_at is None:
        return delivery.window_start_at, delivery.window_end_at
    return delivery.promise_lo_at, delivery.promise_hi_at


def _first_name(name: str) -> str:
    parts = name.split()
    return parts[0][:LONGEST_NAME] if parts else ""
