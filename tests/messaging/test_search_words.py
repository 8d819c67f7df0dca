import unicodedata

import pytest

from messaging.search_words import LONGEST_WORD, excerpt, query_words, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gate code 4412!", ["gate", "code", "4412"]),
        ("Núñez, ÁRBOL", ["nunez", "arbol"]),
        (unicodedata.normalize("NFD", "Núñez"), ["nunez"]),
        ("Øster Łódź straße ＡＢＣ", ["oster", "lodz", "strasse", "abc"]),
        ("don't_stop JS-4217", ["don", "t", "stop", "js", "4217"]),
        ("放在门口 12楼", ["放", "在", "门", "口", "12", "楼"]),
        ("هل يمكن", ["هل", "يمكن"]),
        ("👍🏽 \u202e \x00 --", []),
        ("", []),
    ],
)
def test_words_are_letters_and_numbers_without_accents_and_case(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


def test_a_word_is_kept_to_a_length_every_index_takes() -> None:
    assert words_of("x" * 5000) == ["x" * LONGEST_WORD]


def test_a_query_has_each_word_once_and_not_too_many() -> None:
    assert query_words("a b a c d e f g h i j") == ("a", "b", "c", "d", "e", "f", "g", "h")


def test_an_excerpt_marks_what_was_found_with_its_accents() -> None:
    pieces = excerpt("Ask Señora Núñez at the gate", ("nun", "gate"), 120)

    assert [piece.text for piece in pieces if piece.is_hit] == ["Núñez", "gate"]
    assert "".join(piece.text for piece in pieces) == "Ask Señora Núñez at the gate"


def test_an_excerpt_of_a_long_text_begins_before_the_first_hit() -> None:
    pieces = excerpt("word " * 100 + "the gate is green " + "word " * 100, ("gate",), 60)

    shown = "".join(piece.text for piece in pieces)
    assert "gate" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 62


def test_one_letter_marks_only_itself() -> None:
    assert [piece.text for piece in excerpt("t the T", ("t",), 60) if piece.is_hit] == ["t", "T"]
