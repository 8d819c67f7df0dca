"""The judge of texts that staff edit: what it looks like, what it costs, and whether it may go out at all. Pure."""

import difflib
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from messaging.kinds import RULES, Channel, Kind
from messaging.segments import Encoding, encoding_of, forcing, room, segment_count, width
from messaging.text_samples import sample, worst
from messaging.text_words import allowed, needed
from messaging.texts import Source, render_source, words_in
from messaging.wording import Company
from tracking.nearness import USUAL_MINUTES

LONGEST_SUBJECT, LONGEST_MAIL = 150, 4_000  # letters of a mail at its longest (our choice)
LONGEST_SOURCE = 4_000  # letters of what is typed
_MEANT = re.compile(r"\(\(([^()]*)\)\)")


@dataclass(frozen=True, slots=True)
class Shown:
    """A text with its words put in. ``forcing`` names the letters that make an SMS travel as UCS-2.

    ``cost`` is that of one message; for a mail it is nothing.
    """

    subject: str
    body: str
    segments: int
    encoding: Encoding
    forcing: tuple[str, ...]
    width: int
    cost: Decimal

    @property
    def cost_of_1000(self) -> Decimal:
        """What 1,000 deliveries cost."""
        return self.cost * 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """The two previews of a text, and why it is refused. What cannot be shown has no preview."""

    sample: Shown | None
    worst: Shown | None
    problems: tuple[str, ...]


def tidied(subject: str, body: str) -> Source:
    """Return what was typed into a form as it is kept: plain line ends, no space at the ends."""
    return Source(" ".join(subject.split()), "\n".join(line.rstrip() for line in body.splitlines()).strip())


def judge(
    kind: Kind,
    channel: Channel,
    language: str,
    source: Source,
    *,
    company: Company,
    price: Decimal,
    away_min: int = USUAL_MINUTES,
) -> Judged:
    """Return how ``source`` looks with ordinary and with the longest words, and every reason to refuse it.

    ``price`` is what one SMS segment costs; ``away_min`` how many minutes away the truck is said to be.
    """
    problems = _about_source(kind, channel, source)
    if _is_unreadable(source):
        return Judged(None, None, tuple(problems))
    strange = {name: f"(({name}))" for name in words_in(f"{source.subject} {source.body}")}
    ordinary = sample(kind, channel, language, company, away_min=away_min)
    longest_words = worst(kind, channel, language, company, away_min=away_min)
    usual = _shown(kind, channel, language, source, strange | ordinary, price)
    longest = _shown(kind, channel, language, source, strange | longest_words, price)
    problems += _about_length(kind, channel, longest)
    return Judged(usual, longest, tuple(problems))


def _is_unreadable(source: Source) -> bool:
    """True when there are letters that cannot be kept, or too many."""
    text = source.subject + source.body
    return _has_control(text) or len(text) > LONGEST_SOURCE


def _about_source(kind: Kind, channel: Channel, source: Source) -> list[str]:
    text = f"{source.subject}\n{source.body}"
    problems = []
    if not source.body:
        problems.append("Write a text: it is empty.")
    if channel is Channel.EMAIL and not source.subject:
        problems.append("Write a subject: a mail needs one.")
    if _has_control(text):
        problems.append("The text holds a letter that cannot be shown. Type it again by hand.")
    if len(text) > LONGEST_SOURCE:
        problems.append(f"This is too long: at most {LONGEST_SOURCE:,} letters.")
    problems += [_unknown(kind, name) for name in dict.fromkeys(_MEANT.findall(text)) if name not in allowed(kind)]
    rest = _MEANT.sub("", text)
    if "((" in rest or "))" in rest:
        problems.append("A word is not closed: write it as ((name)), with two brackets on each side.")
    if source.body:
        held = set(words_in(source.body))
        problems += [f"Keep (({name})): {why}." for name, why in needed(kind, channel).items() if name not in held]
    return problems


def _unknown(kind: Kind, name: str) -> str:
    """Return the sentence about a word that this kind does not have, with the one that may be meant."""
    close = difflib.get_close_matches(name.strip().lower().replace(" ", "_"), sorted(allowed(kind)), n=1)
    hint = f" Did you mean (({close[0]}))?" if close else " The list beside the box has those there are."
    return f"There is no (({name})) in this message.{hint}"


def _about_length(kind: Kind, channel: Channel, longest: Shown) -> list[str]:
    if channel is Channel.EMAIL:
        problems = []
        if len(longest.subject) > LONGEST_SUBJECT:
            problems.append(f"At its longest the subject has {len(longest.subject)} letters; {LONGEST_SUBJECT} fit.")
        if len(longest.body) > LONGEST_MAIL:
            problems.append(f"At its longest the mail has {len(longest.body):,} letters; at most {LONGEST_MAIL:,}.")
        return problems
    budget = RULES[kind].segments
    if longest.segments <= budget:
        return []
    over = max(1, longest.width - room(longest.encoding, budget))
    why = ""
    if longest.forcing:
        why = f" {_named(longest.forcing)} makes every letter take more than twice the room."
    return [
        f"At its longest this takes {longest.segments} segments, and {budget} are the most for this message. "
        f"Shorten it by {over} letters.{why}"
    ]


def _named(letters: tuple[str, ...]) -> str:
    return ", ".join(letter_name(letter) for letter in letters[:3])


def letter_name(letter: str) -> str:
    """Return a letter with its Unicode name, for people who cannot tell it from its look."""
    return f"“{letter}” ({unicodedata.name(letter, f'U+{ord(letter):04X}').lower()})"


def _has_control(text: str) -> bool:
    return any(unicodedata.category(letter) in {"Cc", "Cs"} and letter != "\n" for letter in text)


def _shown(kind: Kind, channel: Channel, language: str, source: Source, words: dict[str, str], price: Decimal) -> Shown:
    text = render_source(kind, channel, language, source, words)
    if channel is Channel.EMAIL:
        return Shown(text.subject, text.body, 0, Encoding.GSM7, (), len(text.body), Decimal(0))
    segments = segment_count(text.body)
    letters = forcing(text.body)
    return Shown("", text.body, segments, encoding_of(text.body), letters, width(text.body), price * segments)
