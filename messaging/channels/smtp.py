"""Email over SMTP. The phases are walked one by one, so that a broken connection says whether the mail was handed over.

250 after DATA is ``sent``, final unless a bounce comes. Nobody can be asked later what a mail server took: the same
notification has the same Message-ID at every attempt, and receivers drop a repeated one (reference/messaging.md 3).
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from messaging.channels.base import Handed, OutcomeUnknown, Outgoing, Refused
from messaging.notifications import NotificationStatus
from messaging.return_addresses import Purpose, ReturnAddresses

NAME = "smtp"
NAMESPACE = uuid.UUID("6d1c0b52-9d1e-5c0e-9a55-0d6f2f2f7a11")  # ours, drawn once
DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
HUNG_UP = "disconnected"
CLOSING = 421  # RFC 5321: the server is not available, and hangs up
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


def message_id(reference: str, domain: str) -> str:
    """Return the Message-ID of a notification: the same for every attempt."""
    return f"<{uuid.uuid5(NAMESPACE, reference)}@{domain}>"


class SmtpMail:
    """A small pool of connections to one server. Build it inside a running event loop; ``close`` it there.

    ``takes_mail`` is true when somebody reads what comes to ``returns``: only then can mail be ended by mail.
    """

    name = NAME
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
        self._from = Address(shown or company_name, addr_spec=self._address)
        self.domain = self._address.rpartition("@")[2]
        self._reply_to = reply_to
        self._server = Server.from_url(url)
        self._timeout_s = send_timeout_s
        self._clock = clock
        self._returns, self._takes_mail = returns, takes_mail
        self._idle: list[aiosmtplib.SMTP] = []
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def send(self, message: Outgoing) -> Handed:
        """Hand one mail over. Raises ``Refused`` or ``OutcomeUnknown``."""
        try:
            content = self.build(message)
        except (ValueError, HeaderParseError) as error:
            raise Refused("address", "the address cannot be written to", permanent=True) from error
        async with self._room:
            server = self._kept()
            if server is None or not await self._is_handed(server, message, content):
                await self._is_handed(await self._connected(), message, content, is_new=True)
        return Handed(message_id(message.reference, self.domain), NotificationStatus.SENT)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Return nothing: SMTP cannot be asked."""
        return []

    async def close(self) -> None:
        """Say goodbye on every connection."""
        while self._idle:
            self._idle.pop().close()

    def build(self, message: Outgoing) -> bytes:
        """Return the mail as it goes over the wire, text before HTML, with one recipient.

        Raises ``ValueError`` for an address or header that would break out of its line.
        """
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._from
        mail["To"] = Address(addr_spec=message.to)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(datetime.fromtimestamp(self._clock.elapsed(), UTC))
        mail["Message-ID"] = message_id(message.reference, self.domain)
        mail["Auto-Submitted"] = "auto-generated"
        mail["Feedback-ID"] = f"delivery:{self.domain}"
        if self._reply_to:
            mail["Reply-To"] = Address(addr_spec=self._reply_to)
        if message.unsubscribe_url:
            mail["List-Unsubscribe"] = self._leave(message)
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(message.body + "\n")
        if message.html:
            mail.add_alternative(message.html, subtype="html")
        return mail.as_bytes()

    def _leave(self, message: Outgoing) -> str:
        by_mail = self._returns.of(Purpose.UNSUBSCRIBE, message.reference)
        ways = [f"<{message.unsubscribe_url}>", *([f"<mailto:{by_mail}>"] if self._takes_mail else [])]
        return ", ".join(ways)

    async def _is_handed(
        self, server: aiosmtplib.SMTP, message: Outgoing, content: bytes, *, is_new: bool = False
    ) -> bool:
        """Hand over on one connection. False: a kept one had been dropped before the mail was said; use a new one."""
        try:
            await self._envelope(server, message)
            await self._data(server, content)
        except Refused as refusal:
            await self._keep(server)
            if refusal.code == HUNG_UP and not is_new:
                return False
            raise
        except BaseException:  # unknown, or cut short from outside: nobody may use this connection again
            server.close()
            raise
        self._idle.append(server)
        return True

    def _kept(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            server = self._idle.pop()
            if server.is_connected:
                return server
        return None

    async def _connected(self) -> aiosmtplib.SMTP:
        """Return a new connection. Raises ``Refused``: nothing was said yet."""
        given = self._server
        server = aiosmtplib.SMTP(
            hostname=given.host,
            port=given.port,
            use_tls=given.use_tls,
            start_tls=given.start_tls,
            username=given.username,
            password=given.password,
            timeout=self._timeout_s,
        )
        try:
            await server.connect()
            await server.ehlo()
        except (aiosmtplib.SMTPException, OSError) as error:
            server.close()
            raise Refused("connect", "the mail server could not be reached", permanent=False, is_down=True) from error
        return server

    async def _envelope(self, server: aiosmtplib.SMTP, message: Outgoing) -> None:
        """Say from whom and to whom. Whatever goes wrong here, the server has not got the mail."""
        try:
            await server.mail(self._returns.of(Purpose.BOUNCE, message.reference))
            await server.rcpt(message.to)
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            server.close()
            raise Refused(HUNG_UP, "the mail server hung up", permanent=False, is_down=True) from error

    async def _data(self, server: aiosmtplib.SMTP, content: bytes) -> None:
        """Say the mail. A number is an answer; a silence or a broken line leaves open whether it was taken."""
        try:
            await server.data(content)
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(type(error).__name__) from error

    async def _keep(self, server: aiosmtplib.SMTP) -> None:
        """Use a connection again after a refusal, when the server forgets the mail it refused."""
        if not server.is_connected:
            return
        try:
            await server.rset()
        except (aiosmtplib.SMTPException, OSError):
            server.close()
        else:
            self._idle.append(server)


def _refusal(code: int) -> Refused:
    """Return what an SMTP reply means: 5xx for good, but not 53x (our login) nor 500-504 (our words); 4xx for now."""
    ours = 500 <= code <= 504 or 530 <= code <= 539
    permanent = code >= 500 and not ours
    reason = "the mailbox does not take mail" if permanent else "the mail server asked us to wait"
    return Refused(str(code), reason, permanent=permanent, is_down=ours or code == CLOSING)
