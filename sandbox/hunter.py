"""A hunt for what is somebody else's: numbers, addresses and names in all that recipients and drivers can get.

While the day is played, every text and mail, every page, fragment and stream behind every link, and at the end every
line of the logs are searched. A recipient may see their own name and the driver's first name; a driver the names of
their own route; nobody anybody's number or mail address; the logs nothing of all that.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from sandbox.cast import Cast
from sandbox.day import Day, Route
from sandbox.outside import Outside
from sandbox.recipient import LINK

UNSUBSCRIBE_LINK = re.compile(r"https?://[^\s\"'<>]+/u/[A-Za-z0-9_.\-]+")
NUMBER = re.compile(r"\+?\d(?:[\s().-]{0,2}\d){9,14}")
NATIONAL_DIGITS = 10
REST_S = 3.0  # machine seconds between two rounds
STREAM_S = 0.7  # how long a stream is listened to: its snapshot comes at once
FRAGMENTS = ("", "/status", "/chat", "/place", "/messages", "/rating")
DAY_PAGES = ("", "news")
PROOF = re.compile(r"/t/[^\"'\s]+/proof/[0-9a-f]+")
STOP_PAGE = re.compile(r"/d/stops/[0-9a-f]+")
CHAT_PAGE = re.compile(r"/d/deliveries/[0-9a-f]+")


@dataclass(frozen=True)
class Reader:
    """Somebody who may see these names, and nothing else of anybody. ``name`` is only for the report."""

    name: str
    may_see: frozenset[str]


@dataclass(frozen=True)
class Finding:
    """``what`` stood where ``who`` could read it."""

    who: str
    where: str
    what: str


class Secrets:
    """Everything that is somebody's: full names, mail addresses, numbers."""

    def __init__(self, day: Day) -> None:
        drops = day.drops()
        self.names = {drop.person.name for drop in drops} | {route.driver for route in day.routes}
        self._mails = {drop.email.casefold() for drop in drops if drop.email}
        numbers = {drop.phone for drop in drops if drop.phone} | {route.driver_phone for route in day.routes}
        self._numbers = {number[-NATIONAL_DIGITS:]: number for number in numbers}

    def foreign_to(self, reader: Reader, text: str) -> Iterator[str]:
        """Yield what of others stands in ``text``."""
        folded = text.casefold()
        yield from (name for name in self.names - reader.may_see if name.casefold() in folded)
        yield from (mail for mail in self._mails if mail in folded)
        for found in NUMBER.finditer(text):
            digits = re.sub(r"\D", "", found[0])
            yield from (number for last, number in self._numbers.items() if last in digits)


class Hunter:
    """Reads along. ``run`` until cancelled, then ``finish`` once; ``findings`` is what stood where it must not."""

    def __init__(self, *, day: Day, cast: Cast, outside: Outside, logs: Path) -> None:
        self._cast, self._outside, self._logs = cast, outside, logs
        self._secrets = Secrets(day)
        self.findings: set[Finding] = set()
        self.searched: Counter[str] = Counter()
        self._read = 0
        self._links: dict[str, Reader] = {}
        self._readers = {address: reader for reader, addresses in _readers(day) for address in addresses if address}

    async def run(self) -> None:
        """Look at everything, again and again."""
        while True:
            await self.look()
            await asyncio.sleep(REST_S)

    async def finish(self) -> None:
        """Look once more, and at the logs."""
        await self.look()
        nobody = Reader("whoever reads the logs", frozenset())
        for path in sorted(self._logs.glob("*.log")):
            for line in path.read_text(errors="replace").splitlines():
                self._search(nobody, path.name, line, "log lines")

    async def look(self) -> None:
        """Search what was sent since, and what every link shows now."""
        self._read_messages()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as browser:
            for link, reader in list(self._links.items()):
                for part in FRAGMENTS if "/t/" in link else ("",):
                    shown = await self._fetch(browser, reader, link + part)
                    for proof in set(PROOF.findall(shown)):
                        await self._fetch(browser, reader, _origin(link) + proof)
                if "/t/" in link:
                    await self._listen(browser, reader, link + "/live")
        for driver in self._cast.drivers:
            await self._look_as(driver.route, driver.day_url, driver.visitor.session)

    def report(self) -> str:
        """Return what was searched and found."""
        searched = ", ".join(f"{count:,} {what}" for what, count in sorted(self.searched.items()))
        found = sorted(f"  {one.who} could read {one.what} at {one.where}" for one in self.findings)
        told = f"searched for others' numbers, addresses and names: {searched}"
        return "\n".join([told, f"found: {len(found)}", *found])

    def _read_messages(self) -> None:
        for entry in self._outside.journal.entries(after=self._read):
            self._read = entry["n"]
            if entry["event"] == "accepted":
                self._take(entry["to"], entry["body"], "texts")
            elif entry["event"] == "mail":
                self._take(entry["to"], "\n".join(str(value) for value in _wording(entry)), "mails")

    def _take(self, to: str, words: str, what: str) -> None:
        reader = self._readers.get(to)
        if reader is None:
            return
        self._search(reader, f"a message to {what}", words, what)
        for pattern in (LINK, UNSUBSCRIBE_LINK):
            self._links.update(dict.fromkeys(pattern.findall(words), reader))

    async def _look_as(self, route: Route, day_url: str, browser: aiohttp.ClientSession) -> None:
        if not day_url:
            return
        reader = self._readers[route.driver_phone]
        for page in DAY_PAGES:
            shown = await self._fetch(browser, reader, day_url + page)
            for path in sorted({*STOP_PAGE.findall(shown)}):
                stop = await self._fetch(browser, reader, _origin(day_url) + path)
                for chat in sorted({*CHAT_PAGE.findall(stop)}):
                    await self._fetch(browser, reader, f"{_origin(day_url)}{chat}/chat")

    async def _fetch(self, browser: aiohttp.ClientSession, reader: Reader, url: str) -> str:
        """Search one answer, its headers too, and return its text."""
        async with browser.get(url) as answer:
            body = await answer.read()
            text = body.decode(errors="replace")
            self._search(reader, _shape(url), f"{answer.headers}\n{text}", "answers")
            return text if answer.content_type == "text/html" else ""

    async def _listen(self, browser: aiohttp.ClientSession, reader: Reader, url: str) -> None:
        async with browser.get(url, headers={"Accept": "text/event-stream"}) as answer:
            heard = bytearray()
            try:
                async with asyncio.timeout(STREAM_S):
                    async for piece in answer.content.iter_any():
                        heard += piece
            except TimeoutError:
                self.searched["streams"] += 1
            self._search(reader, _shape(url), heard.decode(errors="replace"), "answers")

    def _search(self, reader: Reader, where: str, text: str, what: str) -> None:
        self.searched[what] += 1
        self.findings.update(Finding(reader.name, where, found) for found in self._secrets.foreign_to(reader, text))


def _readers(day: Day) -> Iterator[tuple[Reader, Iterable[str]]]:
    for drop in day.drops():
        yield Reader(drop.person.name, frozenset({drop.person.name})), (drop.phone, drop.email)
    for route in day.routes:
        names = {drop.person.name for stop in route.stops for drop in stop.drops}
        yield Reader(f"driver {route.driver}", frozenset({*names, route.driver})), (route.driver_phone,)


def _wording(entry: dict[str, object]) -> list[object]:
    """Return what a mail says, without the line that names who it goes to."""
    return [entry.get(part, "") for part in ("subject", "text", "html")]


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _shape(url: str) -> str:
    """Return an address without what makes it somebody's."""
    return re.sub(r"/([tdu])/[^/]{20,}", r"/\1/...", "/" + "/".join(url.split("/")[3:]))
