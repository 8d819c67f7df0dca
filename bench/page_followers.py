"""Pages as browsers hold them open: a stream each, opened again as ``static/js/live.js`` does; one in Chromium."""

import asyncio
import contextlib
import html
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Page, async_playwright

from sandbox.machine import monotonic_s
from tests.browser import FLAGS, find_browser

LONGEST_WAIT_S, GROWTH = 60.0, 1.3  # as in static/js/live.js
_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_LIVE = re.compile(r'data-live="([^"]+)"')


@dataclass
class Follower:
    """One open page. ``shown`` are the last few fragments, ``place_at`` the instant of the newest place by subject."""

    name: str
    url: str
    http: aiohttp.ClientSession
    page: str = ""
    shown: list[str] = field(default_factory=list)
    place_at: dict[str, datetime] = field(default_factory=dict)
    last_byte_s: float = 0.0
    is_over: bool = False
    opened: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Follow until cancelled or told that the page is closed; after each failure wait as the page's script does."""
        failures = 0
        while not self.is_over:
            try:
                if failures > 1 and self.page:
                    await self._renew()
                failures = 0 if await self._read() else failures + 1
            except (aiohttp.ClientError, TimeoutError, OSError):
                failures += 1
            if failures:
                await asyncio.sleep(min(LONGEST_WAIT_S, GROWTH ** (failures - 1)))

    async def until(self, is_right: Callable[["Follower"], bool], timeout_s: float) -> float:
        """Return the machine second at which the page was right; raises ``TimeoutError`` naming the page."""
        deadline = monotonic_s() + timeout_s
        while not is_right(self):
            self._changed.clear()
            left_s = deadline - monotonic_s()
            if left_s <= 0:
                raise TimeoutError(f"{self.name} is not right after {timeout_s:.0f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
        return monotonic_s()

    async def _renew(self) -> None:
        async with self.http.get(self.page, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            found = _LIVE.search(await answer.text())
            if answer.status == 200 and found is not None:
                self.url = _absolute(self.page, html.unescape(found[1]))

    async def _read(self) -> bool:
        """Read the stream to its end; True when anything came."""
        timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_read=40)
        async with self.http.get(self.url, timeout=timeout) as answer:
            if answer.status != 200:
                return False
            self.opened += 1
            name, data, has_come = "", [], False
            async for line in answer.content:
                self.last_byte_s = monotonic_s()
                text = line.decode().rstrip("\n")
                if text.startswith("event:"):
                    name = text.removeprefix("event:").strip()
                elif text.startswith("data:"):
                    data.append(text.removeprefix("data:").lstrip(" "))
                elif not text and data:
                    self._take(name, "\n".join(data))
                    name, data, has_come = "", [], True
            return has_come

    def _take(self, name: str, data: str) -> None:
        if name == "place":
            place: Any = json.loads(data)
            if place and place.get("at"):
                self.place_at[place.get("route_id", "")] = datetime.fromisoformat(place["at"])
        elif name == "gone":
            self.is_over = data == "closed"
        elif not name:
            self.shown = [*self.shown[-20:], data]
        self._changed.set()


def _absolute(page: str, path: str) -> str:
    return "/".join(page.split("/")[:3]) + path


async def driver_page(base: str, token: str) -> Follower:
    """Open a driver's link on a phone of its own and return its page."""
    http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # cookies of an address without a name
    async with http.post(f"{base}/d/{token}", headers={"Origin": base}) as answer:
        answer.raise_for_status()
    return await _with_ticket("driver", http, f"{base}/d/")


async def staff_pages(base: str, email: str, password: str) -> tuple[aiohttp.ClientSession, list[Follower]]:
    """Log in and return the session, and the inbox's and the fleet's page."""
    http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # cookies of an address without a name
    async with http.get(f"{base}/staff/login") as answer:
        fields = {"csrf_token": csrf(await answer.text()), "email": email, "password": password}
    async with http.post(f"{base}/staff/login", data=fields, headers={"Origin": base}) as answer:
        answer.raise_for_status()
    return http, [await _with_ticket(name, http, f"{base}/staff/{name}") for name in ("inbox", "fleet")]


def csrf(page: str) -> str:
    """Return the token that a staff page's forms carry."""
    found = _FIELD.search(page)
    if found is None:
        raise RuntimeError("the page has no form of staff's")
    return found[1]


async def _with_ticket(name: str, http: aiohttp.ClientSession, page: str) -> Follower:
    async with http.get(page) as answer:
        answer.raise_for_status()
        found = _LIVE.search(await answer.text())
    if found is None:
        raise RuntimeError(f"the {name} page has no stream")
    return Follower(name, _absolute(page, html.unescape(found[1])), http, page)


class BrowserPage:
    """A recipient's page in a real Chromium, which heals by its own script alone."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def until_shown(self, words: str, timeout_s: float) -> float:
        """Return the machine second at which the chat on the page showed ``words``; raises Playwright's ``Error``."""
        await self._page.locator("#chat").get_by_text(words).first.wait_for(timeout=timeout_s * 1000)
        return monotonic_s()


@contextlib.asynccontextmanager
async def browser_page(url: str) -> AsyncIterator[BrowserPage | None]:
    """Open a page in a headless Chromium; None when there is none on this machine."""
    async with async_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = find_browser() or (str(own) if own.exists() else None)
        if path is None:
            yield None
            return
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            page = await browser.new_page(viewport={"width": 390, "height": 844})
            await page.goto(url)
            yield BrowserPage(page)
        finally:
            await browser.close()
