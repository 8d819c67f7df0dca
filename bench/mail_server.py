"""Mail from end to end through a real server: ``python -m bench.mail_server``.

The whole product sends through Postfix. What reached the mailboxes is read from there. One recipient is refused at
once; the mail of another is accepted and comes back to its return address, and is given to ``portal bounce`` as a
server's pipe would give it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path

from sqlalchemy import select

from bench import chaos_day
from messaging.channels.letters import message_id
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from portal.services import build
from portal.settings import read_settings
from sandbox.instance import Instance, ended_in_order
from sandbox.machine import monotonic_s
from sandbox.postfix import GONE, Postfix

BOXES = ("r0", "r1", "r2")
REFUSED = "r3"
TIMEOUT_S = 60.0


def main() -> int:
    """Send one evening's mails; 0 when each ended as it should."""
    with ExitStack() as stack:
        stack.enter_context(ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mail-", dir="/tmp")))
        folder.chmod(0o755)  # Postfix' delivery runs as nobody
        server = stack.enter_context(Postfix(folder / "postfix", BOXES))
        settings = {"PORTAL_SMTP_URL": server.url, "PORTAL_BOUNCE_DOMAIN": "example.net"}
        instance = stack.enter_context(Instance(folder / "portal", day=chaos_day.EVE, settings=settings))
        (data,) = chaos_day.route_files(len(BOXES) + 2)
        gone = data.replace(b"r4@example.net", GONE.encode() + b"@example.org")
        (folder / "route.csv").write_bytes(gone.replace(b"@example.net", b"@example.org"))
        instance.run("routes", "import", str(folder / "route.csv"))
        wrong = judge(instance, server)
    for told in wrong:
        print("WRONG", told)
    print("a real mail server, end to end:", "holds" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


def judge(instance: Instance, server: Postfix) -> list[str]:
    """Wait for what should happen; return what did not."""
    wrong: list[str] = []

    def expect(what: str, holds: Callable[[], bool]) -> None:
        deadline = monotonic_s() + TIMEOUT_S
        while not holds() and monotonic_s() < deadline:
            time.sleep(0.1)
        print(("yes   " if holds() else "NO    ") + what, flush=True)
        if not holds():
            wrong.append(what)

    for box in BOXES:
        expect(f"one mail in the box of {box}", lambda box=box: len(server.mails(box)) == 1)  # type: ignore[misc]
    expect("it has its own Message-ID, both parts and both unsubscribe headers", lambda: _is_whole(instance, server))
    expect("who is refused at once is failed", lambda: _state(instance, f"{REFUSED}@example.org") == "failed")
    expect("what comes back lies at its return address", lambda: len(server.raw("returned")) == 1)
    expect("until then it counts as sent", lambda: _state(instance, f"{GONE}@example.org") == "sent")
    for raw in server.raw("returned"):
        to = server.mails("returned")[0]["Delivered-To"]
        words = [sys.executable, "-m", "portal.cli", "bounce", "--recipient", str(to), "--sender", ""]
        subprocess.run(words, input=raw, env=instance.environ, check=True)
    expect("after it, as undelivered", lambda: _state(instance, f"{GONE}@example.org") == "undelivered")
    expect("nothing was said twice", lambda: all(len(server.mails(box)) == 1 for box in BOXES))
    return wrong


def _is_whole(instance: Instance, server: Postfix) -> bool:
    (mail, *_) = server.mails(BOXES[0]) or [EmailMessage()]
    services = build(read_settings(instance.environ))
    with services.database.reading() as session:
        found = select(Notification.id).where(Notification.to_address == f"{BOXES[0]}@example.org")
        reference = session.scalar(found) or ""
    services.database.close()
    parts = [part.get_content_type() for part in mail.iter_parts()] if mail.is_multipart() else []
    return (
        mail["Message-ID"] == message_id(reference, "example.net")
        and parts == ["text/plain", "text/html"]
        and "mailto:u+" in mail["List-Unsubscribe"]
        and mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        and str(mail["Return-Path"]).startswith(f"<b+{reference}-")
    )


def _state(instance: Instance, address: str) -> str:
    services = build(read_settings(instance.environ))
    with services.database.reading() as session:
        kinds = Notification.kind == Kind.DAY_BEFORE, Notification.channel == Channel.EMAIL
        state = session.scalar(select(Notification.status).where(Notification.to_address == address, *kinds))
    services.database.close()
    return "" if state is None else str(state)


if __name__ == "__main__":
    sys.exit(main())
