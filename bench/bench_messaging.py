"""How fast messages leave, as ratios to anchors of the same minute: ``python -m bench.bench_messaging [PART ...]``.

Parts: ``twilio`` (our client against raw aiohttp, same server), ``smtp`` (our mail against Postfix's ``smtp-source``,
same ``smtp-sink``), ``rq`` (a batch through RQ against one job a message, and against the same sender without RQ),
``evening`` (processor time of a ``day_before``; no goal). Each round runs anchor and subject one after the other; the
median of the rounds counts (reference/performance.md). Each goal gets a line with its verdict.
"""

import argparse
import asyncio
import base64
import multiprocessing
import pwd
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode

from aiohttp import ClientSession, TCPConnector
from redis import Redis

from bench import messaging_evening, messaging_stub
from bench.messaging_jobs import BATCH, ONE_BY_ONE, WITHOUT_RQ, Outbox
from messaging.channels.base import Outgoing
from messaging.channels.smtp import CONNECTIONS, SmtpMail
from messaging.channels.twilio import AT_ONCE, TwilioSms
from messaging.kinds import Channel
from messaging.return_addresses import ReturnAddresses
from sandbox.instance import ended_in_order
from sandbox.world import free_port, is_free, start_valkey
from tracking.clocks import SystemClock

ACCOUNT, TOKEN = "AC" + "0" * 32, "token"
BODY = "Juniper & Sons: your delivery comes tomorrow, Thursday, between 10:00 AM and 12:00 PM. Follow it here: "
HTML = "<!doctype html><html><body>" + "<p>Your delivery comes tomorrow, Thursday.</p>" * 30 + "</body></html>"
LATENCY_S = 0.1  # of a provider, in part ``rq`` (our assumption: Twilio's create takes about that)
Round = Callable[[], float]  # runs once, returns messages a second


def outgoing(number: int, to: str, *, html: str = "") -> Outgoing:
    """Return one message."""
    return Outgoing(
        f"{number:032x}",
        to,
        f"{BODY}https://track.example.com/t/{number:034d}",
        36_000,
        subject="Your delivery comes tomorrow, Thursday",
        html=html,
        unsubscribe_url="https://track.example.com/u/abcdefghijk.0123456789abcdefghijkl" if html else "",
    )


def compare(name: str, subject: Round, anchor: Round, *, rounds: int, goal: float) -> bool:
    """Run subject and anchor in turn; print the ratio and whether it reaches its goal."""
    pairs = [(anchor(), subject()) for _ in range(rounds)]
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    rates = "; ".join(f"{mine:,.0f} against {theirs:,.0f}" for theirs, mine in pairs)
    verdict = "MET" if ratio >= goal else "MISSED"
    print(f"{verdict}  {name}: {ratio:.2f}x (goal {goal}x), median of {rounds}: messages a second {rates}", flush=True)
    return ratio >= goal


@contextmanager
def twilio_stub(latency_s: float) -> Iterator[str]:
    """Run a server that accepts every message, in a process of its own; yield its address."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=messaging_stub.serve, args=(port, latency_s))
    server.start()
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.join()


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Run Postfix's sink; yield its port."""
    port = free_port()
    command = [tool("smtp-sink"), "-u", pwd.getpwnam("nobody").pw_name, f"127.0.0.1:{port}", "1000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sink:
        try:
            _wait_for(port)
            yield port
        finally:
            sink.terminate()


def _wait_for(port: int) -> None:
    while is_free(port):
        time.sleep(0.02)
    with socket.create_connection(("127.0.0.1", port)):
        return


def tool(name: str) -> str:
    """Return the path of one of Postfix's tools; exits with a sentence where it is not here."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/lib/postfix/sbin")
    if found is None:
        sys.exit(f"{name} is not here: it comes with Debian's package postfix (tests/provide_mail_tools.sh)")
    return found


def bench_twilio(count: int, rounds: int) -> bool:
    """Twilio's create by our client against raw aiohttp, as many side by side."""
    with twilio_stub(0.0) as url:
        return compare(
            f"Twilio create, {AT_ONCE} at once, against raw aiohttp",
            lambda: asyncio.run(_texts(url, count)),
            lambda: asyncio.run(_raw_texts(url, count)),
            rounds=rounds,
            goal=0.7,
        )


async def _texts(url: str, count: int) -> float:
    way = TwilioSms(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        sender="+12125550100",
        messaging_service_sid=None,
        public_url="https://track.example.com",
        api_url=url,
        send_timeout_s=10.0,
    )
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with room:
            await way.send(outgoing(number, "+12015550111"))

    try:
        return await _rate(one, count)
    finally:
        await way.close()


async def _raw_texts(url: str, count: int) -> float:
    path = f"{url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    login = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    headers = {"Authorization": login, "Content-Type": "application/x-www-form-urlencoded"}
    room = asyncio.Semaphore(AT_ONCE)
    async with ClientSession(connector=TCPConnector(limit=AT_ONCE)) as session:

        async def one(number: int) -> None:
            message = outgoing(number, "+12015550111")
            callback = f"https://track.example.com/webhooks/twilio/status?m={message.reference}"
            form = {"To": message.to, "From": "+12125550100", "Body": message.body, "StatusCallback": callback}
            async with room, session.post(path, data=urlencode(form), headers=headers) as answer:
                assert answer.status == 201
                await answer.json()

        return await _rate(one, count)


async def _rate(one: Callable[[int], Awaitable[None]], count: int) -> float:
    """Do ``one`` so often side by side, after a few to warm up; return how many a second."""
    await asyncio.gather(*(one(number) for number in range(AT_ONCE)))
    began_s = perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    return count / (perf_counter() - began_s)


def bench_smtp(count: int, rounds: int) -> bool:
    """Our mail, built and said, against ``smtp-source`` saying the same number of bytes on as many connections."""
    size = len(asyncio.run(_letter()))
    with smtp_sink() as port:
        return compare(
            f"SMTP, {CONNECTIONS} connections, mails of {size} bytes, against smtp-source -d",
            lambda: asyncio.run(_mails(port, count)),
            lambda: _source(port, count * 4, size),
            rounds=rounds,
            goal=0.25,
        )


def _way(port: int) -> SmtpMail:
    return SmtpMail(
        url=f"smtp://127.0.0.1:{port}",
        mail_from="deliveries@example.net",
        company_name="Juniper & Sons",
        reply_to="help@example.net",
        send_timeout_s=10.0,
        clock=SystemClock(),
        returns=ReturnAddresses(["key"], "example.net"),
    )


async def _letter() -> bytes:
    return _way(9).build(outgoing(1, "anna@example.org", html=HTML))


async def _mails(port: int, count: int) -> float:
    way = _way(port)
    room = asyncio.Semaphore(CONNECTIONS)

    async def one(number: int) -> None:
        async with room:
            await way.send(outgoing(number, f"r{number}@example.org", html=HTML))

    try:
        return await _rate(one, count)
    finally:
        await way.close()


def _source(port: int, count: int, size: int) -> float:
    command = [tool("smtp-source"), "-d", "-s", str(CONNECTIONS), "-m", str(count), "-l", str(size)]
    began_s = perf_counter()
    subprocess.run([*command, "-f", "d@example.net", "-t", "r@example.org", f"127.0.0.1:{port}"], check=True)
    return count / (perf_counter() - began_s)


def bench_rq(count: int, rounds: int) -> bool:
    """The worker's own job, against one job a message, and against the same sender called without RQ."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-rq-")))
        url = stack.enter_context(twilio_stub(LATENCY_S))
        redis_url = stack.enter_context(start_valkey(folder / "valkey"))
        outbox = Outbox(folder, redis_url, url)
        redis = stack.enter_context(Redis.from_url(redis_url))
        few = max(20, count // 40)
        is_met = compare(
            f"batch through RQ against one RQ job a message, a provider that takes {LATENCY_S * 1000:.0f} ms",
            lambda: outbox.rate(count, BATCH, redis),
            lambda: outbox.rate(few, ONE_BY_ONE, redis),
            rounds=rounds,
            goal=50.0,
        )
        is_met &= compare(
            "batch through RQ against the same sender without RQ",
            lambda: outbox.rate(count, BATCH, redis),
            lambda: outbox.rate(count, WITHOUT_RQ, redis),
            rounds=rounds,
            goal=0.8,
        )
    return is_met


def bench_evening(count: int, rounds: int) -> bool:
    """Print what a ``day_before`` costs the sender; processor time hardly depends on who else works on the machine."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-eve-")))
        url, port = stack.enter_context(twilio_stub(0.0)), stack.enter_context(smtp_sink())
        environ = Outbox(folder, stack.enter_context(start_valkey(folder / "valkey")), url).environ
        took_ms: dict[Channel, list[float]] = {channel: [] for channel in Channel}
        for number in range(rounds):
            record = f"sqlite:///{folder / f'eve-{number}.db'}"
            mine = {**environ, "PORTAL_DATABASE_URL": record, "PORTAL_SMTP_URL": f"smtp://127.0.0.1:{port}"}
            messaging_evening.plan(mine, count)
            for channel, costs in took_ms.items():
                costs.append(messaging_evening.cost_ms(mine, channel))
        told = ", ".join(f"{channel.value} {statistics.median(costs):.2f} ms" for channel, costs in took_ms.items())
        print(f"-    a day_before costs the sender, in processor time: {told} (median of {rounds})", flush=True)
    return True


PARTS = {
    "twilio": (bench_twilio, 3_000),
    "smtp": (bench_smtp, 6_000),
    "rq": (bench_rq, 2_000),
    "evening": (bench_evening, 1_000),
}


def main() -> int:
    """Run the parts that were named, or all; 0 when every goal is met."""
    parser = argparse.ArgumentParser(prog="bench.bench_messaging", description="How fast messages leave.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the messages of a full run")
    options = parser.parse_args()
    with ended_in_order():
        met = [
            bench(int(count * options.share), options.rounds)
            for name, (bench, count) in PARTS.items()
            if not options.parts or name in options.parts
        ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
