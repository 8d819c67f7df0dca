"""The page that shows every phone and mailbox of the town, and lets a person answer, steer the day and look on."""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader
from markupsafe import escape

from sandbox.cast import Cast
from sandbox.clock import RATES, DayClock
from sandbox.day import Day
from sandbox.mercator import world_px
from sandbox.outside import Outside
from sandbox.views import TOWN_TIME, Phone, happenings_of, phones_of

HERE = Path(__file__).parent
MAP_ZOOM, MAP_COLUMNS, MAP_ROWS = 14, 4, 3
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:"


class PhonesPage:
    """Serves the page, its fragments and its buttons."""

    def __init__(self, *, day: Day, outside: Outside, clock: DayClock, cast: Cast, portal_url: str) -> None:
        self._day, self._outside, self._clock, self._cast = day, outside, clock, cast
        self._portal_url = portal_url
        self._sending: set[asyncio.Task[object]] = set()
        pages = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)
        self._page, self._fragments = pages.get_template("phones.html"), pages.get_template("fragments.html").module

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self.show),
            web.get("/state", self.state),
            web.get(r"/mails/{n:\d+}", self.mail),
            web.post("/answer", self.answer),
            web.post("/typing", self.typing),
            web.post("/clock", self.steer),
            web.post("/autopilot", self.switch),
            web.static("/static", HERE / "static"),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Answer the whole page, complete without its script."""
        phones = self._phones()
        chosen = self._chosen(request, phones)
        html = self._page.render(
            phones=list(phones.values()),
            chosen=chosen,
            happenings=self._happenings(),
            clock=self._clock_facts(),
            autopilot=self._cast.autopilot,
            rates=RATES,
            tiles=list(_tiles()),
            trucks=self._trucks(),
            portal_url=self._portal_url,
            map_middle=_map_middle(),
        )
        return web.Response(text=html, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def state(self, request: web.Request) -> web.Response:
        """Answer what may have changed; fragments only where their mark differs from the one given."""
        phones = self._phones()
        chosen = self._chosen(request, phones)
        fragments: Any = self._fragments
        fresh = {
            "list": str(fragments.people(list(phones.values()), chosen, self._cast.autopilot)),
            "items": str(fragments.items(chosen)),
            "told": str(fragments.told(self._happenings())),
        }
        marks = {name: hashlib.blake2b(html.encode(), digest_size=6).hexdigest() for name, html in fresh.items()}
        return web.json_response(
            {
                "clock": self._clock_facts(),
                "autopilot": self._cast.autopilot.is_on,
                "taken": chosen.key in self._cast.autopilot.taken(),
                "trucks": self._trucks(),
                "marks": marks,
                "fresh": {n: html for n, html in fresh.items() if request.query.get(n) != marks[n]},
            },
            headers={"Cache-Control": "no-store"},
        )

    async def mail(self, request: web.Request) -> web.Response:
        """Answer the HTML of one mail, without power to do anything."""
        number = int(request.match_info["n"])
        entry = next((entry for entry in self._outside.journal.entries(event="mail") if entry["n"] == number), None)
        if entry is None:
            raise web.HTTPNotFound
        html = '<base target="_blank">' + (entry["html"] or f"<pre>{escape(entry['text'])}</pre>")
        headers = {"Content-Security-Policy": f"{MAIL_POLICY}; sandbox allow-popups allow-popups-to-escape-sandbox"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def answer(self, request: web.Request) -> web.Response:
        """Send a text as the owner of a phone, who is played by a person from now on."""
        form = await _own_form(request)
        key, body = form.get("phone", ""), form.get("body", "").strip()
        if body and key.startswith("+"):
            self._cast.autopilot.take(key)
            task = asyncio.create_task(self._outside.send_from_phone(key, body))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return _back(request, key)

    async def typing(self, request: web.Request) -> web.Response:
        """Note that somebody types: the day slows down, and that phone is theirs."""
        form = await _own_form(request)
        self._clock.note_typing()
        if form.get("phone"):
            self._cast.autopilot.take(form["phone"])
        return web.Response(status=204)

    async def steer(self, request: web.Request) -> web.Response:
        """Change the rate, or jump to the next event."""
        form = await _own_form(request)
        wish = form.get("rate", "")
        if wish == "next":
            event = self._clock.next_event()
            if event is not None:
                self._clock.jump_to(event.at - timedelta(seconds=2))
        elif wish.replace(".", "", 1).isdigit() and float(wish) in RATES:
            self._clock.set_rate(float(wish))
        return _back(request, form.get("phone", ""))

    async def switch(self, request: web.Request) -> web.Response:
        """Switch the autopilot for all, or give one phone back to it."""
        form = await _own_form(request)
        if form.get("give_back"):
            self._cast.autopilot.give_back(form["give_back"])
        else:
            self._cast.autopilot.switch(form.get("on") == "1")
        return _back(request, form.get("phone", ""))

    def _phones(self) -> dict[str, Phone]:
        return phones_of(self._day, self._outside.journal.entries())

    def _happenings(self) -> list[Any]:
        return list(happenings_of(self._day, self._outside.journal.entries()))

    def _chosen(self, request: web.Request, phones: dict[str, Phone]) -> Phone:
        """Return the phone asked for; else the first one that got anything; else the first recipient's."""
        busy = next((p for p in phones.values() if p.items and p.role == "recipient"), None)
        return phones.get(request.query.get("phone", "")) or busy or phones[next(iter(phones))]

    def _clock_facts(self) -> dict[str, object]:
        now = self._clock.now().astimezone(TOWN_TIME)
        event = self._clock.next_event()
        return {
            "time": f"{now:%H:%M}",
            "seconds": f"{now:%S}",
            "day": f"{now:%A, %B} {now.day}",
            "rate": self._clock.chosen_rate,
            "is_held": self._clock.is_held,
            "next": "" if event is None else f"{event.at.astimezone(TOWN_TIME):%H:%M} {event.label}",
        }

    def _trucks(self) -> list[dict[str, object]]:
        """Return where each van is on the page's map, in its pixels."""
        left, top = _map_corner()
        now = self._clock.now()
        shown = []
        for driver in self._cast.drivers:
            x, y = world_px(driver.truck.at(now).point, MAP_ZOOM)
            is_heard = driver.truck.has_signal(now) and not driver.is_replaced
            shown.append({"name": driver.route.driver, "x": round(x - left), "y": round(y - top), "on": is_heard})
        return shown


def _map_corner() -> tuple[int, int]:
    """Return the world pixel of the map's upper left, on a tile's corner."""
    x, y = world_px((0.0, 0.0), MAP_ZOOM)
    return (round(x / 256) - MAP_COLUMNS // 2) * 256, (int(y / 256) - MAP_ROWS // 2) * 256


def _map_middle() -> tuple[int, int]:
    """Return the pixel of the page's map that is the town's middle."""
    x, y = world_px((0.0, -40.0), MAP_ZOOM)
    left, top = _map_corner()
    return round(x - left), round(y - top)


def _tiles() -> list[str]:
    left, top = _map_corner()
    return [
        f"/tiles/{MAP_ZOOM}/{left // 256 + column}/{top // 256 + row}.png"
        for row in range(MAP_ROWS)
        for column in range(MAP_COLUMNS)
    ]


async def _own_form(request: web.Request) -> dict[str, str]:
    """Return the form of a post from this very page; 403 for one from elsewhere."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden
    return {name: str(value) for name, value in (await request.post()).items()}


def _back(request: web.Request, key: str) -> web.Response:
    """Answer a script with nothing, a plain form with the page again."""
    if request.headers.get("X-Requested-With") == "script":
        return web.Response(status=204)
    return web.Response(status=303, headers={"Location": "/?phone=" + key.replace("+", "%2B")})
