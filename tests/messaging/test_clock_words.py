"""Times of day and dates in messages are written as on the recipient's page."""

from datetime import date

import pytest

from messaging.clock_words import clock_words, date_words, formats_of, span_words
from portal.i18n import tongue
from tests.builders import ZONE, local


@pytest.mark.parametrize("locale", ["en", "en-US", "en-GB", "es", "es-MX", "xx"])
def test_messages_write_times_and_dates_as_the_page_does(locale: str) -> None:
    language = "es" if locale.startswith("es") else "en"
    formats, page = formats_of(locale, language), tongue(locale)
    for at in (local("00:05"), local("10:40"), local("12:00"), local("23:59")):
        assert clock_words(at, ZONE, formats) == page.clock_time(at, ZONE)
    for on in (date(2026, 3, 5), date(2026, 9, 30)):
        assert date_words(on, formats) == page.date_name(on)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [("10:40", "11:20", "10:40-11:20\u00a0am"), ("11:40", "12:20", "11:40\u00a0am-12:20\u00a0pm")],
)
def test_the_first_end_of_a_span_says_its_half_of_the_day_only_where_it_differs(
    start: str, end: str, said: str
) -> None:
    assert span_words(local(start), local(end), ZONE, formats_of("en", "en")) == said
