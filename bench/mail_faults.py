"""What a mail server can do wrong, played by Postfix's ``smtp-sink``: ``python -m bench.mail_faults``.

The table is that of reference/messaging.md 3, with what our mail makes of each row: refused for good, refused for now,
or in doubt. Each row is played with and without PIPELINING.
"""

import asyncio
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.bench_messaging import tool
from messaging.channels.base import OutcomeUnknown, Outgoing, Refused
from messaging.channels.smtp import SmtpMail
from messaging.return_addresses import ReturnAddresses
from sandbox.instance import ended_in_order
from sandbox.world import free_port
from tracking.clocks import SystemClock

TIMEOUT_S = 1.5
FOR_GOOD, FOR_NOW, DOUBT, SENT = "refused for good", "refused for now", "in doubt", "sent"
ROWS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), SENT),
    (("-f", "rcpt"), FOR_GOOD),
    (("-r", "rcpt"), FOR_NOW),
    (("-r", "mail"), FOR_NOW),
    (("-r", "data"), FOR_NOW),
    (("-f", "."), FOR_GOOD),
    (("-r", "."), FOR_NOW),
    (("-Q", "."), FOR_NOW),
    (("-q", "ehlo,helo"), FOR_NOW),
    (("-q", "mail"), FOR_NOW),
    (("-q", "rcpt"), FOR_NOW),
    (("-q", "data"), FOR_NOW),  # aiosmtplib's exception cannot tell this from the next one; our talk can
    (("-q", "."), DOUBT),
    (("-W", ".:20"), DOUBT),
    (("-W", "connect:20"), FOR_NOW),
    (("-W", "rcpt:20"), FOR_NOW),
)


@contextmanager
def sink(*words: str) -> Iterator[int]:
    """Run ``smtp-sink`` with these options; yield its port."""
    port = free_port()
    user = pwd.getpwnam("nobody").pw_name
    command = [tool("smtp-sink"), "-u", user, *words, f"127.0.0.1:{port}", "10"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait_for(port)
            yield port
        finally:
            running.kill()


def _wait_for(port: int) -> None:
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


async def outcome(port: int) -> str:
    """Send one mail as the sender does, within its timeout, and say what it came to."""
    mail = SmtpMail(
        url=f"smtp://127.0.0.1:{port}",
        mail_from="deliveries@example.net",
        company_name="Juniper",
        reply_to="",
        send_timeout_s=TIMEOUT_S,
        clock=SystemClock(),
        returns=ReturnAddresses(["key"], "example.net"),
    )
    letter = Outgoing("0" * 32, "anna@example.org", "Hello", 60, subject="Hello", html="<p>Hello</p>")
    try:
        await asyncio.wait_for(mail.send(letter), TIMEOUT_S)
    except Refused as refused:
        return FOR_GOOD if refused.permanent else FOR_NOW
    except (OutcomeUnknown, TimeoutError):
        return DOUBT
    finally:
        await mail.close()
    return SENT


def play(rows: Sequence[tuple[tuple[str, ...], str]]) -> list[str]:
    """Play rows; return what is wrong."""
    wrong = []
    for words, expected in rows:
        for pipelining in ((), ("-p",)):
            with sink(*words, *pipelining) as port:
                came = asyncio.run(outcome(port))
            told = f"smtp-sink {' '.join((*words, *pipelining))}: {came}"
            print(told, flush=True)
            if came != expected:
                wrong.append(f"{told}, not {expected}")
    return wrong


def main() -> int:
    """Play the table; 0 when every row came out as it should."""
    with ended_in_order():
        wrong = play(ROWS)
    print(f"{2 * len(ROWS)} rows, {len(wrong)} wrong")
    for told in wrong:
        print("WRONG", told)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
