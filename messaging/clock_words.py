"""Times of day in messages, written as the recipient's page writes them: ``2:25 pm``, or ``14:25`` where that is usual.

The spaces inside do not break; what goes out by SMS gets plain ones (``segments.plain``). What was written is kept: the
windows of a day are few, and Babel takes a tenth of a millisecond for each.
"""

import re
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time

SOURCE_LANGUAGE = "en"
_YEAR_AT_THE_END = re.compile(r"[\s,.]*('de'\s)?\s*y+('\w+')?\.?$")
KEPT = 2_048  # of each
_DAY_HALF = re.compile(r"\s*(?P<half>[ap]\.?\s?m\.?)$", re.IGNORECASE)


@lru_cache(maxsize=KEPT)
def formats_of(locale: str, language: str) -> Locale:
    """Return the locale for dates and times. Its language is that of the text, so that one message never mixes two."""
    try:
        found = Locale.parse(locale.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale.parse(language)
    return found if found.language == language else Locale.parse(language)


@lru_cache(maxsize=KEPT)
def clock_words(at: datetime, zone: str, formats: Locale) -> str:
    """Return the time of day in ``zone``."""
    return hour_words(at.astimezone(ZoneInfo(zone)).time(), formats)


def hour_words(at: time, formats: Locale) -> str:
    """Return a time of day."""
    text = format_time(at, "short", locale=formats)
    text = text.replace("\u202f", "\u00a0").replace(" ", "\u00a0")
    return text.lower() if formats.language == SOURCE_LANGUAGE else text


@lru_cache(maxsize=KEPT)
def date_words(on: date, formats: Locale) -> str:
    """Return weekday, day and month in full: ``Tuesday, November 24``, in every country that speaks the language."""
    return format_date(on, _YEAR_AT_THE_END.sub("", formats.date_formats["full"].pattern), locale=formats)


@lru_cache(maxsize=KEPT)
def weekday_words(on: date, formats: Locale) -> str:
    """Return the day of the week in full."""
    return format_date(on, "EEEE", locale=formats)


def span_words(start: datetime, end: datetime, zone: str, formats: Locale) -> str:
    """Return both ends of a span with a dash; the first without ``pm`` where both have the same: ``2:10-2:40 pm``."""
    first, last = clock_words(start, zone, formats), clock_words(end, zone, formats)
    first_half, last_half = _DAY_HALF.search(first), _DAY_HALF.search(last)
    if first_half and last_half and first_half["half"] == last_half["half"]:
        first = first[: first_half.start()]
    return f"{first}-{last}"
