"""Mail against a server that reads from a script: which answer, silence or hang-up means what."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from messaging.channels.base import LATE, Handed, OutcomeUnknown, Outgoing, Refused
from messaging.channels.smtp import SmtpMail
from messaging.return_addresses import ReturnAddresses
from tests.builders import local
from tracking.clocks import SetClock

LETTER = Outgoing("0" * 31 + "7", "anna@example.org", "Hello\n.dot", 60, subject="Hello")
Script = Callable[[str], str | None]  # what is said -> the answer; None: hang up
SILENCE = ""
UNHURRIED_S = 60.0  # the tests' own machine may be slow


class Server:
    """Answers each command as ``script`` says. ``said`` is what it heard, ``mails`` what came before each last dot."""

    def __init__(self, script: Script, *, pipelines: bool) -> None:
        self._script, self._pipelines = script, pipelines
        self.said: list[str] = []
        self.mails: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""
        self.connections += 1
        try:
            writer.write(b"220 hello\r\n")
            while line := (await reader.readline()).decode().strip():
                if not await self._answer(line, reader, writer):
                    break
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _answer(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if line.startswith("EHLO"):
            writer.write(b"250-here\r\n250 PIPELINING\r\n" if self._pipelines else b"250 here\r\n")
            return True
        self.said.append(line)
        answer = self._script(line.split(" ")[0])
        if answer is None:
            return False
        if answer == SILENCE:
            return True
        writer.write(answer.encode() + b"\r\n")
        if not answer.startswith("354"):
            return True
        await writer.drain()
        mail = ""
        while not (mail == ".\r\n" or mail.endswith("\r\n.\r\n")):
            heard = await reader.readline()
            if not heard:
                return False  # hung up in the middle of a mail: it does not count
            mail += heard.decode()
        self.mails.append(mail)
        answer = self._script(".")
        if answer is None:
            return False
        writer.write(answer.encode() + b"\r\n")
        return True


def scripted(**answers: str | None) -> Script:
    given: dict[str, str | None] = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "DOT": "250 kept"}
    given |= {"RSET": "250 ok", "QUIT": "221 bye"} | answers
    return lambda word: given["DOT" if word == "." else word]


def played(
    script: Script,
    act: Callable[[SmtpMail], Awaitable[object]],
    *,
    pipelines: bool = True,
    send_timeout_s: float = UNHURRIED_S,
) -> tuple[object, Server]:
    """Return what ``act`` came to, or what it raised, and the server."""
    server = Server(script, pipelines=pipelines)

    async def play() -> object:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        mail = SmtpMail(
            url=f"smtp://127.0.0.1:{port}",
            mail_from="d@example.net",
            company_name="Juniper",
            reply_to="",
            send_timeout_s=send_timeout_s,
            clock=SetClock(local("12:00")),
            returns=ReturnAddresses(["key"], "example.net"),
        )
        try:
            return await act(mail)
        except (Refused, OutcomeUnknown) as outcome:
            return outcome
        finally:
            await mail.close()
            listening.close()

    return asyncio.run(play()), server


def once(mail: SmtpMail) -> Awaitable[object]:
    return mail.send(LETTER)


async def twice(mail: SmtpMail) -> object:
    return [await mail.send(LETTER), await mail.send(LETTER)]


@pytest.mark.parametrize("pipelines", [True, False])
def test_a_mail_is_said_whole_and_its_dots_are_kept(pipelines: bool) -> None:
    came, server = played(scripted(), once, pipelines=pipelines)

    assert isinstance(came, Handed)
    assert [line.split(" ")[0] for line in server.said][:3] == ["MAIL", "RCPT", "DATA"]
    assert "\r\n..dot\r\n" in server.mails[0]


@pytest.mark.parametrize("pipelines", [True, False])
def test_a_connection_is_used_again(pipelines: bool) -> None:
    _, server = played(scripted(), twice, pipelines=pipelines)

    assert (server.connections, len(server.mails)) == (1, 2)


@pytest.mark.parametrize("pipelines", [True, False])
@pytest.mark.parametrize(
    ("answers", "code", "is_permanent"),
    [
        ({"MAIL": "451 later"}, "451", False),
        ({"RCPT": "550 who", "DATA": "503 nobody"}, "550", True),
        ({"RCPT": "550 who"}, "550", True),  # wants the mail all the same: gets an empty one, for nobody
        ({"RCPT": "450 later", "DATA": "554 nobody"}, "450", False),
        ({"DATA": "451 later"}, "451", False),
        ({"DOT": "554 no"}, "554", True),
        ({"DOT": "452 full"}, "452", False),
        ({"DOT": "421 closing"}, "421", False),
        ({"MAIL": "530 log in"}, "530", False),
        ({"MAIL": "550 5.4.5 daily quota exceeded"}, "550", False),
        ({"MAIL": None}, "disconnected", False),
        ({"RCPT": None}, "disconnected", False),
        ({"DATA": None}, "disconnected", False),
        ({"MAIL": "nonsense"}, "disconnected", False),
        ({"DATA": "250 what"}, "disconnected", False),
    ],
)
def test_a_refusal_says_whether_trying_again_can_help(
    answers: dict[str, str | None], code: str, is_permanent: bool, pipelines: bool
) -> None:
    came, server = played(scripted(**answers), once, pipelines=pipelines)

    assert isinstance(came, Refused)
    assert (came.code, came.permanent) == (code, is_permanent)
    assert not any("Message-ID" in mail for mail in server.mails) or "DOT" in answers


def test_silence_after_the_mail_is_doubt() -> None:
    came, _ = played(scripted(DOT=None), once)

    assert isinstance(came, OutcomeUnknown)


@pytest.mark.parametrize("last", ["421 too long idle", None])
def test_a_connection_that_was_closed_meanwhile_is_made_anew(last: str | None) -> None:
    answers = iter(["250 ok", last, "250 ok"])
    script = scripted()
    came, server = played(lambda word: next(answers) if word == "MAIL" else script(word), twice)

    assert isinstance(came, list)
    assert (server.connections, sum("Message-ID" in mail for mail in server.mails)) == (2, 2)


@pytest.mark.parametrize("pipelines", [True, False])
def test_who_says_goodbye_unasked_is_not_talked_to_again(pipelines: bool) -> None:
    came, server = played(scripted(DOT="250 kept\r\n421 bye"), twice, pipelines=pipelines)

    assert isinstance(came, list)
    assert (server.connections, len(server.mails)) == (2, 2)


@pytest.mark.parametrize("pipelines", [True, False])
@pytest.mark.parametrize("silent_at", [1, 2])
def test_silence_before_a_mail_is_no_doubt(silent_at: int, pipelines: bool) -> None:
    answers = iter(["250 ok"] * (silent_at - 1))
    script = scripted()

    came, server = played(
        lambda word: next(answers, SILENCE) if word == "RCPT" else script(word),
        twice,
        pipelines=pipelines,
        send_timeout_s=0.4,
    )

    assert isinstance(came, Refused)
    assert not came.permanent
    assert len(server.mails) < silent_at


def test_a_mail_whose_turn_came_too_late_is_not_said() -> None:
    async def late(mail: SmtpMail) -> object:
        return await mail.send(replace(LETTER, begin_by=asyncio.get_running_loop().time() - 1.0))

    came, server = played(scripted(), late)

    assert isinstance(came, Refused)
    assert (came.code, server.mails) == (LATE, [])
