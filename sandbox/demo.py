"""``make demo``: the whole product, with the world outside in miniature, playing one delivery day.

Everything listens on loopback and lives in one folder, made anew at each start. Ctrl-C ends it all.
"""

import argparse
import asyncio
import fcntl
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import aiohttp

from sandbox import machine
from sandbox.autopilot import Autopilot
from sandbox.cast import Cast
from sandbox.children import ChildFailed, Children
from sandbox.clock import DayClock
from sandbox.day import Day, plan_day, write_route_file
from sandbox.director import Director, expect_day
from sandbox.ground import ZONE
from sandbox.houses import build_houses
from sandbox.hunter import Hunter
from sandbox.outside import Outside
from sandbox.phones import PhonesPage
from sandbox.routing import Streets
from sandbox.summary import summary
from sandbox.tiles import Tiles
from sandbox.town import SIDE_STREETS, build_town
from sandbox.twilio import DEFAULT_FROM
from sandbox.views import COMPANY
from sandbox.world import clear_folder, free_port, is_free, start_valkey

PORTAL_PORT, SANDBOX_PORT, SMTP_PORT = 8025, 8026, 8027
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
READY_TIMEOUT_S = 60.0
DONE_TIMEOUT_S = 900.0
STAFF_EMAIL = "staff@example.com"
EVENING = time(17, 30)
LOCK = "demo.lock"


class NotLoopback(Exception):
    """Raised when a setting would let made-up messages leave this machine."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return 0 when it was ended or the day was done, 1 when something failed."""
    options = _parser().parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    with _alone(folder) as is_alone:
        if not is_alone:
            print(f"A demo is running already in {folder}. End it first, or choose another --folder.", file=sys.stderr)
            return 1
        clear_folder(folder / "run")
        try:
            with start_valkey(folder / "run" / "valkey") as redis_url:
                return asyncio.run(_Demo(options, folder / "run", redis_url).run())
        except (ChildFailed, NotLoopback) as error:
            print(error, file=sys.stderr)
            return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description="Play a delivery day.")
    parser.add_argument("--speed", type=float, default=10.0, help="day seconds a second (default 10)")
    parser.add_argument("--no-autopilot", action="store_true", help="nobody answers or drives by themselves")
    parser.add_argument("--until-done", action="store_true", help="play the day at 60x, print a summary and end")
    parser.add_argument("--hunt", action="store_true", help="search all that can be read for what is somebody else's")
    parser.add_argument("--folder", type=Path, default=Path("var/demo"), help="where everything is kept")
    parser.add_argument("--port", type=int, default=PORTAL_PORT, help="the portal's port, if it is free")
    return parser


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock while the demo runs; yields False when another demo holds it."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def require_loopback(environ: Mapping[str, str]) -> None:
    """Raise ``NotLoopback`` unless texts, mails and links all stay on this machine."""
    for name in ("PORTAL_TWILIO_API_URL", "PORTAL_SMTP_URL", "PORTAL_PUBLIC_URL"):
        host = urlsplit(environ.get(name, "")).hostname
        if host not in LOOPBACK:
            raise NotLoopback(f"{name} must point to this machine in the demo, not to {host}.")


def delivery_date(today: date) -> date:
    """Return tomorrow, or Monday when tomorrow is a Sunday."""
    tomorrow = today + timedelta(days=1)
    return tomorrow + timedelta(days=1) if tomorrow.isoweekday() == 7 else tomorrow


def made_up_password() -> str:
    """Return a password for one demo: five random words, easy to type."""
    return "-".join(secrets.choice(SIDE_STREETS).lower() for _ in range(5))


class _Demo:
    """Everything that runs, in the order in which it is started."""

    def __init__(self, options: argparse.Namespace, folder: Path, redis_url: str) -> None:
        self._options, self._folder, self._redis_url = options, folder, redis_url
        self._password = made_up_password()
        self._portal_port = options.port if is_free(options.port) else free_port()
        self._portal_url = f"http://127.0.0.1:{self._portal_port}"
        self._stopped = asyncio.Event()
        self._hunter: Hunter | None = None
        self._told: set[str] = set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)
        town = build_town()
        houses, streets = build_houses(town), Streets(town)
        today = machine.utc_now().astimezone(ZoneInfo(ZONE)).date()
        day = plan_day(delivery_date(today), houses, streets)
        rate = 60.0 if self._options.until_done else self._options.speed
        start = datetime.combine(day.on - timedelta(days=1), EVENING, ZoneInfo(ZONE))
        clock_path = self._folder / "clock.json"
        clock = DayClock(clock_path, start=start, rate=0.0, monotonic_s=machine.monotonic_s)
        outside = Outside(data_dir=self._folder / "outside", day_now=clock.now)
        outside.twilio.carrier.portal_url = self._portal_url
        autopilot = Autopilot(is_on=not self._options.no_autopilot)
        cast = Cast(day=day, houses=houses, streets=streets, outside=outside, clock=clock, autopilot=autopilot)
        page = PhonesPage(day=day, outside=outside, clock=clock, cast=cast, portal_url=self._portal_url)
        await outside.start(
            http_port=SANDBOX_PORT if is_free(SANDBOX_PORT) else 0,
            smtp_port=SMTP_PORT if is_free(SMTP_PORT) else 0,
            more=[*Tiles(town, houses).routes(), *page.routes()],
        )
        environ = self._environ(outside, clock_path)
        require_loopback(environ)
        children = Children(environ=environ, logs=self._folder / "logs")
        director = Director(clock=clock, cast=cast, journal=outside.journal, monotonic_s=machine.monotonic_s)
        if self._options.hunt:
            self._hunter = Hunter(day=day, cast=cast, outside=outside, logs=self._folder / "logs")
        players: list[asyncio.Task[None]] = []
        try:
            await self._start_product(children, day)
            self._greet(outside)
            expect_day(clock, day)
            clock.set_rate(rate)
            players = [asyncio.create_task(cast.run()), asyncio.create_task(director.run())]
            if self._hunter is not None:
                players.append(asyncio.create_task(self._hunter.run()))
            return await self._watch(children, players, cast, outside)
        finally:
            for player in players:
                player.cancel()
            await asyncio.gather(*players, return_exceptions=True)
            await children.end()
            await outside.close()

    async def _start_product(self, children: Children, day: Day) -> None:
        """Create the database, start web and worker, and bring tomorrow's routes in."""
        portal = ("-m", "portal.cli")
        await children.run("init", (*portal, "init"))
        await children.start("web", (*portal, "web", "--port", str(self._portal_port)))
        await children.start("worker", (*portal, "worker"))
        await self._wait_ready(children)
        route_file = self._folder / "routes.csv"
        write_route_file(day, route_file)
        await children.run("import", (*portal, "routes", "import", str(route_file)))

    async def _wait_ready(self, children: Children) -> None:
        """Return when web answers and every part of the worker has given a sign of life."""
        deadline_s = machine.monotonic_s() + READY_TIMEOUT_S
        async with aiohttp.ClientSession() as session:
            while machine.monotonic_s() < deadline_s:
                children.check()
                try:
                    async with session.get(f"{self._portal_url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:  # not listening yet
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.2)
        raise ChildFailed(f"the portal did not become ready within {READY_TIMEOUT_S:.0f} s")

    def _greet(self, outside: Outside) -> None:
        """Say where to look. The portal's address comes first."""
        print(f"\n  Portal (staff)       {self._portal_url}/")
        print(f"  Phones and mailboxes {outside.http_url}/")
        print(f"  Log in with          {STAFF_EMAIL}")
        print(f"  Password             {self._password}\n")
        print("  It is the evening before. Ctrl-C ends everything.\n", flush=True)

    async def _watch(self, children: Children, players: list[asyncio.Task[None]], cast: Cast, outside: Outside) -> int:
        """Stay until somebody ends the demo, something fails, or the day is done when that was asked for."""
        deadline_s = machine.monotonic_s() + DONE_TIMEOUT_S
        while not self._stopped.is_set():
            children.check()
            for player in players:
                if player.done():
                    player.result()
            self._tell_replaced(cast)
            if self._options.until_done and (cast.is_over or machine.monotonic_s() > deadline_s):
                print(summary(cast, outside))
                return 0 if cast.is_over and await self._found_nothing() else 1
            try:
                await asyncio.wait_for(self._stopped.wait(), 0.5)
            except TimeoutError:
                continue
        return 0

    def _tell_replaced(self, cast: Cast) -> None:
        """Say once of each route that it is left to a person."""
        for driver in cast.drivers:
            name = driver.route.name
            if driver.is_replaced and name not in self._told:
                self._told.add(name)
                print(f"  Route {name} is driven by a person now. The sandbox's van stands still.", flush=True)

    async def _found_nothing(self) -> bool:
        """Tell whether a hunt, if there was one, found nothing; print what it searched."""
        if self._hunter is None:
            return True
        await self._hunter.finish()
        print(f"\n{self._hunter.report()}")
        return not self._hunter.findings

    def _environ(self, outside: Outside, clock_path: Path) -> dict[str, str]:
        """Return this process's environment with every ``PORTAL_*`` replaced by the demo's."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        return own | {
            "PYTHONUNBUFFERED": "1",
            "PORTAL_DATABASE_URL": f"sqlite:///{self._folder / 'portal.db'}",
            "PORTAL_REDIS_URL": self._redis_url,
            "PORTAL_SECRET_KEYS": secrets.token_urlsafe(32),
            "PORTAL_PUBLIC_URL": self._portal_url,
            "PORTAL_DATA_DIR": str(self._folder / "files"),
            "PORTAL_TWILIO_ACCOUNT_SID": outside.twilio.account_sid,
            "PORTAL_TWILIO_AUTH_TOKENS": outside.twilio.auth_token,
            "PORTAL_TWILIO_API_URL": outside.http_url,
            "PORTAL_SMS_FROM": DEFAULT_FROM,
            "PORTAL_SMTP_URL": outside.smtp_url,
            "PORTAL_MAIL_FROM": "deliveries@example.com",
            "PORTAL_TILE_URL": f"{outside.http_url}/tiles/{{z}}/{{x}}/{{y}}.png",
            "PORTAL_TILE_ATTRIBUTION": "A made-up town",
            "PORTAL_COMPANY_NAME": COMPANY,
            "PORTAL_SUPPORT_PHONE": "+19085550199",
            "PORTAL_SUPPORT_EMAIL": "help@example.com",
            "PORTAL_DEFAULT_REGION": "US",
            "PORTAL_DEFAULT_ZONE": ZONE,
            "PORTAL_DEFAULT_LOCALE": "en",
            "PORTAL_SWEEP_S": "1",
            "PORTAL_DEMO_CLOCK": str(clock_path),
            "PORTAL_INIT_EMAIL": STAFF_EMAIL,
            "PORTAL_INIT_PASSWORD": self._password,
        }


if __name__ == "__main__":
    sys.exit(main())
