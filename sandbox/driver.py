"""A driver's day, played on the driver's pages as a thumb would: link, loading, driving, doors, finish."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sandbox.autopilot import Autopilot
from sandbox.clock import DayClock, Event
from sandbox.day import Route, Stop
from sandbox.drive import Jam, plan_drive
from sandbox.journal import Journal
from sandbox.pages import Form, Page
from sandbox.people import Part
from sandbox.pictures import doorstep_photo, signature
from sandbox.routing import Place, Streets
from sandbox.trucks import Truck
from sandbox.visitor import SHUT_OUT, PortalAway, ShutOut, Visitor

Result = TypeVar("Result")
LOADING = timedelta(minutes=22)  # begins so long before the planned start
RETRY_S, LOOK_S = 2.0, 2.0  # machine seconds
MOST_LOADED = 80
ADDRESS = re.compile(r"\b\d+ (?:[A-Z][a-z]+ ){1,2}(?:Street|Avenue|Lane|Road)\b")


@dataclass
class Trouble:
    """What goes wrong on this route: a jam, a lost signal before one stop, a parcel that is not in the van."""

    jams: tuple[Jam, ...] = ()
    silent_before: int = 0
    silent_min: int = 4
    leaves_behind: int = 0


class Driver:
    """One driver with one van. ``play`` runs from the link's text to the finished route, or until a person drives it.

    A link works on one phone. Once another phone has it, ``is_replaced`` is true: the van stands, nothing is tapped, no
    position is sent, and the route is left to whoever holds that phone.
    """

    def __init__(
        self,
        *,
        route: Route,
        depot: Place,
        places: dict[str, Place],
        streets: Streets,
        truck: Truck,
        visitor: Visitor,
        clock: DayClock,
        autopilot: Autopilot,
        journal: Journal,
        rng: random.Random,
        trouble: Trouble,
    ) -> None:
        self.route, self.truck = route, truck
        self._here, self._places, self._streets = depot, places, streets
        self.visitor, self._clock, self._autopilot = visitor, clock, autopilot
        self._journal, self._rng, self._trouble = journal, rng, trouble
        self._planned = {stop.house.address: stop for stop in route.stops}
        self._link: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.day_url = ""
        self.token = ""
        self.is_under_way = False
        self.is_finished = False
        self.is_replaced = False
        self.outcomes: dict[str, str] = {}
        self._expected: Event | None = None

    def give_link(self, url: str) -> None:
        """Hand over the link that came by text. Only the first counts for opening the day."""
        if not self._link.done():
            self._link.set_result(url)

    async def play(self) -> None:
        """Play the whole day."""
        url = await self._link
        await self._clock.wait_until(self.route.starts_at - LOADING)
        try:
            await self._open(url)
            await self._load()
            self._expect(self.route.starts_at, f"{self.route.driver} starts route {self.route.name}")
            await self._clock.wait_until(self.route.starts_at)
            await self._tap_on_day("start")
            await self._drive_route()
        except* ShutOut:
            self._leave()

    async def _drive_route(self) -> None:
        """Serve every stop and finish, while the van's positions are sent."""
        self.is_under_way = True
        self._note("started the route")
        position_url = self.day_url.rsplit("/d/", 1)[0] + "/ingest/positions"
        try:
            async with asyncio.TaskGroup() as tasks:
                sharing = tasks.create_task(self.truck.share(position_url, lambda: self.token))
                await self._serve_all()
                await self.truck.caught_up()
                await self._tap_on_day("finish")
                sharing.cancel()
        finally:
            self.is_under_way = False
        self._note("finished the route")
        self.is_finished = True

    def _leave(self) -> None:
        """Leave the route to whoever holds the phone that has its link now."""
        self.truck.stop()
        self.is_replaced = True
        self._autopilot.take(self.route.driver_phone)
        if self._expected is not None:
            self._clock.forget(self._expected)
        self._note(f"is not let in any more: route {self.route.name} is left to whoever has its link, the van stands")

    async def _open(self, url: str) -> None:
        """Open the link and turn it into this phone's cookie."""
        while not self.token:
            await self._autopilot.wait(self.route.driver_phone)
            page = await self._read(url)
            if (form := page.form("open")) is not None:
                await self._tap(page, form, {})
            self.day_url = url.split("/d/")[0] + "/d/"
            self.token = (await self._day()).body.get("data-device-token", "")
            if not self.token:
                await asyncio.sleep(RETRY_S)
        self._note("opened the day's link")

    async def _load(self) -> None:
        """Tick everything as loaded, but for what is missing today."""
        asked: set[str] = set()
        while len(asked) < MOST_LOADED:
            await self._autopilot.wait(self.route.driver_phone)
            page = await self._day()
            left = [form for form in page.forms if form.name == "loaded" and form.action not in asked]
            if not left:
                break
            asked.add(left[0].action)
            missing = page.form("not-loaded")
            if missing is not None and len(asked) == self._trouble.leaves_behind:
                await self._tap(page, missing, {"reason": "Not on the shelf"})
            else:
                await self._tap(page, left[0], {})
        self._note("loaded the van")

    async def _serve_all(self) -> None:
        """Go on to the first stop that is still open, until none is."""
        served: set[str] = set()
        while True:
            page = await self._day()
            open_stops = [stop_id for stop_id in page.stops if stop_id not in served]
            if not open_stops:
                return
            if await self._serve(open_stops[0]):
                served.add(open_stops[0])

    async def _serve(self, stop_id: str) -> bool:
        """Drive to one stop and do what is to be done. False when the order changed on the way: look again."""
        page = await self._stop(stop_id)
        if not _is_open(page):
            return True
        place, stop = self._find(page)
        if place is not None:
            await self._drive(place, stop)
            now_first = next(iter((await self._day()).stops), stop_id)
            if now_first != stop_id and not _is_open(await self._stop(stop_id)):
                return False
        if (page := await self._stop(stop_id)) and (form := page.form("arrived")) and self._rng.random() < 0.6:
            await self._act(page, form, {})
        minutes = stop.service_min if stop is not None else 5
        done_at = self._clock.now() + timedelta(minutes=minutes * self._rng.uniform(0.5, 1.2))
        self._expect(done_at, f"{self.route.driver} leaves {stop.house.address if stop is not None else 'a stop'}")
        await self._clock.wait_until(done_at)
        await self._hand_over(stop_id, stop)
        return True

    async def _drive(self, place: Place, stop: Stop | None) -> None:
        way = self._streets.way(self._here, place)
        if not way:
            return
        drive = plan_drive(self._streets, way, self._rng, self._trouble.jams)
        if stop is not None and stop.sequence == self._trouble.silent_before:
            now = self._clock.now()
            self.truck.lose_signal(now, now + timedelta(minutes=self._trouble.silent_min))
            self._note("lost the signal for a while")
        arrives_at = self.truck.send_off(drive)
        address = stop.house.address if stop is not None else "an added stop"
        self._expect(arrives_at, f"{self.route.driver} reaches {address}")
        self._note(f"drives to {address}")
        await self._clock.wait_until(arrives_at)
        self._here = place

    async def _hand_over(self, stop_id: str, stop: Stop | None) -> None:
        """Deliver, or fail to, until nothing is left to do at this stop. Waits while a person plays the driver."""
        while True:
            page = await self._stop(stop_id)
            if page.form("delivered") is None and page.form("failed") is None:
                return
            if not self._autopilot.plays(self.route.driver_phone):
                await asyncio.sleep(LOOK_S)
                continue
            before = len(page.forms)
            await self._finish_one(page, stop)
            if len((await self._stop(stop_id)).forms) >= before:
                await asyncio.sleep(RETRY_S)

    async def _finish_one(self, page: Page, stop: Stop | None) -> None:
        drops = stop.drops if stop is not None else ()
        is_absent = any(drop.person.part is Part.ABSENT for drop in drops)
        address = stop.house.address if stop is not None else "an added stop"
        failed, delivered = page.form("failed"), page.form("delivered")
        if failed is not None and (is_absent or delivered is None):
            reason = next((choice for choice in failed.choices.get("reason", []) if choice), "")
            await self._tap(page, failed, {"reason": reason, "note": "Rang twice, nobody came"})
            self._outcome(drops, "attempt failed")
            self._note(f"could not deliver at {address}")
        elif delivered is not None:
            name = drops[0].person.name if drops else "Neighbor"
            receivers = delivered.choices.get("receiver", [""])
            proof = self._proof(name, self._rng.choice(receivers))
            photo = await asyncio.to_thread(doorstep_photo, self._rng)
            await self._tap(page, delivered, proof, photo=photo)
            self._outcome(drops, "delivered")
            self._note(f"delivered at {address}")

    def _proof(self, name: str, receiver: str) -> dict[str, str]:
        """Return who took it: half of the time with a signature, else one of the page's answers."""
        if self._rng.random() < 0.5:
            return {"received_by": name.split()[0], "signature": signature(name, self._rng)}
        return {"receiver": receiver}

    def _find(self, page: Page) -> tuple[Place | None, Stop | None]:
        """Return where this stop is, by the address on its page, and the plan's stop if it was planned."""
        for address in ADDRESS.findall(page.text):
            if address in self._planned:
                return self._planned[address].place, self._planned[address]
            if address in self._places:
                return self._places[address], None
        return None, None

    async def _day(self) -> Page:
        return await self._read(self.day_url)

    async def _stop(self, stop_id: str) -> Page:
        return await self._read(f"{self.day_url}stops/{stop_id}")

    async def _read(self, url: str) -> Page:
        """Return a page of this route. Raises ``ShutOut`` once another phone has the link, or it has ended."""
        page = await self._try(lambda: self.visitor.open(url))
        if page.status in SHUT_OUT:
            raise ShutOut(page.status)
        return page

    async def _tap_on_day(self, name: str) -> None:
        """Press the button of that name on the day's page; nothing when a person already has."""
        await self._autopilot.wait(self.route.driver_phone)
        page = await self._day()
        if (form := page.form(name)) is not None:
            await self._tap(page, form, {})

    async def _act(self, page: Page, form: Form, values: dict[str, str]) -> None:
        if self._autopilot.plays(self.route.driver_phone):
            await self._tap(page, form, values)

    async def _tap(self, page: Page, form: Form, values: dict[str, str], photo: bytes | None = None) -> None:
        given = {name: value for name, value in values.items() if name in form.fields or name in form.choices}
        answer = await self._try(lambda: self.visitor.submit(page, form, given, photo=photo))
        if answer.status in SHUT_OUT:
            raise ShutOut(answer.status)
        if answer.status >= 400:
            self._journal.add("tap_refused", who=self.route.driver, form=form.name, answer=answer.status)

    async def _try(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """Ask until the portal answers: a driver without signal tries again too."""
        while True:
            try:
                return await ask()
            except PortalAway:
                await asyncio.sleep(RETRY_S)

    def _expect(self, at: datetime, label: str) -> None:
        self._expected = self._clock.expect(at, label)

    def _outcome(self, drops: tuple[object, ...], outcome: str) -> None:
        for drop in drops:
            self.outcomes.setdefault(getattr(drop, "reference", ""), outcome)

    def _note(self, what: str) -> None:
        self._journal.add("driver", who=self.route.driver, number=self.route.driver_phone, what=what)


def _is_open(page: Page) -> bool:
    return any(page.form(name) is not None for name in ("arrived", "delivered", "failed"))
