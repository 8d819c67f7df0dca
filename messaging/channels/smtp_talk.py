"""The talk with a mail server on an open connection: envelope, mail, answer.

Connecting, TLS and login are aiosmtplib's. The talk is ours, for two reasons: it asks everything before the mail in one
write where the server allows it (PIPELINING, RFC 2920), and it knows to the byte whether the mail can have been taken.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

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


class Talk(asyncio.Protocol):
    """One connection, on which one mail is handed over at a time."""

    def __init__(self, transport: asyncio.Transport, *, pipelines: bool) -> None:
        self._transport, self._pipelines = transport, pipelines
        self._buffer = b""
        self._replies: deque[int] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.is_open = True
        transport.set_protocol(self)

    async def hand_over(
        self, *, sender: str, to: str, content: bytes, may_say: Callable[[], bool], patience_s: float
    ) -> Said | None:
        """Say one mail and return what the server made of it; None, and the line is cut, when ``may_say`` says no.

        ``may_say`` is asked right before the mail's own bytes. What comes before them may take ``patience_s`` seconds.
        Raises ``HungUp``. Whoever cancels this must cut the line.
        """
        try:
            async with asyncio.timeout(patience_s):
                refused = await self._ask(f"MAIL FROM:<{sender}>\r\n", f"RCPT TO:<{to}>\r\n", "DATA\r\n")
        except TimeoutError:
            self.cut()
            raise HungUp(is_said=False) from None
        if refused is not None:
            return refused
        if not may_say():
            self.cut()  # a mail without its last dot is no mail
            return None
        if content.startswith(b".") or b"\n." in content:
            content = _DOT.sub(b"..", content)
        self._transport.write(content + b".\r\n")
        return Said(await self._reply(is_said=True))

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

    async def _ask(self, *lines: str) -> Said | None:
        """Say the envelope, our address first; return the first refusal, after the server has forgotten the mail."""
        codes: list[int] = []
        if self._pipelines:
            self._transport.write("".join(lines).encode())
            codes = [await self._reply(is_said=False) for _ in lines]
        else:
            for line in lines:
                self._transport.write(line.encode())
                codes.append(await self._reply(is_said=False))
                if codes[-1] >= 400:
                    break
        refused = next((Said(code, at == 0) for at, code in enumerate(codes) if code >= 400), None)
        if refused is not None:
            await self._forget(has_begun=codes[-1] == GO_ON)
        elif codes[-1] != GO_ON:
            self.cut()
            raise HungUp(is_said=False)
        return refused

    async def _forget(self, *, has_begun: bool) -> None:
        """Let the server forget the mail it refused. One that wants the mail all the same gets an empty one.

        It has no recipient then, so that nobody gets it (RFC 2920 3.1).
        """
        try:
            if has_begun:
                self._transport.write(b".\r\n")
                await self._reply(is_said=False)
            self._transport.write(b"RSET\r\n")
            await self._reply(is_said=False)
        except HungUp:
            self.is_open = False

    async def _reply(self, *, is_said: bool) -> int:
        while not self._replies:
            if not self.is_open:
                raise HungUp(is_said=is_said)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._replies.popleft()

    def data_received(self, data: bytes) -> None:
        """Take what the server says, line by line; a reply of several lines counts with its last."""
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            told = _REPLY.match(line)
            if told is None or len(self._buffer) > LONGEST_REPLY:
                self.cut()
            elif told[2] != b"-":
                self._replies.append(int(told[1]))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.is_open = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
