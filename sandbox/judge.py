"""The judge: who should have got what, against what the stand-ins wrote down. It reads nothing of the product."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.journal import Entry

SMS, MAIL = "sms", "mail"
# What tells the kinds of a run apart, as the English templates say it on whatever day they are sent.
TEXT_SIGNS = (
    ("day_before", "Follow it or leave the driver a note"),
    ("morning_of", "expected"),
    ("next_stop", "Live map:"),
    ("driver_link", "on this phone only"),
)
MAIL_SIGNS = (("day_before", "for the driver"), ("morning_of", "Good morning"), ("next_stop", "will be with you"))


@dataclass(frozen=True, order=True, slots=True)
class Message:
    """One message that should come, or came: ``channel`` is ``sms`` or ``mail``."""

    channel: str
    to: str
    kind: str


@dataclass(slots=True)
class Verdict:
    """``doubled`` holds how many too many of each. ``mail_repeats`` are mails that came again with their Message-ID.

    A mail server that breaks off cannot be asked what it kept, so a mail is said again under the same Message-ID and
    receivers drop the repeat (RFC 5322 3.6.4): mails are counted by Message-ID. ``unanswered_repeats`` are those of
    them where the server had kept the mail and hung up without a word: nothing a sender does could tell.
    """

    expected: int
    lost: list[Message] = field(default_factory=list)
    doubled: dict[Message, int] = field(default_factory=dict)
    extra: dict[Message, int] = field(default_factory=dict)
    mail_repeats: int = 0
    unanswered_repeats: int = 0

    @property
    def is_clean(self) -> bool:
        """True when everybody got everything once and nobody got anything else."""
        return not (self.lost or self.doubled or self.extra)


def came(entry: Entry) -> Message | None:
    """Return the message a journal entry tells of; None for entries that tell of something else."""
    if entry["event"] == "accepted":
        return Message(SMS, entry["to"], _kind(entry["body"], TEXT_SIGNS))
    if entry["event"] == "mail":
        return Message(MAIL, entry["to"], _kind(entry["text"], MAIL_SIGNS))
    return None


def judge(expected: Iterable[Message], entries: Iterable[Entry]) -> Verdict:
    """Compare the list of what should come with the journal's entries."""
    wanted = set(expected)
    counted: Counter[Message] = Counter()
    seen_mails: set[tuple[str, str]] = set()
    unanswered: Counter[str] = Counter()
    verdict = Verdict(len(wanted))
    for entry in entries:
        if entry["event"] == "fault" and entry["kind"] == "mail_drop_after":
            unanswered[entry["to"]] += 1
        message = came(entry)
        if message is None:
            continue
        if message.channel == MAIL:
            name = (message.to, entry["id"])
            if name in seen_mails:
                verdict.mail_repeats += 1
                if unanswered[message.to]:
                    unanswered[message.to] -= 1
                    verdict.unanswered_repeats += 1
                continue
            seen_mails.add(name)
        counted[message] += 1
    verdict.lost = sorted(wanted - set(counted))
    verdict.doubled = {message: count - 1 for message, count in counted.items() if message in wanted and count > 1}
    verdict.extra = {message: count for message, count in counted.items() if message not in wanted}
    return verdict


def _kind(words: str, signs: Iterable[tuple[str, str]]) -> str:
    return next((kind for kind, sign in signs if sign in words), f"unknown: {words[:40]}")
