"""What is in force now: the rules and texts that staff set over those that ship."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.orm import Session

from messaging.kinds import Channel, Kind
from messaging.message_rules import merged
from messaging.message_versions import newest, rules_part, text_part
from messaging.schedule import DEFAULT_RULES, PLANNED_KINDS, Rules
from messaging.text_words import allowed
from messaging.texts import SHIPPED, Source, Texts, languages, words_in
from tracking.nearness import Nearness

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InForce:
    """Rules and texts of one moment."""

    rules: Rules = DEFAULT_RULES
    texts: Texts = SHIPPED


UNCHANGED = InForce()


def in_force(session: Session) -> InForce:
    """Return what holds now. One query; where nothing was ever changed it finds no row."""
    kept = {part: version.content for part, version in newest(session).items() if version.content}
    if not kept:
        return UNCHANGED
    rules = {kind: kept[rules_part(kind)] for kind in PLANNED_KINDS if rules_part(kind) in kept}
    texts: dict[tuple[Kind, Channel, str], Source] = {}
    for kind in Kind:
        for channel in Channel:
            for language in languages():
                content = kept.get(text_part(kind, channel, language))
                if content is not None and _is_usable(kind, content):
                    texts[kind, channel, language] = Source(content.get("subject", ""), content["body"])
    return InForce(merged(rules) if rules else DEFAULT_RULES, Texts(texts))


def rules_in_force(session: Session) -> Rules:
    """Return the rules that hold now."""
    return in_force(session).rules


def nearness_in_force(session: Session) -> Nearness:
    """Return from when on a recipient is told now that the truck is near."""
    return rules_in_force(session).nearness()


def _is_usable(kind: Kind, content: Mapping[str, Any]) -> bool:
    """False for a text with a word that this version of the product does not know: the shipped one goes out instead."""
    unknown = set(words_in(content.get("subject", "") + content["body"])) - allowed(kind)
    if unknown:
        log.warning("edited text not used", kind=kind.value, words=sorted(unknown))
    return not unknown
