"""What the pages of messages show: every kind with its rules, and one text with its preview, words and versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from messaging.kinds import RULES, Channel, Kind
from messaging.message_rules import KindRules
from messaging.message_versions import MessageVersion, history, newest, rules_part, text_part
from messaging.schedule import PLANNED_KINDS
from messaging.text_judge import Judged, Shown, judge, letter_name
from messaging.text_samples import sample
from messaging.text_words import words_for
from messaging.texts import Source, languages, shipped, small_words
from messaging.wording import Company
from portal import accounts
from portal.i18n import endonym
from portal.services import services
from portal.staff import words
from portal.staff.message_list import REACH, away_min, rules_now, state_of
from portal.staff.rule_form import RuleForm, TypedRules, rule_form
from portal.staff.rule_words import rules_words, when
from portal.staff.words import Badge


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version in a history. ``number`` 0 is the shipped one; ``who`` is empty for it."""

    number: int
    who: str
    when: str
    why: str
    subject: str
    body: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class WordRow:
    """One word that may be used here."""

    name: str
    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the texts of a kind."""

    href: str
    label: str
    is_current: bool
    is_edited: bool


@dataclass(frozen=True, slots=True)
class Bubble:
    """A preview: a text as on a phone, or a mail as paragraphs, those that are a button marked."""

    title: str
    shown: Shown
    paragraphs: tuple[tuple[str, bool], ...]
    button: str
    letters: str
    cost: str
    cost_of_1000: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What the preview shows."""

    bubbles: tuple[Bubble, ...]
    problems: tuple[str, ...]
    is_mail: bool
    budget: int
    sender: str


@dataclass(frozen=True, slots=True)
class MessagePage:
    """One kind, and one of its texts."""

    kind: Kind
    channel: Channel
    language: str
    language_name: str
    name: str
    when: str
    reach: str
    state: Badge
    rules: RuleForm | None
    rule_versions: tuple[VersionRow, ...]
    tabs: tuple[Tab, ...]
    source: Source
    seen: int
    is_edited: bool
    preview: Preview
    words: tuple[WordRow, ...]
    versions: tuple[VersionRow, ...]


def company() -> Company:
    """Return the company as messages name it."""
    settings = services().settings
    return Company(settings.company_name, settings.support_phone, settings.support_email, settings.public_url)


def page_of(
    session: Session,
    kind: Kind,
    channel: Channel,
    language: str,
    now: datetime,
    *,
    typed: Source | None = None,
    typed_rules: TypedRules | None = None,
    seen: int | None = None,
) -> MessagePage:
    """Return the page of one text. What a form held (``typed``, ``typed_rules``) is shown instead of what is in force.

    ``seen`` is the version a text's form was opened on, where that is not the newest.
    """
    kept, part = newest(session), text_part(kind, channel, language)
    versions = history(session, part)
    rules = rules_now(kind, kept)
    source = typed or _in_force(kind, channel, language, kept.get(part))
    who = accounts.names_of(session)
    return MessagePage(
        kind=kind,
        channel=channel,
        language=language,
        language_name=endonym(language),
        name=words.KIND[kind],
        when=when(kind, rules),
        reach=REACH[RULES[kind].reach],
        state=state_of(kind, rules),
        rules=_rules(kind, rules, kept.get(rules_part(kind)), typed_rules),
        rule_versions=_rule_rows(kind, history(session, rules_part(kind)), who, now),
        tabs=_tabs(kind, channel, language, kept),
        source=source,
        seen=(versions[0].number if versions else 0) if seen is None else seen,
        is_edited=bool(versions and versions[0].content),
        preview=preview_of(kind, channel, language, source, away_min=away_min(kind, kept)),
        words=_words(kind, channel, language, away_min(kind, kept)),
        versions=_text_rows(kind, channel, language, versions, who, now),
    )


def _in_force(kind: Kind, channel: Channel, language: str, version: MessageVersion | None) -> Source:
    if version is None or not version.content:
        return shipped(kind, channel, language)
    return _source(version.content)


def _rules(kind: Kind, rules: KindRules, version: MessageVersion | None, typed: TypedRules | None) -> RuleForm | None:
    if kind not in PLANNED_KINDS:
        return None
    return rule_form(kind, rules, 0 if version is None else version.number, typed)


def _source(content: Mapping[str, Any]) -> Source:
    return Source(content.get("subject", ""), content["body"])


def _tabs(kind: Kind, channel: Channel, language: str, kept: Mapping[str, MessageVersion]) -> tuple[Tab, ...]:
    found = []
    for one in Channel:
        for tongue in sorted(languages(), key=lambda name: (name != "en", name)):
            version = kept.get(text_part(kind, one, tongue))
            label = f"{words.CHANNEL[one].capitalize()}, {endonym(tongue)}"
            is_current = (one, tongue) == (channel, language)
            found.append(
                Tab(f"/staff/messages/{kind}/{one}/{tongue}", label, is_current, bool(version and version.content))
            )
    return tuple(found)


def preview_of(kind: Kind, channel: Channel, language: str, source: Source, *, away_min: int) -> Preview:
    """Return how a text looks with ordinary and with the longest words, and what is wrong with it.

    ``away_min`` is how many minutes away the truck is when it goes out.
    """
    mine = services().settings
    price = mine.price_per_segment
    judged = judge(kind, channel, language, source, company=company(), price=price, away_min=away_min)
    return Preview(
        bubbles=tuple(_bubbles(kind, channel, language, judged)),
        problems=judged.problems,
        is_mail=channel is Channel.EMAIL,
        budget=RULES[kind].segments,
        sender=mine.company_name,
    )


def _bubbles(kind: Kind, channel: Channel, language: str, judged: Judged) -> list[Bubble]:
    link = sample(kind, channel, language, company())["link"]
    small = small_words(language)
    return [
        Bubble(
            title=title,
            shown=shown,
            paragraphs=tuple((text, text == link) for text in shown.body.split("\n\n")),
            button=small.get(f"button.{kind}", small["button"]),
            letters=", ".join(letter_name(letter) for letter in shown.forcing[:6]),
            cost=f"{shown.cost.normalize():f}",
            cost_of_1000=f"{shown.cost_of_1000:,.2f}",
        )
        for title, shown in (("As most people get it", judged.sample), ("At its longest", judged.worst))
        if shown is not None
    ]


def _words(kind: Kind, channel: Channel, language: str, minutes: int) -> tuple[WordRow, ...]:
    examples = sample(kind, channel, language, company(), away_min=minutes)
    return tuple(WordRow(word.name, word.meaning, examples[word.name]) for word in words_for(kind))


def _text_rows(
    kind: Kind,
    channel: Channel,
    language: str,
    versions: Sequence[MessageVersion],
    who: Mapping[str, str],
    now: datetime,
) -> tuple[VersionRow, ...]:
    origin = shipped(kind, channel, language)
    rows = []
    for place, version in enumerate(versions):
        source = _source(version.content) if version.content else origin
        rows.append(_version(version, who, now, source.subject, source.body, is_now=place == 0))
    return (*rows, VersionRow(0, "", "", "", origin.subject, origin.body, is_now=not versions))


def _rule_rows(
    kind: Kind, versions: Sequence[MessageVersion], who: Mapping[str, str], now: datetime
) -> tuple[VersionRow, ...]:
    rows = [
        _version(version, who, now, "", rules_words(kind, version.content), is_now=place == 0)
        for place, version in enumerate(versions)
    ]
    return (*rows, VersionRow(0, "", "", "", "", rules_words(kind, {}), is_now=not versions))


def _version(
    version: MessageVersion, who: Mapping[str, str], now: datetime, subject: str, body: str, *, is_now: bool
) -> VersionRow:
    zone = services().settings.default_zone
    name = who.get(version.made_by, "somebody")
    return VersionRow(
        version.number, name, words.moment(version.made_at, zone, now), version.why, subject, body, is_now
    )
