"""Texts: a folder a kind with plain text files, words put in as ``((name))`` from a closed list (DESIGN 6).

English lies in ``<kind>/``, another language in ``<kind>/<language>/``; what is missing there is English. ``words.txt``
holds the small words of a language. The mail's HTML is made from ``body.txt`` and one hand-written ``layout.html``:
each paragraph a ``<p>``, a paragraph that is only ``((link))`` a button.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import css_inline

from messaging.errors import MessagingError
from messaging.kinds import Channel, Kind
from messaging.segments import folded, plain
from messaging.text_words import BY_NAME

FOLDER = Path(__file__).resolve().parent.parent / "templates" / "messages"
# Every word a text may use. Staff choose from these, never more (DESIGN 6).
WORDS = frozenset(BY_NAME)
_WORD = re.compile(r"\(\(([a-z_]+)\)\)")
_SPACES = re.compile(r"[ \t]{2,}")
_TWO_DOTS = re.compile(r"(?<=[ap]\.)(?P<space>[\s\u00a0]?)m\.\.(?!\.)")
LINK = "((link))"
UNSUBSCRIBE = "unsubscribe-link"


class UnknownWord(MessagingError):
    """A text uses a word that does not exist. ``word`` names it."""

    def __init__(self, word: str) -> None:
        super().__init__(f"There is no word (({word})). Choose from: {', '.join(sorted(WORDS))}.")
        self.word = word


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text ready to send. ``subject`` and ``html`` are empty for SMS."""

    subject: str
    body: str
    html: str


@dataclass(frozen=True, slots=True)
class Source:
    """A text before its words are put in. ``subject`` is empty for SMS."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts in force: what staff edited, else what ships."""

    edited: Mapping[tuple[Kind, Channel, str], Source]

    def source(self, kind: Kind, channel: Channel, language: str) -> Source:
        """Return the text of a kind in a language, or in English where that language has none."""
        edited = self.edited.get((kind, channel, language))
        if edited is not None:
            return edited
        if not has_own(kind, channel, language) and (kind, channel, "en") in self.edited:
            return self.edited[kind, channel, "en"]
        return shipped(kind, channel, language)


SHIPPED = Texts({})


def shipped(kind: Kind, channel: Channel, language: str) -> Source:
    """Return the text that ships."""
    if channel is Channel.SMS:
        return Source("", template(kind, "sms.txt", language))
    return Source(template(kind, "subject.txt", language), template(kind, "body.txt", language))


def render(kind: Kind, channel: Channel, locale: str, context: Mapping[str, str], texts: Texts = SHIPPED) -> Rendered:
    """Return the text of ``kind`` in the language of ``locale``. ``context`` gives every word the text uses.

    Besides ``WORDS``, ``context["unsubscribe"]`` is the address behind a mail's unsubscribe line. Raises
    ``UnknownWord`` for a word that is not in ``context``.
    """
    language = language_of(locale)
    return render_source(kind, channel, language, texts.source(kind, channel, language), context)


def render_source(kind: Kind, channel: Channel, language: str, source: Source, context: Mapping[str, str]) -> Rendered:
    """Return one text with its words put in, as ``render`` does."""
    if channel is Channel.SMS:
        return Rendered("", plain(_tidy(put_in(folded(source.body), context))), "")
    subject = _tidy(put_in(source.subject, context)).replace("\n", " ")
    html = _as_html(kind, source.body, subject, language, context)
    return Rendered(subject, _tidy(put_in(source.body, context)), html)


def put_in(text: str, context: Mapping[str, str]) -> str:
    """Return ``text`` with each ``((name))`` replaced. What is put in is never read again for words."""

    def word(found: re.Match[str]) -> str:
        value = context.get(found[1])
        if value is None:
            raise UnknownWord(found[1])
        return value

    return _WORD.sub(word, text)


def words_in(text: str) -> list[str]:
    """Return the words that ``text`` uses, in order, whether or not they exist."""
    return list(_WORD.findall(text))


def unknown_words(text: str) -> list[str]:
    """Return the words in ``text`` that do not exist, in order."""
    return [found for found in words_in(text) if found not in WORDS]


@lru_cache(maxsize=1_024)
def language_of(locale: str) -> str:
    """Return the language a locale is served in: its own, or English."""
    language = re.split(r"[-_]", locale.strip().lower())[0]
    return language if language in languages() else "en"


@cache
def languages() -> frozenset[str]:
    """Return the languages that have their own words."""
    return frozenset({"en"} | {path.parent.name for path in FOLDER.glob("*/words.txt")})


@cache
def has_own(kind: Kind, channel: Channel, language: str) -> bool:
    """Tell whether a language ships with a text of its own."""
    name = "sms.txt" if channel is Channel.SMS else "body.txt"
    return language == "en" or (FOLDER / kind.value / language / name).is_file()


@cache
def template(kind: Kind, name: str, language: str) -> str:
    """Return a template file's text in a language, or in English where that language has none."""
    folder = FOLDER / kind.value
    own = folder / language / name
    return (own if own.is_file() else folder / name).read_text(encoding="utf-8").strip()


@cache
def small_words(language: str) -> Mapping[str, str]:
    """Return the small words of a language by name, English where it has none."""
    words = {} if language == "en" else dict(small_words("en"))
    path = (FOLDER if language == "en" else FOLDER / language) / "words.txt"
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        words[name.strip()] = value.strip()
    return words


@cache
def _layout() -> str:
    return css_inline.inline((FOLDER / "layout.html").read_text(encoding="utf-8"))


def _as_html(kind: Kind, source: str, subject: str, language: str, context: Mapping[str, str]) -> str:
    words = small_words(language)
    safe = {name: html.escape(value) for name, value in context.items()}
    label = html.escape(words.get(f"button.{kind}", words["button"]))
    parts: list[str] = []
    for paragraph in source.split("\n\n"):
        if paragraph.strip() == LINK:
            parts.append(f'<p><a class="button" href="{safe["link"]}">{label}</a></p>')
        else:
            written = put_in(html.escape(paragraph, quote=False), safe)
            parts.append(f"<p>{_tidy(written).replace(chr(10), '<br>')}</p>")
    page = {
        "lang": language,
        "subject": html.escape(subject),
        "company": safe["company"],
        "support": safe["support"],
        "paragraphs": _styled("".join(parts)),
        "footer": html.escape(words["footer"]),
        "unsubscribe": html.escape(words["unsubscribe"]),
    }
    return put_in(_layout(), page).replace(UNSUBSCRIBE, safe["unsubscribe"])


_PARAGRAPH = 'style="margin: 0 0 14px 0;"'
_BUTTON = (
    'style="display: inline-block; padding: 14px 22px; border-radius: 10px; background-color: #1d5c4a; '
    'color: #ffffff; font-weight: bold; text-decoration: none;"'
)


def _styled(paragraphs: str) -> str:
    """Return paragraphs with their style inlined: they come into the layout after its style sheet was."""
    return paragraphs.replace("<p>", f"<p {_PARAGRAPH}>").replace('class="button"', _BUTTON)


def _tidy(text: str) -> str:
    """Return ``text`` without the gaps that empty words leave, nor a second dot behind ``p. m.``"""
    spaced = "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n")).strip()
    return _TWO_DOTS.sub(r"\g<space>m.", spaced)
