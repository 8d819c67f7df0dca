"""How long until every open page is right again: ``make bench-recovery``.

Real processes on this machine: three trucks send a position every half second, and every recipient, each driver and
staff have their page open. Then the consumer, Redis (killed, and emptied) and the web process are struck, one after
another; consumer and Redis are stopped for longer than the consumer's lease and go on; PostgreSQL is killed where it is
the record; and every clock is set an hour back. "Right" means: the page shows a position that was taken, and a chat
line that was written, after the blow, and the line once.
At the end links are revoked, and the time to their streams' last byte is taken. Prints the seconds of each page's kind.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from bench.page_followers import BrowserPage, Follower, browser_page, csrf, driver_page, staff_pages
from bench.small_day_load import load_rounds
from sandbox.clock_steps import ClockSteps
from sandbox.havoc import Havoc
from sandbox.instance import STAFF_EMAIL, Instance, ended_in_order
from sandbox.machine import monotonic_s
from sandbox.postgres import Cluster, find_initdb
from sandbox.small_day import START, Round, make_rounds
from tracking.links import LinkSigner
from tracking.storage import Database

FIX_EVERY_S = 0.5
GOAL_S, REVOKED_GOAL_S = 10.0, 5.0
PATIENCE_S = 120.0
ASLEEP_S = 6.0  # the consumer's lease is 4 s
HOUR = timedelta(hours=1)


class Trucks:
    """Drives each truck slowly up to its first door and never there, a fix every half second, whatever is broken."""

    def __init__(self, instance: Instance, rounds: list[Round]) -> None:
        self._instance, self._rounds = instance, rounds
        self._share = 0.0
        self.taken_at: dict[str, datetime] = {}

    async def run(self) -> None:
        """Send until cancelled. What is not taken is gone: the next fix says more."""
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                self._share = min(0.5, self._share + 0.0005)
                await asyncio.gather(*(self._send(http, one) for one in self._rounds))
                await asyncio.sleep(FIX_EVERY_S)

    async def _send(self, http: aiohttp.ClientSession, one: Round) -> None:
        at, door = self._instance.now(), one.doors[0]
        place = [here + self._share * (there - here) for here, there in zip(one.depot, door, strict=True)]
        fix = {"lat": place[0], "lon": place[1], "at": at.isoformat(), "accuracy_m": 8.0, "speed_mps": 9.0}
        headers = {"Authorization": f"Bearer {one.device_token}"}
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            url = f"{self._instance.url}/ingest/positions"
            async with http.post(url, json={"positions": [fix]}, headers=headers) as answer:
                if answer.status == 200:
                    self.taken_at[one.route_id] = at


class Scene:
    """The instance, its open pages and what is done to it."""

    def __init__(self, instance: Instance, rounds: list[Round], in_browser: BrowserPage | None = None) -> None:
        self.instance, self.rounds, self.in_browser = instance, rounds, in_browser
        self.trucks = Trucks(instance, rounds)
        self.pages: dict[str, list[Follower]] = {}
        self.staff: aiohttp.ClientSession | None = None
        self._http: list[aiohttp.ClientSession] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Open every page and let the trucks drive; returns when every page is right."""
        base = self.instance.url
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.pages["recipients"] = [
            Follower(parcel.delivery_id, f"{base}/t/{parcel.token}/live", http, f"{base}/t/{parcel.token}")
            for one in self.rounds
            for parcel in one.parcels
        ]
        self.pages["drivers"] = [await driver_page(base, one.driver_token) for one in self.rounds]
        self.staff, self.pages["staff"] = await staff_pages(base, STAFF_EMAIL, self.instance.password)
        self._http = [http, self.staff, *(page.http for page in self.pages["drivers"])]
        self._tasks = [asyncio.create_task(page.run()) for pages in self.pages.values() for page in pages]
        self._tasks.append(asyncio.create_task(self.trucks.run()))
        await self.measure("nothing", lambda: None)

    async def close(self) -> None:
        """Close every page."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for http in self._http:
            await http.close()

    async def measure(self, blow: str, strike: Callable[[], object]) -> dict[str, float]:
        """Strike, and return by kind of page the seconds from the blow until the last one of them was right."""
        struck_s, struck_at = monotonic_s(), self.instance.now()
        marker = f"after {blow} {random.randrange(10**9)}"
        before = {id(page): page.shown[-1:] for pages in self.pages.values() for page in pages}
        striking = asyncio.create_task(asyncio.to_thread(strike))
        writing = asyncio.create_task(self._write_everywhere(marker))

        if self.in_browser is not None:
            seen = asyncio.create_task(self.in_browser.until_shown(marker, PATIENCE_S))

        def is_right(page: Follower) -> bool:
            if page.name in {"driver", "inbox"}:  # they are told that something is new, and fetch it themselves
                return page.shown[-1:] != before[id(page)]
            if page.name == "fleet":
                return all(page.place_at.get(one.route_id, struck_at) > struck_at for one in self.rounds)
            has_place = struck_at < page.place_at.get("", struck_at) < self.instance.now() + HOUR / 2
            shown = [fragment.count(marker) for fragment in page.shown]
            if max(shown, default=0) > 1:
                raise RuntimeError(f"a line is doubled after {blow}")
            return has_place and 1 in shown

        found = {}
        for kind, pages in self.pages.items():
            ends = await asyncio.gather(*(page.until(is_right, PATIENCE_S) for page in pages))
            found[kind] = max(ends) - struck_s
        if self.in_browser is not None:
            found["Chromium"] = await seen - struck_s
        await asyncio.gather(striking, writing)
        return found

    def set_back(self, steps: ClockSteps) -> None:
        """Set day time and the machine's an hour back, as one does with a clock that was wrong."""
        steps.set_to(steps.step_s - HOUR.total_seconds())
        self.instance.set_day(self.instance.now() - HOUR, self.instance.rate)
        for page in (page for pages in self.pages.values() for page in pages):
            page.place_at.clear()

    async def _write_everywhere(self, marker: str) -> None:
        """Write a chat line as each recipient whose page is open, as often as it takes."""
        timeout = aiohttp.ClientTimeout(total=3)
        open_now = {page.name for page in self.pages["recipients"]}
        async with aiohttp.ClientSession(timeout=timeout) as http:
            parcels = [parcel for one in self.rounds for parcel in one.parcels if parcel.delivery_id in open_now]
            await asyncio.gather(*(self._write(http, parcel.token, marker) for parcel in parcels))

    async def _write(self, http: aiohttp.ClientSession, token: str, marker: str) -> None:
        fields = {"body": f"Hello {marker}", "request_id": f"{token[:8]}{marker[-9:]}"}
        headers = {"Origin": self.instance.url}
        wait_s = 0.2
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                url = f"{self.instance.url}/t/{token}/messages"
                async with http.post(url, data=fields, headers=headers, allow_redirects=False) as answer:
                    if answer.status < 400:
                        return
            wait_s = min(3.0, wait_s * 1.5)  # a link may write ten lines a minute, and each try counts
            await asyncio.sleep(wait_s)

    async def revoke(self, page: Follower) -> tuple[float, bool]:
        """End a recipient's link as staff do; return seconds to its stream's last byte, and whether it was closed."""
        assert self.staff is not None
        base, address = self.instance.url, f"/staff/deliveries/{page.name}"
        async with self.staff.get(base + address) as answer:
            fields = {"csrf_token": csrf(await answer.text()), "confirmed": "yes"}
        asked_s = monotonic_s()
        async with self.staff.post(f"{base}{address}/link/revoke", data=fields, headers={"Origin": base}) as answer:
            answer.raise_for_status()
        with suppress(TimeoutError):
            await page.until(lambda one: one.is_over, PATIENCE_S)
        await asyncio.sleep(2 * FIX_EVERY_S)  # two more fixes, whose places must not come
        return page.last_byte_s - asked_s, page.is_over


async def play(
    instance: Instance,
    *,
    routes: int,
    stops: int,
    repeat: int,
    revoked: int,
    cluster: Cluster | None = None,
    steps: ClockSteps | None = None,
) -> dict[str, float]:
    """Return the worst seconds of each blow, printed as they come. ``steps`` is the clock of the processes, if any."""
    rounds = make_rounds(routes=routes, stops=stops)
    database = Database(instance.environ["PORTAL_DATABASE_URL"])
    load_rounds(database, LinkSigner([instance.environ["PORTAL_SECRET_KEYS"]]), rounds, instance.now())
    database.close()
    async with browser_page(f"{instance.url}/t/{rounds[-1].parcels[-1].token}") as in_browser:
        if in_browser is None:
            print("no Chromium on this machine: its page is left out")
        scene, havoc = Scene(instance, rounds, in_browser), Havoc(instance, random.Random(1), cluster)
        return await _strike_all(scene, havoc, steps, repeat=repeat, revoked=revoked, has_server=cluster is not None)


async def _strike_all(
    scene: Scene, havoc: Havoc, steps: ClockSteps | None, *, repeat: int, revoked: int, has_server: bool
) -> dict[str, float]:
    blows: dict[str, Callable[[], object]] = {
        "consumer killed": lambda: havoc.kill_part("consumer"),
        "Redis killed": havoc.kill_valkey,
        "Redis emptied": havoc.flush,
        "web killed": havoc.kill_web,
        "consumer asleep": lambda: havoc.sleep_part("consumer", ASLEEP_S),
        "Redis asleep": lambda: havoc.sleep_valkey(ASLEEP_S),
        **({"database killed": havoc.kill_database} if has_server else {}),
    }
    worst: dict[str, float] = {}
    try:
        await scene.open()
        for blow, strike in blows.items():
            worst[blow] = _told(blow, [await scene.measure(blow, strike) for _ in range(repeat)])
        ends = [await scene.revoke(page) for page in scene.pages["recipients"][:revoked]]
        del scene.pages["recipients"][:revoked]
        if steps is not None:  # the last, since it logs staff out: cookies from the future are none
            scene.set_back(steps)
            worst["clock set back"] = _told("clock set back", [await scene.measure("clock", lambda: None)])
    finally:
        await scene.close()
        havoc.end()
    seconds = [end if is_closed else PATIENCE_S for end, is_closed in ends]
    print(
        f"{len(seconds)} links revoked: last byte after {statistics.median(seconds):.2f} s (median), "
        f"{max(seconds):.2f} s at most"
    )
    return {**worst, "revoked": max(seconds)}


def _told(blow: str, times: list[dict[str, float]]) -> float:
    """Print the worst seconds of each kind of page, and return the worst of all."""
    told = ", ".join(f"{kind} {max(one[kind] for one in times):.1f} s" for kind in times[0])
    print(f"{blow}: every page right again after at most: {told}", flush=True)
    return max(max(one.values()) for one in times)


def main() -> int:
    """Play, and return 1 when a page was late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=3)
    parser.add_argument("--stops", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3, help="how often each blow falls")
    parser.add_argument("--revoked", type=int, default=6, help="how many links are revoked")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    options = parser.parse_args()
    given = {"routes": options.routes, "stops": options.stops, "repeat": options.repeat, "revoked": options.revoked}
    with ExitStack() as stack:
        stack.enter_context(ended_in_order())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-recovery-")))
        steps, cluster = ClockSteps(folder / "clock"), None
        settings = steps.environment()
        if options.database == "postgres":
            initdb = find_initdb()
            if initdb is None:
                print("PostgreSQL is not installed here (no initdb was found)")
                return 2
            cluster = stack.enter_context(Cluster(initdb, durable=True))
            settings["PORTAL_DATABASE_URL"] = cluster.create("recovery")
        instance = stack.enter_context(Instance(folder / "instance", day=START, settings=settings))
        instance.set_day(START, 1.0)
        worst = asyncio.run(play(instance, **given, cluster=cluster, steps=steps))
    late = [blow for blow, seconds in worst.items() if seconds > (REVOKED_GOAL_S if blow == "revoked" else GOAL_S)]
    print(f"goals: {GOAL_S:.0f} s after a kill, {REVOKED_GOAL_S:.0f} s after a revocation; missed: {late or 'none'}")
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
