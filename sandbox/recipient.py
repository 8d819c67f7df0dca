"""A recipient's part, played by text and on the recipient's page."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sandbox.autopilot import Autopilot
from sandbox.clock import DayClock
from sandbox.day import Drop
from sandbox.journal import Journal
from sandbox.pages import Page
from sandbox.people import Part
from sandbox.visitor import PortalAway, Visitor

LINK = re.compile(r"https?://[^\s\"'<>]+/t/[A-Za-z0-9_.\-]+")
RATING_QUESTION = re.compile(r"\b1\b.{0,14}\b5\b")
COMING_NEXT = re.compile(r"you are next|stops? before you|es su turno|paradas? antes", re.IGNORECASE)
RETRIES, RETRY_S = 5, 2.0

RATINGS = {
    Part.HAPPY: ("5 great!", "5 perfecto, gracias"),
    Part.QUIET: ("4", "4"),
    Part.CHATTY: ("5 thank you", "5 muy amable"),
    Part.PAGE_CHATTY: ("5", "5"),
    Part.GATE: ("4 all good", "4 todo bien"),
    Part.UNHAPPY: ("2 left in the rain", "2 llego mojado"),
}
PAGE_SCORE, PAGE_COMMENT = "5", ("Friendly driver, right on time.", "Muy puntual, gracias.")
CHAT = ("I'm home, please ring twice", "Estoy en casa, toque dos veces por favor")
NOTE = ("Gate code 4711. The side gate sticks, push hard.", "Clave del porton 4711. Empuje fuerte.")


class Recipient:
    """One recipient. ``read`` is called with every text and mail they get, in order."""

    def __init__(
        self,
        *,
        drop: Drop,
        send_text: Callable[[str, str], Awaitable[object]],
        visitor: Visitor,
        clock: DayClock,
        autopilot: Autopilot,
        journal: Journal,
        rng: random.Random,
    ) -> None:
        self.drop = drop
        self._send_text, self._visitor, self._clock = send_text, visitor, clock
        self._autopilot, self._journal, self._rng = autopilot, journal, rng
        self._done: set[str] = set()
        self.link = ""
        self.rating = ""

    @property
    def is_rater(self) -> bool:
        """Whether this part ends with a rating."""
        return self.drop.person.part in RATINGS or self.drop.person.part is Part.PAGE_RATER

    @property
    def key(self) -> str:
        """What the autopilot knows this person by: the number, or the address when there is none."""
        return self.drop.phone or self.drop.email

    async def read(self, body: str) -> None:
        """Take in one message and do what this part does about it."""
        if (found := LINK.search(body)) is not None:
            self.link = found.group()
        part = self.drop.person.part
        if part is Part.GATE and self.link:
            await self._once("note", 150, self._leave_note)
        if part is Part.CHATTY and COMING_NEXT.search(body):
            await self._once("chat", 25, lambda: self._say(self._word(CHAT)))
        if part is Part.PAGE_CHATTY and COMING_NEXT.search(body) and self.link:
            await self._once("chat", 30, self._chat_on_page)
        if part in RATINGS and RATING_QUESTION.search(body):
            await self._once("rating", self._rng.uniform(60, 300), self._rate_by_text)
        if part is Part.PAGE_RATER and self.link:
            await self._rate_on_page()

    async def _once(self, what: str, after_s: float, act: Callable[[], Awaitable[None]]) -> None:
        """Do something once, ``after_s`` seconds of day time from now, unless a person plays this phone by then."""
        if what in self._done or not self._autopilot.plays(self.key):
            return
        self._done.add(what)
        await self._clock.wait_until(self._clock.now() + timedelta(seconds=after_s))
        if self._autopilot.plays(self.key):
            await act()

    async def _say(self, body: str) -> None:
        await self._send_text(self.drop.phone, body)

    async def _rate_by_text(self) -> None:
        words = self._word(RATINGS[self.drop.person.part])
        await self._say(words)
        self.rating = words[:1]

    async def _rate_on_page(self) -> None:
        """Rate on the page as soon as it offers to; before delivery it does not."""
        if self.rating or not self._autopilot.plays(self.key):
            return
        page = await self._open(self.link)
        form = page.form("rating") if page is not None else None
        if page is not None and form is not None and not self.rating:
            self.rating = PAGE_SCORE
            after = await self._submit(page, "rating", {"score": PAGE_SCORE})
            if after is not None and after.form("rating") is not None:
                await self._submit(after, "rating", {"comment": self._word(PAGE_COMMENT)})

    async def _leave_note(self) -> None:
        page = await self._open(self.link)
        if page is not None:
            await self._submit(page, "note", {"note": self._word(NOTE)})

    async def _chat_on_page(self) -> None:
        page = await self._open(self.link)
        if page is not None and page.form("message") is None:
            page = await self._open(f"{self.link}/messages")
        if page is not None:
            await self._submit(page, "message", {"body": self._word(CHAT)})

    async def _open(self, url: str) -> Page | None:
        for _ in range(RETRIES):
            try:
                return await self._visitor.open(url)
            except PortalAway:
                await asyncio.sleep(RETRY_S)
        return None

    async def _submit(self, page: Page, name: str, values: dict[str, str]) -> Page | None:
        """Send a form of the page; return the page that follows, None when that was not to be."""
        form = page.form(name)
        if form is None:
            self._note(f"found no form to send: {name}", 0)
            return None
        try:
            answer = await self._visitor.submit(page, form, values)
        except PortalAway:
            self._note(f"could not send: {name}", 0)
            return None
        self._note(f"sent on the page: {name}", answer.status)
        return answer

    def _word(self, words: tuple[str, str]) -> str:
        return words[1] if self.drop.person.locale == "es" else words[0]

    def _note(self, what: str, answer: int) -> None:
        self._journal.add("recipient", who=self.drop.person.name, number=self.key, what=what, answer=answer)
