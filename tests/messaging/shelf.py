"""A provider inside this process that answers as it is told, and keeps a journal of what it took."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

from messaging.channels.base import Handed, OutcomeUnknown, Outgoing, Refused
from messaging.notifications import NotificationStatus


class Answer(Enum):
    """What the next message meets. The last two kill the sender: nobody records anything."""

    ACCEPTED = auto()
    NOT_NOW = auto()
    TOO_MANY = auto()
    TOO_MANY_AFTER_TAKING = auto()
    FAILED_AT_ONCE = auto()
    NEVER = auto()
    OPTED_OUT = auto()
    SILENT_WITHOUT_TAKING = auto()
    SILENT_AFTER_TAKING = auto()
    KILLED_BEFORE_TAKING = auto()
    KILLED_AFTER_TAKING = auto()


TAKEN = frozenset(
    {Answer.ACCEPTED, Answer.FAILED_AT_ONCE, Answer.SILENT_AFTER_TAKING}
    | {Answer.TOO_MANY_AFTER_TAKING, Answer.KILLED_AFTER_TAKING}
)
_REFUSALS = {
    Answer.NOT_NOW: lambda: Refused("503", "not now", permanent=False),
    Answer.TOO_MANY: lambda: Refused("429", "too many", permanent=False, retry_after_s=2.0, is_too_many=True),
    Answer.NEVER: lambda: Refused("21211", "no such number", permanent=True),
    Answer.OPTED_OUT: lambda: Refused("21610", "opted out", permanent=True, opted_out=True),
}


class Killed(BaseException):
    """The sending process dies here."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One message the provider took; it answered unless it did so to nobody."""

    ref: str
    reference: str
    to: str
    body: str
    is_answered: bool


@dataclass(slots=True)
class Shelf:
    """Speaks ``messaging.channels.base.Provider``.

    ``seen`` is called for each message that comes, ``taken`` for each that was taken, both before the answer.
    """

    name: str
    can_find: bool
    seen: Callable[[Outgoing], None] = lambda _message: None
    at_once: int = 4
    answers: list[Answer] = field(default_factory=list)
    journal: list[Taken] = field(default_factory=list)
    taken: Callable[[Taken], None] = lambda _taken: None

    async def send(self, message: Outgoing) -> Handed:
        """Take, refuse, fall silent or kill, as was told last; take when nothing was told."""
        self.seen(message)
        answer = self.answers.pop(0) if self.answers else Answer.ACCEPTED
        if answer is Answer.TOO_MANY_AFTER_TAKING and not self.can_find:
            answer = Answer.TOO_MANY  # a mail server that says "not now" has not taken it (RFC 5321, 4.2.1)
        if answer in _REFUSALS:
            raise _REFUSALS[answer]()
        ref = f"{self.name}-{len(self.journal)}"
        if answer in TAKEN:
            is_answered = answer in {Answer.ACCEPTED, Answer.FAILED_AT_ONCE}
            self.journal.append(Taken(ref, message.reference, message.to, message.body, is_answered))
            self.taken(self.journal[-1])
        if answer in {Answer.KILLED_BEFORE_TAKING, Answer.KILLED_AFTER_TAKING}:
            raise Killed
        if answer is Answer.TOO_MANY_AFTER_TAKING:
            raise _REFUSALS[Answer.TOO_MANY]()
        if answer is Answer.FAILED_AT_ONCE:
            return Handed(ref, NotificationStatus.FAILED)
        if answer is not Answer.ACCEPTED:
            raise OutcomeUnknown("silence")
        return Handed(ref, NotificationStatus.ACCEPTED if self.can_find else NotificationStatus.SENT)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Return what was taken with this body for this address, oldest first."""
        assert since.tzinfo is UTC
        if not self.can_find:
            return []
        found = [taken for taken in self.journal if (taken.to, taken.body) == (message.to, message.body)]
        return [Handed(taken.ref, NotificationStatus.ACCEPTED) for taken in found]

    async def close(self) -> None:
        """Nothing is open."""
