"""Everybody's mailbox, over SMTP: what came, as it came, and the refusals a real server would give."""

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.faults import Faults, Kind
from sandbox.journal import Entry, Journal


@dataclass(frozen=True)
class Mail:
    """One mail as one recipient got it. ``sender`` and ``to`` are the envelope's."""

    id: str
    sender: str
    to: str
    subject: str
    text: str
    html: str
    raw: str
    at: datetime
    day_at: datetime | None = None

    @property
    def message(self) -> EmailMessage:
        """The parsed mail, for its headers."""
        return email.message_from_string(self.raw, policy=email.policy.default)


class Mailbox:
    """An SMTP server on loopback.

    Addresses that begin with ``bounce-`` do not exist (550); ``later-`` are deferred (450).
    """

    def __init__(self, *, journal: Journal, faults: Faults, now: Callable[[], datetime]) -> None:
        self._journal, self._faults, self._now = journal, faults, now
        self._server: asyncio.Server | None = None
        self._connections: set[SMTP] = set()
        self._lock = threading.Lock()
        self._mails = [_mail_of(entry) for entry in journal.entries(event="mail")]
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        loop = asyncio.get_running_loop()

        def connection() -> SMTP:
            return SMTP(self, hostname="sandbox.test", enable_SMTPUTF8=True, loop=loop)

        self._server = await loop.create_server(connection, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def mails(self, to: str | None = None) -> list[Mail]:
        """Return the mails, oldest first."""
        with self._lock:
            return [mail for mail in self._mails if to is None or mail.to == to]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Say whether this address takes mail."""
        if address.startswith("bounce-") or self._faults.strike(Kind.MAIL_REFUSE, address):
            self._journal.add("mail_refused", to=address, code=550)
            return "550 5.1.1 No such user here"
        if address.startswith("later-") or self._faults.strike(Kind.MAIL_DEFER, address):
            self._journal.add("mail_refused", to=address, code=450)
            return "450 4.2.1 Mailbox busy, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail once for each recipient, unless a fault says otherwise."""
        first = envelope.rcpt_tos[0]
        await asyncio.sleep(self._faults.strike_s(Kind.MAIL_SLOW, first))
        if self._faults.strike(Kind.MAIL_DROP, first):
            self._journal.add("fault", kind=Kind.MAIL_DROP, to=first)
            _hang_up(server)
            return "421 4.3.0 Gone"
        for address in envelope.rcpt_tos:
            self._keep(envelope, address)
        if self._faults.strike(Kind.MAIL_DROP_AFTER, first):
            self._journal.add("fault", kind=Kind.MAIL_DROP_AFTER, to=first)
            _hang_up(server)
        return "250 2.0.0 Kept"

    def _keep(self, envelope: Envelope, address: str) -> None:
        content = cast(bytes, envelope.content)
        message = email.message_from_bytes(content, policy=email.policy.default)
        facts = {
            "id": str(message.get("Message-ID", "")),
            "sender": envelope.mail_from or "",
            "to": address,
            "subject": str(message.get("Subject", "")),
            "text": _part(message, "plain"),
            "html": _part(message, "html"),
            "raw": content.decode("utf-8", errors="replace"),
        }
        entry = self._journal.add("mail", **facts)
        with self._lock:
            self._mails.append(_mail_of(entry))


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return "" if part is None else str(part.get_content())


def _hang_up(server: SMTP) -> None:
    transport: Any = server.transport
    if transport is not None:
        transport.abort()


def _mail_of(entry: Entry) -> Mail:
    day_at = entry.get("day_at")
    return Mail(
        **{name: entry[name] for name in ("id", "sender", "to", "subject", "text", "html", "raw")},
        at=datetime.fromisoformat(entry["at"]),
        day_at=None if day_at is None else datetime.fromisoformat(day_at),
    )
