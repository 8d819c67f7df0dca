"""Languages: every word recipients and drivers read has a translation, and times read as people there write them."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from portal.driver import words
from portal.i18n import TRANSLATIONS, languages, tongue
from portal.receivers import RECEIVERS, handed_over
from tracking.deliveries import STATE_SENTENCES

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 3, 5, 19, 25, tzinfo=UTC)
ZONE = "America/New_York"
PLACEHOLDERS = re.compile(r"%\(\w+\)s")


def said_by_the_code() -> set[str]:
    rooms = ("recipient/**.html", "driver/**.html", "errors/**.html", "base.html", "front.html")
    places = (
        (ROOT / "templates", [(pattern, "jinja2") for pattern in rooms], {"_": None, "_n": (1, 2)}),
        (ROOT / "portal", [("recipient/**.py", "python"), ("i18n.py", "python")], {"say": None, "count": (1, 2)}),
    )
    found = set()
    for folder, methods, keywords in places:
        for _, _, message, _, _ in extract_from_dir(folder, methods, keywords=keywords):
            found.add(message if isinstance(message, str) else message[0])
    lists = (RECEIVERS, map(handed_over, RECEIVERS), words.NOT_LOADED_REASONS, STATE_SENTENCES.values())
    return found.union(words.FAILURE_LABELS.values(), words.SAID.values(), *lists)


@pytest.mark.parametrize("language", languages()[1:])
def test_every_sentence_has_a_translation_with_the_same_names_in_it(language: str) -> None:
    with (TRANSLATIONS / language / "LC_MESSAGES" / "portal.po").open("rb") as file:
        book = read_po(file, locale=language)
    translated = {}
    for message in book:
        if message.id:
            single = message.id if isinstance(message.id, str) else message.id[0]
            translated[single] = message.string if isinstance(message.string, str) else message.string[0]
    missing = {text for text in said_by_the_code() if not translated.get(text)}
    assert not missing
    for text, other in translated.items():
        assert sorted(PLACEHOLDERS.findall(text)) == sorted(PLACEHOLDERS.findall(other)), text


@pytest.mark.parametrize(
    ("locale", "shown"), [("en", "2:25\xa0pm"), ("en-US", "2:25\xa0pm"), ("en-GB", "14:25"), ("es", "14:25")]
)
def test_a_time_of_day_is_local(locale: str, shown: str) -> None:
    assert tongue(locale).clock_time(AT, ZONE) == shown


def test_a_span_says_pm_once() -> None:
    assert tongue("en").clock_span(AT, AT + timedelta(minutes=30), ZONE) == ("2:25", "2:55\xa0pm")
    assert tongue("en").clock_span(AT - timedelta(hours=4), AT, ZONE) == ("10:25\xa0am", "2:25\xa0pm")


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ("en", "Thursday, March 5"),
        ("en-GB", "Thursday, 5 March"),
        ("es", "jueves, 5 de marzo"),
        ("xx", "Thursday, March 5"),
    ],
)
def test_a_date_has_no_year(locale: str, shown: str) -> None:
    assert tongue(locale).date_name(date(2026, 3, 5)) == shown


@pytest.mark.parametrize(
    ("age_s", "shown"), [(-3, "just now"), (4, "just now"), (20, "20 s ago"), (185, "3 min ago"), (7300, "2 h ago")]
)
def test_an_age_is_short(age_s: int, shown: str) -> None:
    assert tongue("en").ago(timedelta(seconds=age_s)) == shown


def test_plural_forms_follow_the_language() -> None:
    count = tongue("es-MX").count
    assert count("%(n)s stop before you.", "%(n)s stops before you.", 1) == "1 parada antes de la suya."
    assert count("%(n)s stop before you.", "%(n)s stops before you.", 3) == "3 paradas antes de la suya."
