from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.commands import WORDS, Word, parse_command, words_table

DOCS = Path(__file__).parents[2] / "docs" / "texting.md"


def test_the_docs_show_the_words_that_the_code_knows() -> None:
    assert words_table() in DOCS.read_text(encoding="utf-8")


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
