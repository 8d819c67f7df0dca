"""Languages: words from ``translations/<language>/LC_MESSAGES/portal.po``, times and dates by Babel.

English is what the code says; every other language is a catalogue read once a process. A locale such as ``es-MX`` takes
the words of ``es`` and the time formats of Mexico. An unknown locale gets English.
"""

import functools
import gettext
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.messages.pofile import read_po

TRANSLATIONS = Path(__file__).resolve().parent.parent / "translations"
SOURCE_LANGUAGE = "en"

_YEAR_AT_THE_END = re.compile(r"[\s,.]*('de'\s)?\s*y+('\w+')?\.?$")
_DAY_HALF = re.compile(r"\s*(?P<half>[ap]\.?\s?m\.?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The words of one language: ``single`` by English text, ``several`` by English singular."""

    single: Mapping[str, str]
    several: Mapping[str, tuple[str, ...]]
    plural_rule: str


class Tongue:
    """How to speak to somebody of one locale: words, times, dates and ages."""

    def __init__(self, catalogue: Catalogue | None, formats: Locale) -> None:
        self._catalogue = catalogue
        self._formats = formats
        self._plural = gettext.c2py(catalogue.plural_rule) if catalogue else None

    @property
    def language_tag(self) -> str:
        """The locale as HTML's ``lang`` wants it: ``es-MX``."""
        return str(self._formats).replace("_", "-")

    def say(self, text: str, /, **values: object) -> str:
        """Return ``text`` in this language with ``%(name)s`` filled in; the English text when it has no translation."""
        words = self._catalogue.single.get(text) if self._catalogue else None
        return (words or text) % values if values else (words or text)

    def count(self, one: str, many: str, n: int, /, **values: object) -> str:
        """Return the form of the sentence that fits ``n``, which is also ``%(n)s``."""
        forms = self._catalogue.several.get(one) if self._catalogue else None
        if forms and self._plural is not None:
            text = forms[min(self._plural(n), len(forms) - 1)]
        else:
            text = one if n == 1 else many
        return text % {"n": n, **values}

    def clock_time(self, at: datetime, zone: str) -> str:
        """Return the time of day in ``zone``: ``2:25 pm`` or ``14:25``, with a space that does not break."""
        text = format_time(at.astimezone(ZoneInfo(zone)), "short", locale=self._formats)
        text = text.replace("\u202f", "\u00a0").replace(" ", "\u00a0")
        return text.lower() if self._formats.language == SOURCE_LANGUAGE else text

    def clock_span(self, lo_at: datetime, hi_at: datetime, zone: str) -> tuple[str, str]:
        """Return both ends of a span; the first without ``pm`` where both have the same: ``2:10``, ``2:40 pm``."""
        lo, hi = self.clock_time(lo_at, zone), self.clock_time(hi_at, zone)
        lo_half, hi_half = _DAY_HALF.search(lo), _DAY_HALF.search(hi)
        if lo_half and hi_half and lo_half["half"] == hi_half["half"]:
            lo = lo[: lo_half.start()]
        return lo, hi

    def date_name(self, on: date) -> str:
        """Return weekday, day and month: ``Tuesday, November 24``."""
        pattern = _YEAR_AT_THE_END.sub("", self._formats.date_formats["full"].pattern)
        return format_date(on, pattern, locale=self._formats)

    def day_name(self, on: date, today: date) -> str:
        """Return ``today``, ``tomorrow``, ``yesterday`` or the date."""
        days = (on - today).days
        near = {0: self.say("today"), 1: self.say("tomorrow"), -1: self.say("yesterday")}
        return near.get(days) or self.date_name(on)

    def ago(self, age: timedelta) -> str:
        """Return ``just now``, ``20 s ago``, ``3 min ago`` or ``2 h ago``. A negative age counts as none."""
        age_s = max(0, int(age.total_seconds()))
        if age_s < 5:
            return self.say("just now")
        if age_s < 60:
            return self.say("%(n)s s ago", n=age_s)
        if age_s < 3600:
            return self.say("%(n)s min ago", n=age_s // 60)
        return self.say("%(n)s h ago", n=age_s // 3600)


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the languages there are words for, English first."""
    found = sorted(path.parent.parent.name for path in TRANSLATIONS.glob("*/LC_MESSAGES/portal.po"))
    return (SOURCE_LANGUAGE, *found)


def endonym(language: str) -> str:
    """Return what a language calls itself: ``Español``."""
    name = Locale(language).get_display_name() or language
    return name[:1].upper() + name[1:]


@functools.lru_cache(maxsize=256)
def tongue(locale: str) -> Tongue:
    """Return how to speak to people of ``locale`` (``es-MX``, ``es_MX`` or ``es``); English when it is unknown."""
    try:
        formats = Locale.parse(locale.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        formats = Locale(SOURCE_LANGUAGE)
    if formats.language not in languages():
        formats = Locale(SOURCE_LANGUAGE)
    if formats.language == SOURCE_LANGUAGE:
        return Tongue(None, formats)
    return Tongue(_catalogue(formats.language), formats)


def _catalogue(language: str) -> Catalogue:
    with (TRANSLATIONS / language / "LC_MESSAGES" / "portal.po").open("rb") as file:
        book = read_po(file, locale=language)
    single: dict[str, str] = {}
    several: dict[str, tuple[str, ...]] = {}
    for message in book:
        if not message.id or message.fuzzy:
            continue
        if isinstance(message.id, str):
            single[message.id] = str(message.string)
        elif isinstance(message.string, (list, tuple)) and all(message.string):
            several[message.id[0]] = tuple(message.string)
    return Catalogue(single=single, several=several, plural_rule=book.plural_expr)
