"""Webhooks under fire: ``python -m bench.webhooks [--requests N] [--forgeries N] [--genuine N]``.

The real application, called in this process. Fuzzed requests must never be answered with 5xx, forgeries never be
accepted or change the record, and what npm's ``twilio`` has signed must always be accepted.
"""

import argparse
import io
import json
import logging
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

import structlog
from flask import Flask
from sqlalchemy import event, func, select

from bench import webhook_tricks as tricks
from bench.webhook_requests import ACCOUNT, CURRENT, OLD, PUBLIC_URL, Request
from messaging.inbound import InboundMessage
from messaging.receipts import Receipt
from portal.app import create_app
from portal.services import Services, build
from portal.settings import read_settings
from sandbox.instance import ended_in_order
from sandbox.world import start_valkey
from tracking.storage import Base

ROOT = Path(__file__).parent.parent
# What Twilio posts, by the SDK of another language. argv: how many, token, URL.
NODE = """
const twilio = require('twilio'); const crypto = require('crypto');
const [count, token, base] = process.argv.slice(1);
const words = ['hello', 'señora', 'Straße 7', '配達', '🚚 👋', 'a&b=c', '1+1=2', '100%', 'line\\nbreak', '', 'ÆØÅ'];
const pick = (list) => list[crypto.randomInt(list.length)];
const hex = (bytes) => crypto.randomBytes(bytes).toString('hex');
const out = [];
for (let i = 0; i < Number(count); i++) {
  const isStatus = i % 2 === 0;
  const form = {AccountSid: 'AC' + '0'.repeat(32), MessageSid: 'SM' + hex(16), From: '+12015550' + (100 + i % 100),
    To: '+12125550100', ApiVersion: '2010-04-01', NumMedia: '0', ['Future' + i]: pick(words)};
  if (isStatus) form.MessageStatus = pick(['queued', 'sent', 'delivered', 'undelivered', 'failed', 'teleported']);
  else form.Body = Array.from({length: 1 + i % 5}, () => pick(words)).join(' ');
  const path = isStatus ? '/webhooks/twilio/status?m=' + hex(16) : '/webhooks/twilio/inbound';
  out.push({path, form, signature: twilio.getExpectedTwilioSignature(token, base + path, form)});
}
process.stdout.write(JSON.stringify(out));
"""


class Gate:
    """The application and its record."""

    def __init__(self, services: Services, app: Flask) -> None:
        self._services, self._app = services, app
        self.times_s: list[float] = []

    def answer(self, request: Request) -> int:
        """Return the status the application answers with; 599 when it raises."""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path.encode("utf-8", "surrogatepass").decode("latin-1"),
            "QUERY_STRING": request.query.encode("utf-8", "surrogatepass").decode("latin-1"),
            "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "HTTP_HOST": "track.example.com",
            "CONTENT_LENGTH": str(len(request.body)) if request.length is None else request.length,
        }
        if request.content_type is not None:
            environ["CONTENT_TYPE"] = request.content_type
        for name, value in request.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value.encode("utf-8", "replace").decode("latin-1")
        statuses: list[str] = []

        def begin(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
            statuses.append(status)
            return lambda _data: None

        began_s = perf_counter()
        try:
            answer: Any = self._app.wsgi_app(environ, begin)
            b"".join(answer)
            getattr(answer, "close", lambda: None)()
        except Exception:
            return 599
        finally:
            self.times_s.append(perf_counter() - began_s)
        return int(statuses[-1][:3])

    def kept(self) -> tuple[int, int]:
        """Return how many receipts and inbound texts the record has."""
        with self._services.database.reading() as session:
            counts = [session.scalar(select(func.count()).select_from(table)) for table in (Receipt, InboundMessage)]
        return counts[0] or 0, counts[1] or 0


@contextmanager
def gate(folder: Path, redis_url: str) -> Iterator[Gate]:
    """Build the application on an empty record. A token was retired, and the old one is still within its rotation."""
    settings = {
        "PORTAL_DATABASE_URL": f"sqlite:///{folder / 'portal.db'}",
        "PORTAL_REDIS_URL": redis_url,
        "PORTAL_SECRET_KEYS": "webhook-key-0123456789abcdef0123456789abcdef",
        "PORTAL_PUBLIC_URL": PUBLIC_URL,
        "PORTAL_DATA_DIR": str(folder / "data"),
        "PORTAL_TWILIO_ACCOUNT_SID": ACCOUNT,
        "PORTAL_TWILIO_AUTH_TOKENS": f"{OLD},{CURRENT}",
        "PORTAL_SMS_FROM": "+12125550100",
        "PORTAL_SMTP_URL": "smtp://127.0.0.1:9",
        "PORTAL_MAIL_FROM": "deliveries@example.net",
        "PORTAL_COMPANY_NAME": "Juniper & Sons",
    }
    services = build(read_settings(settings))
    event.listen(services.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    Base.metadata.create_all(services.database.engine)
    yield Gate(services, create_app(services))
    services.database.close()
    services.redis.close()


def genuine(rng: random.Random) -> Request:
    """Return one request as Twilio would send it, unsigned."""
    sid = "SM" + rng.randbytes(16).hex()
    form = {"MessageSid": sid, "AccountSid": ACCOUNT, "From": f"+1201555{rng.randrange(10_000):04d}"}
    form |= {"To": "+12125550100", "ApiVersion": "2010-04-01", "SmsSid": sid}
    if rng.random() < 0.5:
        form["MessageStatus"] = rng.choice(["sent", "delivered", "undelivered", "failed", "queued"])
        return Request("/webhooks/twilio/status", f"m={rng.randbytes(16).hex()}", urlencode(form).encode())
    form |= {"Body": tricks.words(rng), "NumMedia": "0"}
    return Request("/webhooks/twilio/inbound", "", urlencode(form).encode())


def fuzz(at: Gate, count: int, rng: random.Random) -> Counter[int]:
    """Send ``count`` broken requests; return how often each status came back."""
    answers: Counter[int] = Counter()
    for _ in range(count):
        request = genuine(rng)
        signs_last = rng.random() < 0.3  # most of what is strange should get past the signature now and then
        if not signs_last:
            request = request.signed()
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            request = tricks.broken(request, rng)
        answers[at.answer(request.signed() if signs_last else request)] += 1
    return answers


def forge(at: Gate, count: int, rng: random.Random) -> tuple[Counter[str], Counter[str]]:
    """Send ``count`` forgeries of each kind in turn; return how many were tried, and how many had an effect."""
    tried, accepted = Counter[str](), Counter[str]()
    for number in range(count):
        name, forgery = tricks.FORGERIES[number % len(tricks.FORGERIES)]
        original = genuine(rng)
        if name == "replay":
            at.answer(original.signed())
        before = at.kept()
        status = at.answer(forgery(original, rng))
        tried[name] += 1
        has_changed = at.kept() != before
        accepted[name] += has_changed or (name != "replay" and status < 400) or status >= 500
    return tried, accepted


def signed_by_node(count: int) -> list[Request]:
    """Return requests signed by npm's ``twilio``."""
    command = ["node", "-e", NODE, str(count), CURRENT, PUBLIC_URL]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    found = []
    for told in json.loads(done.stdout):
        path, _, query = told["path"].partition("?")
        signature = {"X-Twilio-Signature": told["signature"]}
        found.append(Request(path, query, urlencode(told["form"]).encode(), headers=signature))
    return found


def main() -> int:
    """Run all three; 0 when they hold."""
    parser = argparse.ArgumentParser(prog="bench.webhooks", description="Webhooks under fire.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--forgeries", type=int, default=10_000)
    parser.add_argument("--genuine", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with ExitStack() as stack:
        stack.enter_context(ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="webhooks-")))
        at = stack.enter_context(gate(folder, stack.enter_context(start_valkey(folder / "valkey"))))
        answers = fuzz(at, options.requests, rng)
        times_s = sorted(at.times_s)
        tried, accepted = forge(at, options.forgeries, rng)
        true = Counter(at.answer(request) for request in signed_by_node(options.genuine))
    failed = sum(count for status, count in answers.items() if status >= 500)
    print(f"fuzzed    {options.requests}: {dict(sorted(answers.items()))}; 5xx {failed}", end="; ")
    print(f"p99 {1000 * times_s[int(len(times_s) * 0.99)]:.1f} ms")
    print(f"forgeries {sum(tried.values())}: {dict(tried)}; accepted {sum(accepted.values())} {dict(+accepted)}")
    print(f"genuine   {options.genuine} signed by npm's twilio: {dict(true)}")
    return 1 if failed or +accepted or any(status >= 300 for status in true) else 0


if __name__ == "__main__":
    sys.exit(main())
