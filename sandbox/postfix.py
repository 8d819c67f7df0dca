"""A real mail server on loopback: Postfix from Debian, with a configuration, a queue and mailboxes of its own.

The machine's own Postfix is neither read nor changed. It needs root, as Postfix does.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.world import free_port

MASTER = Path("/usr/lib/postfix/sbin/master")
GONE = "gone"  # an address that is forwarded to one which is no more: its mail is accepted, and comes back
HERE = ("example.org", "example.net")
_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
disable_dns_lookups = yes
default_transport = error:5.4.4 only this machine is the world
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {boxes} }}, regexp:{folder}/returns
virtual_alias_maps = inline:{{ {gone}@example.org=nobody@gone.test }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = inline:{{ gone.test=error:5.1.1 }}
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
bounce_notice_recipient = postmaster@example.net
"""
_RETURNS = "/^(b|u)\\+.*@example\\.net$/ returned/\n"
_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Use as a context manager. Mail to ``NAME@example.org`` lands in that one of ``boxes``; to ``gone@`` it is taken
    and comes back; to others it is refused. What comes back to ``@example.net`` lands in ``returned``.
    """

    def __init__(self, folder: Path, boxes: Iterable[str]) -> None:
        self._folder = folder
        self._boxes = ", ".join(f"{name}@example.org={name}/" for name in boxes)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address for ``PORTAL_SMTP_URL``."""
        return f"smtp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        account = pwd.getpwnam("nobody")
        for name in ("queue", "data", "mail", "conf"):
            (self._folder / name).mkdir(parents=True)
        shutil.chown(self._folder / "mail", "nobody")
        shutil.chown(self._folder / "data", "postfix")
        given = {"folder": self._folder, "uid": account.pw_uid, "gid": account.pw_gid, "gone": GONE, "port": self.port}
        conf = self._folder / "conf"
        (conf / "main.cf").write_text(_MAIN.format(domains=", ".join(HERE), boxes=self._boxes, **given))
        (conf / "master.cf").write_text(_SERVICES.format(**given))
        (self._folder / "returns").write_text(_RETURNS)
        self._postfix("check")
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([MASTER, "-c", conf, "-s"], stdout=quiet, stderr=quiet)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def mails(self, box: str) -> list[EmailMessage]:
        """Return what lies in a mailbox, as it was delivered, oldest first."""
        folder = self._folder / "mail" / box / "new"
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns) if folder.is_dir() else []
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]

    def raw(self, box: str) -> list[bytes]:
        """Return the bytes of what lies in a mailbox."""
        folder = self._folder / "mail" / box / "new"
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []

    def log(self) -> str:
        """Return what it logged."""
        path = self._folder / "mail.log"
        return path.read_text() if path.exists() else ""

    def _postfix(self, word: str) -> None:
        environ = {**os.environ, "MAIL_CONFIG": str(self._folder / "conf")}
        command = ["/usr/sbin/postfix", "-c", str(self._folder / "conf"), word]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"postfix {word}: {done.stdout}{done.stderr}")
