"""Search words: what a text is found by, the same on both engines. Pure.

Python splits and folds, so that SQLite and PostgreSQL index the same plain words and answer the same: letters without
accents and case, numbers whole, each character of scripts that put no space between words by itself.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_WORD = 40  # characters; PostgreSQL refuses index entries over 2,046 bytes
MOST_WORDS = 8  # of one query
_IN_WORDS = frozenset("LNM")  # letters, numbers and the marks on them, by Unicode's general category
# Letters whose stroke is no accent to Unicode, and that people leave out when they type.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")
_UNSPACED = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text to show; ``is_hit`` where it is what was searched for."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class _Word:
    folded: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return ``text`` without accents, width and case."""
    parts = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", bare).casefold().translate(_PLAIN)


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are kept, in order."""
    return [word.folded for word in _words(unicodedata.normalize("NFC", text))]


def query_words(query: str) -> tuple[str, ...]:
    """Return what a query looks for: at most eight words. Every sign in it but letters and numbers is a space."""
    return tuple(dict.fromkeys(words_of(query)))[:MOST_WORDS]


def is_prefix(word: str) -> bool:
    """True when a word of a query also finds longer ones. One letter or number stands for itself."""
    return len(word) > 1


def excerpt(text: str, wanted: Sequence[str], length: int) -> tuple[Piece, ...]:
    """Return about ``length`` characters around the first word that was looked for, in pieces to mark.

    A text without any is shown from its beginning.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    hits = [word for word in _words(text) if any(_finds(one, word.folded) for one in wanted)]
    start = 0
    if hits and hits[0].end > length:
        start = max(0, hits[0].start - length // 3)
        start = text.rfind(" ", 0, start) + 1
    end = start + length
    pieces: list[Piece] = []
    at = start
    for hit in hits:
        if hit.start < at or hit.end > end:
            continue
        if hit.start > at:
            pieces.append(Piece(text[at : hit.start], False))
        pieces.append(Piece(text[hit.start : hit.end], True))
        at = hit.end
    pieces.append(Piece(text[at:end] + ("…" if len(text) > end else ""), False))
    return tuple([Piece("…", False), *pieces] if start else pieces)


def _finds(wanted: str, word: str) -> bool:
    return word.startswith(wanted) if is_prefix(wanted) else word == wanted


def _words(text: str) -> Iterator[_Word]:
    if text.isascii():  # the usual case, twenty times as quick
        for found in _ASCII_WORD.finditer(text):
            yield _Word(found[0].lower()[:LONGEST_WORD], found.start(), found.end())
        return
    start = None
    for at, letter in enumerate(text):
        belongs = unicodedata.category(letter)[0] in _IN_WORDS
        stands_alone = belongs and any(low <= ord(letter) <= high for low, high in _UNSPACED)
        if start is not None and (not belongs or stands_alone):
            yield from _word(text, start, at)
            start = None
        if stands_alone:
            yield from _word(text, at, at + 1)
        elif belongs and start is None:
            start = at
    if start is not None:
        yield from _word(text, start, len(text))


def _word(text: str, start: int, end: int) -> Iterator[_Word]:
    # Folding may open a letter into several, or into a space, as ligatures of Arabic do.
    folded = "".join(letter for letter in fold(text[start:end]) if unicodedata.category(letter)[0] in _IN_WORDS)
    if folded:
        yield _Word(folded[:LONGEST_WORD], start, end)
