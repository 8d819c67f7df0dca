"""Every shipped text, and every edited one, stands before the same judge."""

from decimal import Decimal

import pytest

from messaging.kinds import RULES, Channel, Kind
from messaging.segments import Encoding, encoding_of, forcing, room, segment_count, width
from messaging.text_judge import judge, tidied
from messaging.text_samples import sample, worst
from messaging.text_words import BY_NAME, allowed, needed, words_for
from messaging.texts import WORDS, Source, languages, shipped, words_in
from messaging.wording import Company

COMPANY = Company("Juniper & Sons Fine Furniture", "+12125550199", "", "https://deliveries.juniper.example")
PRICE = Decimal("0.0083")
KINDS = [(kind, channel, language) for kind in Kind for channel in Channel for language in sorted(languages())]


@pytest.mark.parametrize(("kind", "channel", "language"), KINDS)
def test_every_shipped_text_passes_with_the_longest_words(kind: Kind, channel: Channel, language: str) -> None:
    judged = judge(kind, channel, language, shipped(kind, channel, language), company=COMPANY, price=PRICE)

    assert judged.problems == ()
    assert judged.worst is not None
    assert judged.sample is not None
    if channel is Channel.SMS:
        assert judged.worst.encoding is Encoding.GSM7
        assert judged.worst.segments <= RULES[kind].segments
        assert judged.worst.cost_of_1000 == judged.worst.segments * PRICE * 1000


@pytest.mark.parametrize(("kind", "channel", "language"), KINDS)
def test_every_word_has_a_meaning_and_an_example_and_none_is_longer_than_the_worst(
    kind: Kind, channel: Channel, language: str
) -> None:
    usual, longest = (words(kind, channel, language, COMPANY) for words in (sample, worst))

    assert {word.name for word in words_for(kind)} == allowed(kind)
    assert set(usual) == set(longest) == set(WORDS) | {"unsubscribe"}
    assert all(len(usual[name]) <= len(longest[name]) for name in allowed(kind) - {"text"})
    assert set(needed(kind, channel)) <= allowed(kind)
    assert set(words_in(shipped(kind, channel, language).body)) <= allowed(kind)


def test_every_word_of_the_closed_list_is_of_use_somewhere() -> None:
    assert set(BY_NAME) == {name for kind in Kind for name in allowed(kind)}


def test_the_longest_date_is_written_in_full_in_every_country() -> None:
    assert worst(Kind.DAY_BEFORE, Channel.SMS, "en", COMPANY)["day"].startswith("on Wednesday, September ")


def test_the_sentence_on_a_long_text_says_by_how_much() -> None:
    words = Source("", "((link))" + "x" * 400)
    (problem,) = judge(Kind.CANCELLED, Channel.SMS, "en", words, company=COMPANY, price=PRICE).problems
    over = int(problem.split("Shorten it by ")[1].split()[0])
    shorter = Source("", "((link))" + "x" * (400 - over))

    assert judge(Kind.CANCELLED, Channel.SMS, "en", shorter, company=COMPANY, price=PRICE).problems == ()
    one_more = Source("", "((link))" + "x" * (401 - over))
    assert judge(Kind.CANCELLED, Channel.SMS, "en", one_more, company=COMPANY, price=PRICE).problems


def test_what_is_typed_is_kept_with_plain_line_ends() -> None:
    assert tidied(" A \n subject ", "one  \r\n\r\n two\r\n\r\n") == Source("A subject", "one\n\n two")


@pytest.mark.parametrize(
    ("text", "letters", "wide", "segments"),
    [("abc{", (), 5, 1), ("a’b’", ("’",), 4, 1), ("\U0001f69a", ("\U0001f69a",), 2, 1), ("a" * 161, (), 161, 2)],
)
def test_the_room_a_text_takes_is_counted_in_its_own_unit(
    text: str, letters: tuple[str, ...], wide: int, segments: int
) -> None:
    assert (forcing(text), width(text), segment_count(text)) == (letters, wide, segments)
    assert width(text) <= room(encoding_of(text), segments)
