"""Email over SMTP. The phases are walked one by one, so that a broken connection says whether the mail was handed over.

250 after DATA is ``sent``, final unless a bounce comes. Nobody can be asked later what a mail server took: the same
notification has the same Message-ID at every attempt, and receivers drop a repeated one (reference/messaging.md 3).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

import aiosmtplib

from messaging.channels.base import LATE, Handed, OutcomeUnknown, Outgoing, Refused
from messaging.channels.letters import LetterWriter, message_id
from messaging.channels.names import SMTP
from messaging.channels.smtp_talk import HungUp, Said, Talk
from messaging.notifications import NotificationStatus
from messaging.return_addresses import Purpose, ReturnAddresses

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
HUNG_UP = "disconnected"
CLOSING = 421  # RFC 5321: the server is not available, and hangs up
ENVELOPE_SHARE = (
    0.5  # of the send timeout, for all that comes before the mail: being slow there is no doubt (our choice)
)
CONNECTIONS = 8  # kept open and used side by side (our choice; providers allow some tens)


class _Clock(Protocol):
    def elapsed(self) -> float:
        """Return machine time in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server from ``smtp://``, ``smtp+starttls://`` or ``smtps://`` with an optional ``user:password@``."""

    host: str
    port: int
    use_tls: bool
    start_tls: bool
    username: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> "Server":
        """Return the server of a URL. ``smtp://`` never turns on TLS by itself."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or DEFAULT_PORTS[parts.scheme],
            use_tls=parts.scheme == "smtps",
            start_tls=parts.scheme == "smtp+starttls",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class SmtpMail:
    """A small pool of connections to one server. Build it inside a running event loop; ``close`` it there.

    ``takes_mail`` is true when somebody reads what comes to ``returns``: only then can mail be ended by mail.
    """

    name = SMTP
    at_once = CONNECTIONS
    can_find = False

    def __init__(
        self,
        *,
        url: str,
        mail_from: str,
        company_name: str,
        reply_to: str,
        send_timeout_s: float,
        clock: _Clock,
        returns: ReturnAddresses,
        takes_mail: bool = False,
    ) -> None:
        shown, self._address = parseaddr(mail_from)
        self.domain = self._address.rpartition("@")[2]
        self._writer = LetterWriter(Address(shown or company_name, addr_spec=self._address), reply_to)
        self._server = Server.from_url(url)
        self._timeout_s = send_timeout_s
        self._clock = clock
        self._returns, self._takes_mail = returns, takes_mail
        self._idle: list[Talk] = []
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def send(self, message: Outgoing) -> Handed:
        """Hand one mail over. Raises ``Refused`` or ``OutcomeUnknown``."""
        try:
            content = self.build(message)
        except ValueError as error:
            raise Refused("address", "the address cannot be written to", permanent=True) from error
        async with self._room:
            kept = self._kept()
            said = None if kept is None else await self._said(kept, message, content)
            if said is None or (kept is not None and said.code == CLOSING):  # it was closing while nobody talked
                said = await self._said(await self._connected(), message, content)
        if said is None:
            raise Refused(HUNG_UP, "the mail server hung up", permanent=False, is_down=True)
        if not said.is_taken:
            raise _refusal(said)
        return Handed(message_id(message.reference, self.domain), NotificationStatus.SENT)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Return nothing: SMTP cannot be asked."""
        return []

    async def close(self) -> None:
        """Say goodbye on every connection."""
        while self._idle:
            self._idle.pop().close()

    def build(self, message: Outgoing) -> bytes:
        """Return the mail as it goes over the wire.

        Raises ``ValueError`` for an address or header that would break out of its line.
        """
        at = datetime.fromtimestamp(self._clock.elapsed(), UTC)
        return self._writer.write(message, at=at, leave=self._leave(message) if message.unsubscribe_url else "")

    def _leave(self, message: Outgoing) -> str:
        by_page = f"<{message.unsubscribe_url}>"
        if not self._takes_mail:
            return by_page
        return f"{by_page}, <mailto:{self._returns.of(Purpose.UNSUBSCRIBE, message.reference)}>"

    async def _said(self, talk: Talk, message: Outgoing, content: bytes) -> Said | None:
        """Say one mail on one connection. None: the server had hung up, or hung up before the mail was said."""
        loop = asyncio.get_running_loop()

        def may_say() -> bool:
            return message.begin_by is None or loop.time() <= message.begin_by

        try:
            said = await talk.hand_over(
                sender=self._returns.of(Purpose.BOUNCE, message.reference),
                to=message.to,
                content=content,
                may_say=may_say,
                patience_s=self._timeout_s * ENVELOPE_SHARE,
            )
        except HungUp as error:
            if error.is_said:
                raise OutcomeUnknown(str(error)) from error
            return None
        except BaseException:  # cut short from outside: nobody may use this connection again
            talk.cut()
            raise
        if said is None:
            raise Refused(LATE, "its turn came too late", permanent=False)
        if said.code == CLOSING:
            talk.cut()
        elif talk.is_open:
            self._idle.append(talk)
        return said

    def _kept(self) -> Talk | None:
        while self._idle:
            talk = self._idle.pop()
            if talk.is_open:
                return talk
        return None

    async def _connected(self) -> Talk:
        """Return a new connection. Raises ``Refused``: nothing was said yet."""
        given = self._server
        server = aiosmtplib.SMTP(
            hostname=given.host,
            port=given.port,
            use_tls=given.use_tls,
            start_tls=given.start_tls,
            username=given.username,
            password=given.password,
            timeout=self._timeout_s * ENVELOPE_SHARE,
        )
        try:
            await server.connect()
            await server.ehlo()
            transport = cast(asyncio.Transport | None, server.transport)
            if transport is None:
                raise aiosmtplib.SMTPServerDisconnected("hung up at once")
        except (aiosmtplib.SMTPException, OSError) as error:
            server.close()
            raise Refused("connect", "the mail server could not be reached", permanent=False, is_down=True) from error
        return Talk(transport, pipelines=server.supports_extension("pipelining"))


def _refusal(said: Said) -> Refused:
    """Return what an SMTP reply means: 5xx for good, 4xx for now.

    A 5xx about our address (a quota, a policy), our login (53x) or our words (502-504) is no mailbox's fault: it must
    not cost the mails, so they wait.
    """
    code = said.code
    ours = 502 <= code <= 504 or 530 <= code <= 539 or (said.is_about_us and code >= 500)
    permanent = code >= 500 and not ours
    reason = "the mailbox does not take mail" if permanent else "the mail server asked us to wait"
    return Refused(str(code), reason, permanent=permanent, is_down=ours or code == CLOSING)
