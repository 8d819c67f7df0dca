"""Sample words for previews: an ordinary delivery, and the longest each word can be. Both in a text's own language.

The worst case is what a text must fit into its budget with. It is made by the same voice that speaks in real texts,
over a year of days and the longest way to write the time in each language.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from messaging.chat_lines import MAX_LENGTH
from messaging.kinds import Channel, Kind
from messaging.texts import small_words
from messaging.wording import LONGEST_NAME, LONGEST_REFERENCE, Company, Voice
from tracking.nearness import USUAL_MINUTES

_LINK_ID = "k7Qm2XvR9tLwZ4bNc8HsJ1pGd5FyTa3UeW"  # made up, as long as a real one (reference/messaging.md 5.1)
# Where each language writes times of day the longest; another language as it is written at home.
_LONGEST_TIMES = {"en": "en-US", "es": "es-MX"}
_TODAY = date(2026, 9, 28)  # a Monday; texts of two days ahead name Wednesday, September 30
_LONGEST_TEXT = {Kind.CHAT: MAX_LENGTH, Kind.CASE_FOLLOW_UP: 120, Kind.REPLY: 300}  # the last two are our choice
_SAMPLE_TEXT = {
    "en": "The side gate is open, I will be there in ten minutes.",
    "es": "La puerta lateral está abierta, llego en diez minutos.",
}


def sample(
    kind: Kind, channel: Channel, language: str, company: Company, *, away_min: int = USUAL_MINUTES
) -> dict[str, str]:
    """Return the words of an ordinary delivery, whose truck is ``away_min`` minutes away."""
    voice = Voice(_LONGEST_TIMES.get(language, language), "UTC", channel)
    at = datetime(2026, 9, 30, 10, 40, tzinfo=UTC)
    words = {
        "name": "Anna",
        "day": voice.day(_TODAY + timedelta(days=1), _TODAY),
        "window": voice.between(at.replace(minute=0), at.replace(hour=12, minute=0)),
        "expected": voice.between(at, at + timedelta(minutes=40)),
        "soon": voice.soon(at + timedelta(minutes=away_min), at),
        "turn": voice.turn(0),
        "reason": voice.word("cause.traffic"),
        "failure": voice.word("failure.nobody_home"),
        "delivered_at": voice.clock(at),
        "driver": "Dana",
        "reference": "A-10472",
        "text": voice.fold(_SAMPLE_TEXT.get(language, _SAMPLE_TEXT["en"])),
        "route": "North 2",
        "stops": "24",
        "start": voice.clock(at.replace(hour=8, minute=30)),
    }
    return _completed(words, voice, channel, company, "correction.times")


def worst(
    kind: Kind, channel: Channel, language: str, company: Company, *, away_min: int = USUAL_MINUTES
) -> dict[str, str]:
    """Return the longest value of every word, in plain letters: names that are not are told apart in the preview."""
    voice = Voice(_LONGEST_TIMES.get(language, language), "UTC", channel)
    at = datetime(2026, 9, 30, 10, 30, tzinfo=UTC)
    hours = voice.between(at, at + timedelta(hours=2))
    words = {
        "name": _long_name(LONGEST_NAME),
        "day": _longest_day(language, channel),
        "window": hours,
        "expected": hours,
        "soon": voice.word("minutes", minutes=f"{max(away_min, 10)}"),
        "turn": voice.turn(12),
        "reason": _longest(voice, "cause."),
        "failure": _longest(voice, "failure."),
        "delivered_at": voice.clock(at + timedelta(hours=2)),
        "driver": _long_name(LONGEST_NAME),
        "reference": "R" * LONGEST_REFERENCE,
        "text": "x" * _LONGEST_TEXT.get(kind, 0),
        "route": "R" * LONGEST_REFERENCE,
        "stops": "120",
        "start": voice.clock(at),
    }
    corrections = [name for name in small_words(language) if name.startswith("correction.")]
    longest = max(corrections, key=lambda name: len(voice.word(name, **words)))
    return _completed(words, voice, channel, company, longest)


def _completed(
    words: Mapping[str, str], voice: Voice, channel: Channel, company: Company, correction: str
) -> dict[str, str]:
    """Return the words with those of the company, which are the same in both."""
    return {
        **words,
        "company": company.name,
        "support": company.support,
        "link": f"{company.public_url}/t/{_LINK_ID}",
        "unsubscribe": f"{company.public_url}/u/{_LINK_ID}",
        "question": voice.word("question") if channel is Channel.SMS else "",
        "correction": voice.word(correction, **words),
    }


def _long_name(length: int) -> str:
    return ("Maximiliano-Alexander" + "x" * length)[:length]


def _longest(voice: Voice, prefix: str) -> str:
    names = (name for name in small_words(voice.language) if name.startswith(prefix))
    return max((voice.word(name) for name in names), key=len)


@lru_cache(maxsize=32)
def _longest_day(language: str, channel: Channel) -> str:
    voice = Voice(_LONGEST_TIMES.get(language, language), "UTC", channel)
    days = (date(2026, 1, 1) + timedelta(days=number) for number in range(365))
    return max((voice.day(on, date(2025, 6, 1)) for on in days), key=len)
