"""What a channel is: hand a message over, or look for one whose handing over nobody saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from messaging.errors import MessagingError
from messaging.notifications import NotificationStatus

BUSY = "429"  # the code of a provider that has too much to do just now
LATE = "lease"  # the code of a message whose turn came too late: its lease would not outlast the send


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as it goes out. ``reference`` is our notification id, the same for every attempt.

    ``to`` is E.164 or an email address; ``useful_s`` is how long the carrier may try, in seconds. ``subject``, ``html``
    and ``unsubscribe_url`` are for mail only. ``begin_by`` is the event loop's second after which it may not leave any
    more, because its lease would not outlast it.
    """

    reference: str
    to: str
    body: str
    useful_s: int
    subject: str = ""
    html: str = ""
    unsubscribe_url: str = ""
    begin_by: float | None = None


@dataclass(frozen=True, slots=True)
class Handed:
    """What the provider said yes with: its id, and the status that gives the notification."""

    provider_ref: str
    status: NotificationStatus


class Refused(MessagingError):
    """The provider did not take the message. ``permanent``: trying again cannot help.

    ``code`` is the provider's, ``retry_after_s`` its wish in seconds, ``opted_out`` that the person blocked us there.
    ``is_down``: it is not this message but the provider, or our account there, that is in trouble.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        opted_out: bool = False,
        is_too_many: bool = False,
        is_down: bool = False,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.opted_out = opted_out
        self.is_too_many = is_too_many
        self.is_down = is_down


class OutcomeUnknown(MessagingError):
    """The provider may or may not have taken the message."""


class CannotLook(MessagingError):
    """The provider could not be asked just now what it has."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One message as the provider lists it. ``status`` is what its word means here; None says nothing."""

    provider_ref: str
    to: str
    body: str
    raw_status: str
    status: NotificationStatus | None
    error_code: str
    reason: str
    created_at: datetime | None


class Provider(Protocol):
    """A way out. ``name`` is kept with each row, so that an outcome is looked up where the message went."""

    name: str
    at_once: int  # how many sends side by side are of use; one that must wait its turn has not begun
    can_find: bool  # False: nobody can tell afterwards what was taken; the receiver drops a repeated Message-ID

    async def send(self, message: Outgoing) -> Handed:
        """Hand ``message`` over. Raises ``Refused`` or ``OutcomeUnknown``."""

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Return what the provider took since then that is this message, oldest first. Raises ``CannotLook``."""

    async def close(self) -> None:
        """Hang up."""
