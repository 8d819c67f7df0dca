"""Resolution: which delivery a text is about. Deterministic: named, only one, last spoken of; else we ask. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from messaging.opt_out_words import word_set, words_of

LAST_WORD_COUNTS_FOR = timedelta(hours=12)  # our choice: an answer to yesterday's text may be about today's delivery
MAX_CHOICES = 4  # more do not fit a text
_LETTERS = ("A", "B", "C", "D")
_FIRST = {
    *("1", "FIRST", "THE FIRST", "THE FIRST ONE", "FIRST ONE", "PRIMERO", "EL PRIMERO", "LA PRIMERA", "PRIMERA"),
}
_SECOND = {
    *("2", "SECOND", "THE SECOND", "THE SECOND ONE", "SECOND ONE", "SEGUNDO", "EL SEGUNDO", "LA SEGUNDA", "SEGUNDA"),
}
_FILLER = word_set(
    """
    A AN THE PLEASE PLS PLZ THANKS THX THANK YOU ONE OPTION ABOUT IT S IS MY FOR I MEAN EL LA LOS LAS UN UNA POR
    FAVOR GRACIAS YES OK ANSWER
    """
)
# Words in an item list that tell no two deliveries apart.
_COMMON = _FILLER | word_set(
    """
    OF AND WITH IN ON TO BOX BOXES PARCEL PACKAGE DELIVERY ORDER X DE Y CON CAJA
    """
)
# What stands around hours that are said.
_BETWEEN = _FILLER | word_set(
    "TO UNTIL TILL AND AT FROM BETWEEN AM PM O CLOCK WINDOW SLOT DE A LAS HASTA ENTRE Y H UHR"
)
_CLOCK = re.compile(r"\b(\d{1,2})(?:[:.h](\d{2}))?(?=\b|[ap]m\b|h\b|uhr\b)", re.IGNORECASE)
_DENIALS = word_set(
    """
    ALL AMBAS AMBOS AND BOTH NEITHER NINGUNO NO NONE NOT O OR Y
    """
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delivery that a text may be about. ``spoken_of_at`` is when we last wrote to this number about it.

    ``hours`` is the window on the clocks at the address, as ``10:00`` and ``12:30``.
    """

    delivery_id: str
    items: str
    reference: str
    is_open: bool
    is_under_way: bool
    stop_id: str
    window_start_at: datetime
    spoken_of_at: datetime | None
    hours: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Resolved:
    """``delivery_id`` and why it was assumed (empty when nothing else was possible); or ``choices`` to ask about."""

    delivery_id: str | None
    assumed: str = ""
    choices: tuple[str, ...] = ()


def resolve(candidates: Sequence[Candidate], text: str, now: datetime) -> Resolved:
    """Return which delivery ``text`` is about, or the choices to offer. No candidates: neither."""
    if not candidates:
        return Resolved(None)
    ordered = sorted(candidates, key=lambda one: (one.window_start_at, one.reference, one.delivery_id))
    if len(ordered) == 1:
        return Resolved(ordered[0].delivery_id)
    named = _named(ordered, text)
    if named is not None:
        return Resolved(named.delivery_id, "named in the text")
    if len({one.stop_id for one in ordered}) == 1:
        return Resolved(ordered[0].delivery_id, f"first of {len(ordered)} at the same stop")
    spoken_of = _last_spoken_of(ordered, now)
    opened = [one for one in ordered if one.is_open]
    if spoken_of is not None:
        return Resolved(spoken_of.delivery_id, "our last message to this number was about it")
    if len(opened) == 1:
        return Resolved(opened[0].delivery_id, "the only one still open")
    under_way = [one for one in opened if one.is_under_way]
    if len(under_way) == 1:
        return Resolved(under_way[0].delivery_id, "the only one on its way")
    offered = (under_way or opened or ordered)[:MAX_CHOICES]
    return Resolved(None, choices=tuple(one.delivery_id for one in offered))


def chosen(choices: Sequence[Candidate], text: str) -> str | None:
    """Return the delivery that ``text`` picks from ``choices`` as they were offered; None when it is not clear."""
    said = words_of(text)
    words = said.split()
    if not words or _DENIALS & set(words):
        return None
    bare = [word for word in words if word not in _FILLER] or words
    letters = _LETTERS[: len(choices)]
    if len(bare) == 1 and bare[0] in letters:
        return choices[letters.index(bare[0])].delivery_id
    if "A" in (words[0], words[-1]) and all(word in _FILLER for word in words):
        return choices[0].delivery_id
    for spellings, index in ((_FIRST, 0), (_SECOND, 1)):
        if (said in spellings or " ".join(bare) in spellings) and index < len(choices):
            return choices[index].delivery_id
    by_hours = _by_hours(choices, text)
    if by_hours is not None:
        return by_hours.delivery_id
    named = _named(choices, text)
    if named is None:
        return None
    # "a lamp" names the lamp; "A lamp" may pick the letter, so it is asked again.
    is_article = words[0] == letters[0] and (text.lstrip()[:1] == "a" or text.isupper())
    lettered = words[0] in letters and len(words) > 1 and not is_article
    if lettered and choices[letters.index(words[0])] is not named:
        return None
    return named.delivery_id


def _named(candidates: Sequence[Candidate], text: str) -> Candidate | None:
    """Return the one candidate whose reference, or whose items and no other's, the text names."""
    said = words_of(text)
    padded = f" {said} "
    by_reference = [one for one in candidates if f" {words_of(one.reference)} " in padded]
    if len(by_reference) == 1:
        return by_reference[0]
    if {"NOT", "NO"} & set(said.split()):
        return None
    words = [word for word in said.split() if len(word) > 2 and word not in _COMMON]
    hits = []
    for one in candidates:
        others = {word for other in candidates if other is not one for word in _item_words(other)}
        own = _item_words(one) - others
        if any(_same(word, item) for word in words for item in own):
            hits.append(one)
    return hits[0] if len(hits) == 1 else None


def _by_hours(choices: Sequence[Candidate], text: str) -> Candidate | None:
    """Return the one choice whose window ``text`` says and nothing else: "10-12", "the 2 to 4 one"."""
    said = [_minutes(hour, minute) for hour, minute in _CLOCK.findall(text)]
    others = [word for word in words_of(_CLOCK.sub(" ", text)).split() if word not in _BETWEEN]
    if not said or len(said) > 2 or others or (len(said) == 1 and said[0] < 5 * 60):
        return None
    hits = [one for one in choices if _says(one, said)]
    return hits[0] if len(hits) == 1 else None


def _says(one: Candidate, said: Sequence[int]) -> bool:
    window = [_minutes(*hour.split(":")) for hour in one.hours if hour]
    return bool(window) and all(clock == given for clock, given in zip(window, said, strict=False))


def _minutes(hour: str, minute: str) -> int:
    """Return minutes on a clock of twelve hours."""
    return int(hour) % 12 * 60 + int(minute or 0)


def _item_words(one: Candidate) -> set[str]:
    return {
        word for word in words_of(one.items).split() if len(word) > 2 and word not in _COMMON and not word.isdigit()
    }


def _same(word: str, item: str) -> bool:
    """True for the same word, its plural, or one letter doubled, missing or wrong in a word of four or more."""
    if word == item or word == f"{item}S" or item == f"{word}S":
        return True
    return min(len(word), len(item)) >= 4 and word[0] == item[0] and _distance_is_one(word, item)


def _distance_is_one(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    if len(short) == len(long):
        return short[start + 1 :] == long[start + 1 :]
    return short[start:] == long[start + 1 :]


def _last_spoken_of(candidates: Sequence[Candidate], now: datetime) -> Candidate | None:
    """Return what our newest message to this number was about, when that was lately and only about one."""
    spoken = [
        (one.spoken_of_at, one)
        for one in candidates
        if one.spoken_of_at is not None and now - one.spoken_of_at <= LAST_WORD_COUNTS_FOR
    ]
    if not spoken:
        return None
    newest = max(at for at, _ in spoken)
    # Two messages in the same minute (a morning's batch) say nothing about which one is answered.
    close = [one for at, one in spoken if newest - at < timedelta(minutes=10)]
    return close[0] if len(close) == 1 else None
