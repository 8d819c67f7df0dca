import string

import pytest
from sqlalchemy.orm import Session

from messaging import reply_texts
from messaging.reply_texts import KEYS, choices_text, reply_text, short, status_text
from messaging.segments import Encoding, encoding_of, segment_count
from tests.builders import local, make_delivery
from tracking.deliveries import DeliveryStatus

LONGEST = {
    "company": "Juniper & Sons Furniture",
    "contact": reply_text("contact", "en", reach="+442071838750"),
    "text": "x" * 60,
    "choices": "A refrigerator with free.. Thu 10:30 am-12:30 pm, or B washing machine with.. Thu 10:30 am-12:30 pm",
    "sentence": "This delivery was rated more than a day ago. Write to us if you want to add something.",
    "state": "refrigerator with free..: delivered Thu 10:30.",
    "minutes": 240,
    "stop": 120,
    "name": "Maximiliana",
    "what": "refrigerator with free..",
    "when": "Thu 10:30 am-12:30 pm",
    "count": 120,
    "reach": "+442071838750",
}


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_reply_stays_gsm7_within_two_segments_with_the_longest_words(key: str, language: str) -> None:
    text = reply_text(key, language, **LONGEST)
    assert encoding_of(text) is Encoding.GSM7
    assert segment_count(text) <= 2


def test_both_languages_have_the_same_texts_with_the_same_words() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english, spanish = reply_texts._EN, reply_texts._ES
    assert {key: fields(text) for key, text in english.items()} == {key: fields(text) for key, text in spanish.items()}


def test_an_unknown_language_is_answered_in_english() -> None:
    assert reply_text("next", "pt-BR") == "You are next."
    assert reply_text("next", "es_MX") == "Usted sigue."


def test_a_persons_words_are_put_on_one_line_and_cut() -> None:
    assert short("gate\n4412 \u202eabc", 60) == "gate 4412 abc"
    assert short("x" * 100, 10) == "xxxxxxx..."


def test_choices_are_lettered_with_their_hours(session: Session) -> None:

    sofa = make_delivery(session, items="sofa", window="10:00-12:30")
    lamp = make_delivery(session, items="", window="14:00-16:00")
    assert (
        choices_text([sofa, lamp], "en", local("08:00")) == "A sofa 10:00 am-12:30 pm, or B Your delivery 2:00-4:00 pm"
    )


@pytest.mark.parametrize("status", list(DeliveryStatus))
def test_every_status_has_a_sentence(session: Session, status: DeliveryStatus) -> None:

    delivery = make_delivery(session, status=status, items="sofa")
    assert status_text(delivery, "en", local("11:00")).startswith("sofa: ")
