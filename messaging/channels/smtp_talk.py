"""The talk with a mail server on an open connection: envelope, mail, answer.

Connecting, TLS and login are aiosmtplib's. The talk is ours, for two reasons: it asks everything before the mail in one
write where the server allows it (PIPELINING, RFC 2920), and it knows to the byte whether the mail can have been taken.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_REPLY = re.compile(rb"([2-5][0-9][0-9])([ -]?)")
_DOT = re.compile(rb"(?m)^\.")
GO_ON = 354
LONGEST_REPLY = 64 * 1024  # bytes; who says more than that without an end is no mail server


class HungUp(Exception):
    """The connection broke. ``is_said``: after the mail's last byte was written, so nobody knows whether it counts."""

    def __init__(self, *, is_said: bool) -> None:
        super().__init__("hung up after the mail" if is_said else "hung up before the mail")
        self.is_said = is_said


@dataclass(frozen=True, slots=True)
class Said:
    """What the server made of one mail: the code that decided, of 250 after the mail or of the first refusal.

    ``is_about_us``: it refused our address before it heard of the receiver's.
    """

    code: int
    is_about_us: bool = False

    @property
    def is_taken(self) -> bool:
        """True for 250 after the mail."""
        return 200 <= self.code < 300


@dataclass(slots=True)
class _Mail:
    """One mail on its way: what is said of it, and what the server has answered so far."""

    envelope: tuple[str, ...]
    content: bytes
    may_say: Callable[[], bool]
    patient_until: float  # of the loop's clock
    outcome: asyncio.Future[Said | None]
    codes: list[int] = field(default_factory=list)
    is_said: bool = False
    refused: Said | None = None
    to_forget: int = 0  # answers to come until the server has forgotten what it refused


class Talk(asyncio.Protocol):
    """One connection, on which one mail is handed over at a time.

    Each answer is acted on where it is read: whoever hands a mail over is woken once, not once a line.
    """

    def __init__(self, transport: asyncio.Transport, *, pipelines: bool) -> None:
        self._transport, self._pipelines = transport, pipelines
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._mail: _Mail | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = True
        transport.set_protocol(self)

    async def hand_over(
        self, *, sender: str, to: str, content: bytes, may_say: Callable[[], bool], patience_s: float
    ) -> Said | None:
        """Say one mail and return what the server made of it; None, and the line is cut, when ``may_say`` says no.

        ``may_say`` is asked right before the mail's own bytes. What comes before them may take ``patience_s`` seconds.
        Raises ``HungUp``. Whoever cancels this must cut the line.
        """
        if not self.is_open:
            raise HungUp(is_said=False)
        envelope = (f"MAIL FROM:<{sender}>\r\n", f"RCPT TO:<{to}>\r\n", "DATA\r\n")
        until = self._loop.time() + patience_s
        self._mail = mail = _Mail(envelope, content, may_say, until, self._loop.create_future())
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._lose_patience)
        self._transport.write(("".join(envelope) if self._pipelines else envelope[0]).encode())
        return await mail.outcome

    def cut(self) -> None:
        """End the connection at once."""
        self.is_open = False
        self._transport.abort()

    def close(self) -> None:
        """Say goodbye and end the connection."""
        if self.is_open:
            self._transport.write(b"QUIT\r\n")
        self.is_open = False
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what the server says, line by line; a reply of several lines counts with its last."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            told = _REPLY.match(line)
            if told is None:
                self.cut()
            elif told[2] != b"-":
                self._heard(int(told[1]))
        if len(self._buffer) > LONGEST_REPLY:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.is_open = False
        mail = self._mail
        if mail is None:
            return
        if mail.refused is not None:
            self._end(mail.refused)
        elif not mail.outcome.done():
            mail.outcome.set_exception(HungUp(is_said=mail.is_said))

    def _heard(self, code: int) -> None:
        mail = self._mail
        if not self.is_open:
            return
        if mail is None:  # nobody asked: it is closing
            self.cut()
        elif mail.is_said:
            self._end(Said(code))
        elif mail.refused is not None:
            mail.to_forget -= 1
            if mail.to_forget == 0:
                self._end(mail.refused)
        else:
            mail.codes.append(code)
            self._go_on(mail)

    def _go_on(self, mail: _Mail) -> None:
        """Say the next line of the envelope; after the answer to the last, the mail."""
        at, code = len(mail.codes), mail.codes[-1]
        if at < len(mail.envelope) and (self._pipelines or code < 400):
            if not self._pipelines:
                self._transport.write(mail.envelope[at].encode())
            return
        refused = next((Said(code, at == 0) for at, code in enumerate(mail.codes) if code >= 400), None)
        if refused is not None:
            self._forget(mail, refused)
        elif code != GO_ON:
            self.cut()
        elif not mail.may_say():
            self.cut()  # a mail without its last dot is no mail
            self._end(None)
        else:
            mail.is_said = True
            self._transport.write(_stuffed(mail.content) + b".\r\n")

    def _forget(self, mail: _Mail, refused: Said) -> None:
        """Let the server forget the mail it refused. One that wants the mail all the same gets an empty one.

        It has no recipient then, so that nobody gets it (RFC 2920 3.1).
        """
        has_begun = mail.codes[-1] == GO_ON
        mail.refused, mail.to_forget = refused, 2 if has_begun else 1
        self._transport.write(b".\r\nRSET\r\n" if has_begun else b"RSET\r\n")

    def _end(self, said: Said | None) -> None:
        if self._mail is not None and not self._mail.outcome.done():
            self._mail.outcome.set_result(said)
        self._mail = None

    def _lose_patience(self) -> None:
        """Cut the line when an envelope takes too long. One timer serves many mails: most end long before it rings."""
        self._timer = None
        mail = self._mail
        if mail is None or mail.is_said:
            return
        if self._loop.time() < mail.patient_until:
            self._timer = self._loop.call_at(mail.patient_until, self._lose_patience)
        else:
            self.cut()


def _stuffed(content: bytes) -> bytes:
    return _DOT.sub(b"..", content) if content.startswith(b".") or b"\n." in content else content
