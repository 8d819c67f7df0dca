import re

import pytest

from messaging.kinds import RULES, Channel, Kind
from messaging.segments import Encoding, encoding_of, folded, segment_count
from messaging.texts import FOLDER, WORDS, UnknownWord, languages, put_in, render, small_words, template, unknown_words

WORST = {
    "company": "Juniper & Sons Fine Furniture",
    "name": "Maximiliano-Alexander",
    "day": {"en": "on Wednesday, September 30", "es": "el miercoles, 30 de septiembre"},
    "window": {"en": "between 10:30 am and 12:30 pm", "es": "entre las 10:30 a. m. y las 12:30 p. m."},
    "expected": {"en": "between 10:30 am and 12:30 pm", "es": "entre las 10:30 a. m. y las 12:30 p. m."},
    "soon": {"en": "in about 15 minutes", "es": "en unos 15 minutos"},
    "turn": {"en": "12 stops before you", "es": "12 paradas antes de la suya"},
    "driver": "Maximiliano-Alexander",
    "delivered_at": "12:30 p. m.",
    "reference": "R" * 32,
    "support": "+44 7700 900123",
    "link": "https://deliveries.juniper.example/t/" + "x" * 34,
    "route": "R" * 32,
    "stops": "120",
    "start": "10:30 am",
    "text": "",
    "unsubscribe": "https://deliveries.juniper.example/u/" + "x" * 34,
}


def worst_case(language: str) -> dict[str, str]:
    """Return the longest value of every word that is not free text."""
    words = small_words(language)
    longest = {
        prefix: max((value for name, value in words.items() if name.startswith(f"{key}.")), key=len)
        for prefix, key in (("reason", "cause"), ("failure", "failure"))
    }
    given = {name: value[language] if isinstance(value, dict) else value for name, value in WORST.items()}
    given |= {name: folded(value) for name, value in longest.items()} | {"question": folded(words["question"])}
    corrections = [put_in(folded(value), given) for name, value in words.items() if name.startswith("correction.")]
    return given | {"correction": max(corrections, key=len)}


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_text_is_gsm_and_within_its_budget_at_its_worst(kind: Kind, language: str) -> None:
    body = render(kind, Channel.SMS, language, worst_case(language)).body

    assert encoding_of(body) is Encoding.GSM7
    assert segment_count(body) <= RULES[kind].segments


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_mail_is_small_and_complete(kind: Kind, language: str) -> None:
    mail = render(kind, Channel.EMAIL, language, worst_case(language))

    assert mail.subject
    assert "\n" not in mail.subject
    assert len(mail.html.encode()) < 20_000
    assert "((" not in mail.subject + mail.body + mail.html
    assert "<style" not in mail.html
    assert WORST["unsubscribe"] in mail.html


def test_every_template_uses_only_words_that_exist() -> None:
    for kind in Kind:
        for language in languages():
            for name in ("sms.txt", "subject.txt", "body.txt"):
                assert unknown_words(template(kind, name, language)) == []
            assert (FOLDER / kind / ("" if language == "en" else language) / "sms.txt").is_file()


def test_every_language_has_every_small_word() -> None:
    for language in languages():
        assert small_words(language).keys() == small_words("en").keys()
        own = (FOLDER / ("" if language == "en" else language) / "words.txt").read_text()
        assert set(re.findall(r"^([\w.]+) =", own, flags=re.MULTILINE)) == set(small_words("en"))


def test_what_is_put_in_is_not_read_again_for_words() -> None:
    assert put_in("Hi ((name)), ((link))", {"name": "((link))", "link": "L"}) == "Hi ((link)), L"


def test_an_unknown_word_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownWord, match=r"\(\(secret\)\)"):
        put_in("((secret))", dict.fromkeys(WORDS, ""))


def test_markup_in_a_name_stays_text_in_a_mail() -> None:
    mail = render(Kind.DAY_BEFORE, Channel.EMAIL, "en", {**worst_case("en"), "name": "<img src=x onerror=alert(1)>"})

    assert "<img" not in mail.html
    assert "&lt;img" in mail.html


def test_a_language_without_words_is_served_in_english() -> None:
    words = worst_case("en")

    assert render(Kind.ARRIVED, Channel.SMS, "de-DE", words) == render(Kind.ARRIVED, Channel.SMS, "en", words)
    assert render(Kind.ARRIVED, Channel.SMS, "es-MX", words) != render(Kind.ARRIVED, Channel.SMS, "en", words)
