import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.commands import WORDS, Asked, Command, Word, parse_command
from messaging.texting_guide import GUIDE, guide


def test_the_docs_are_made_from_the_code() -> None:
    """``python -m messaging.texting_guide`` writes them anew."""
    assert GUIDE.read_text(encoding="utf-8") == guide()


@pytest.mark.parametrize("row", WORDS, ids=lambda row: row.command.value)
def test_every_example_in_the_docs_is_read_as_its_command(row: Word) -> None:
    asked = parse_command(row.example)
    assert asked is not None
    assert asked.command is row.command


@pytest.mark.parametrize("row", WORDS, ids=lambda row: row.command.value)
def test_every_word_alone_is_its_command_in_any_case(row: Word) -> None:
    for word in row.words:
        for spelling in (word, word.lower(), f" {word.capitalize()}. "):
            asked = parse_command(spelling)
            assert asked is not None
            assert asked.command is row.command


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    parse_command(text)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("NEIGHBOR Bo Li, number 14", Asked(Command.NEIGHBOUR, "Bo Li, number 14")),
        ("Neighbour: Bo", Asked(Command.NEIGHBOUR, "Bo")),
        ("VECINO Bo", Asked(Command.NEIGHBOUR, "Bo")),
        ("neighbor", Asked(Command.NEIGHBOUR)),
        ("neighbour is home, she has a key", None),
        ("DAY FRI", Asked(Command.DAY, day=4)),
        ("day friday please", Asked(Command.DAY, day=4)),
        ("Día viernes", Asked(Command.DAY, day=4)),
        ("DIA MIÉ", Asked(Command.DAY, day=2)),
        ("DAY", Asked(Command.DAY)),
        ("another day please", Asked(Command.DAY)),
        ("otro día", Asked(Command.DAY)),
        ("day off tomorrow, I am home", None),
        ("day or night?", None),
        ("RATE 4 quick and kind", Asked(Command.RATE, "4 quick and kind")),
        ("RATE", Asked(Command.RATE)),
        ("rate 10", None),
        ("rate of delivery is too high", None),
        ("undo", Asked(Command.UNDO)),
        ("DESHACER por favor", Asked(Command.UNDO)),
        ("undo the lock please", None),
    ],
)
def test_the_words_of_who_is_not_home(text: str, asked: Asked | None) -> None:
    assert parse_command(text) == asked
