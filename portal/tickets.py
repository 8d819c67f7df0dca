"""Stream tickets: the right of a driver's or staff page to watch one topic for ten minutes.

A page that knows who is asking puts a ticket into its stream's address; the live half checks it without a cookie or a
session. When it runs out the stream says ``renew``, and the page's script asks the page for a new one. A logout, an
account that is shut out and a revoked driver's link end their streams at once, and no ticket of theirs opens another.
"""

from dataclasses import dataclass

from itsdangerous import BadData, TimestampSigner
from itsdangerous.serializer import Serializer
from itsdangerous.url_safe import URLSafeTimedSerializer

from portal.services import Services

LIFETIME_S = 600
_SALT = "live-ticket.v1"


@dataclass(frozen=True, slots=True)
class Ticket:
    """``topic`` is ``kind:subject`` or ``kind``; ``subject`` who watches: a driver's link id, the id of a staff login.

    ``ends_s`` is machine time.
    """

    topic: str
    subject: str
    locale: str
    ends_s: float


class BadTicket(Exception):
    """Forged, malformed or older than ten minutes."""


def issue(services: Services, *, topic: str, subject: str, locale: str) -> str:
    """Return a ticket for ``/d/live?ticket=`` or ``/staff/live?ticket=``, good for ten minutes from now."""
    return str(_serializer(services).dumps([topic, subject, locale]))


def read(services: Services, ticket: str) -> Ticket:
    """Return what a ticket allows; raises ``BadTicket``."""
    try:
        told, made_at = _serializer(services).loads(ticket, max_age=LIFETIME_S, return_timestamp=True)
        topic, subject, locale = told
    except (BadData, ValueError, TypeError):
        raise BadTicket from None
    return Ticket(topic=topic, subject=subject, locale=locale, ends_s=made_at.timestamp() + LIFETIME_S)


def _serializer(services: Services) -> Serializer[str]:
    clock = services.clock

    class MachineTime(TimestampSigner):
        """Counts by the clock that was handed in."""

        def get_timestamp(self) -> int:
            """Return machine time in whole seconds."""
            return int(clock.elapsed())

    return URLSafeTimedSerializer(list(services.settings.secret_keys), salt=_SALT, signer=MachineTime)
