"""Everybody who plays in the demo's day, and who gets which message."""

import asyncio
import random
import re
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from sandbox.autopilot import Autopilot
from sandbox.clock import DayClock
from sandbox.day import Day
from sandbox.drive import Jam
from sandbox.driver import Driver, Trouble
from sandbox.houses import House
from sandbox.journal import Entry
from sandbox.outside import Outside
from sandbox.recipient import CHAT, Recipient
from sandbox.routing import Place, Streets
from sandbox.trucks import Truck
from sandbox.visitor import Visitor

DRIVER_LINK = re.compile(r"https?://\S+/d/[A-Za-z0-9_.\-]+")
READ_EVERY_S = 0.2  # machine seconds
ANSWERS = ("Ok, see you in a few minutes", "Got it, thanks", "Sure, will do")
ANSWERS_ES = ("Listo, ya casi llego", "Entendido, gracias")
ANSWER_AFTER_S = 40.0  # day seconds
MOST_ANSWERS = 3  # a driver is at work
# What goes wrong, by route: a jam in town, a lost signal, a parcel that is not there.
TROUBLES = (
    Trouble(jams=(Jam((-900.0, -350.0), 420.0, 3.5),)),
    Trouble(silent_before=4),
    Trouble(leaves_behind=6, jams=(Jam((350.0, -650.0), 380.0, 3.0),)),
)


class Cast:
    """Drivers and recipients of one day. ``run`` reads the journal and plays until cancelled."""

    def __init__(
        self,
        *,
        day: Day,
        houses: list[House],
        streets: Streets,
        outside: Outside,
        clock: DayClock,
        autopilot: Autopilot,
        seed: int = 7,
    ) -> None:
        self._outside, self._clock, self.autopilot = outside, clock, autopilot
        self._rng = random.Random(seed + 500)
        self._visitors: list[Visitor] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._read = 0
        self._answers_left: dict[str, int] = {}
        places = {house.address: Place(house.edge, house.along_m) for house in houses}
        depot = Place(day.depot.edge, day.depot.along_m)
        self.drivers = [
            self._driver(index, day, depot=depot, places=places, streets=streets) for index in range(len(day.routes))
        ]
        self.recipients = [self._recipient(drop_index, day) for drop_index in range(len(day.drops()))]
        self._by_address: dict[str, list[Recipient]] = {}
        for recipient in self.recipients:
            for address in (recipient.drop.phone, recipient.drop.email):
                if address:
                    self._by_address.setdefault(address, []).append(recipient)
        for drop in day.drops():
            if drop.person.phone_state != "ok":
                outside.twilio.carrier.phone_states[drop.phone] = drop.person.phone_state

    @property
    def trucks(self) -> list[Truck]:
        return [driver.truck for driver in self.drivers]

    @property
    def is_over(self) -> bool:
        """Whether every route that is played is finished, and everybody who rates has rated."""
        outcomes = {reference: word for driver in self.drivers for reference, word in driver.outcomes.items()}
        waiting = [
            r for r in self.recipients if r.is_rater and not r.rating and outcomes.get(r.drop.reference) == "delivered"
        ]
        return all(driver.is_finished or driver.is_replaced for driver in self.drivers) and not waiting

    async def run(self) -> None:
        """Play. Ends only by cancellation, and takes everybody along."""
        try:
            for driver in self.drivers:
                self._spawn(driver.play())
            while True:
                for entry in self._outside.journal.entries(after=self._read):
                    self._read = entry["n"]
                    self._hand_out(entry)
                for task in [task for task in self._tasks if task.done()]:
                    self._tasks.discard(task)
                    task.result()
                await asyncio.sleep(READ_EVERY_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for visitor in self._visitors:
                await visitor.close()

    def _hand_out(self, entry: Entry) -> None:
        if entry["event"] == "accepted":
            self._ring(entry["to"], entry["body"])
            for recipient in self._by_address.get(entry["to"], ()):
                if recipient.drop.person.phone_state == "ok":
                    self._spawn(recipient.read(entry["body"]))
        elif entry["event"] == "mail":
            for recipient in self._by_address.get(entry["to"], ()):
                self._spawn(recipient.read(entry["text"]))

    def _ring(self, number: str, body: str) -> None:
        for driver in self.drivers:
            if driver.route.driver_phone != number:
                continue
            if any(words in body for words in CHAT):
                if left := self._answers_left.get(number, MOST_ANSWERS):
                    self._answers_left[number] = left - 1
                    self._spawn(self._answer(driver, ANSWERS_ES if CHAT[1] in body else ANSWERS))
            elif (found := DRIVER_LINK.search(body)) is not None:
                driver.give_link(found.group())

    async def _answer(self, driver: Driver, answers: tuple[str, ...]) -> None:
        """Answer what a recipient or support asked the driver, at the next calm moment."""
        await self._clock.wait_until(self._clock.now() + timedelta(seconds=ANSWER_AFTER_S))
        if self.autopilot.plays(driver.route.driver_phone) and not driver.is_replaced:
            await self._outside.send_from_phone(driver.route.driver_phone, self._rng.choice(answers))

    def _driver(self, index: int, day: Day, *, depot: Place, places: dict[str, Place], streets: Streets) -> Driver:
        route, visitor = day.routes[index], self._visitor()
        rng = random.Random(self._rng.random())
        start = streets.point(depot)
        truck = Truck(
            name=route.vehicle, start=start, clock=self._clock, journal=self._outside.journal, visitor=visitor, rng=rng
        )
        return Driver(
            route=route,
            depot=depot,
            places=places,
            streets=streets,
            truck=truck,
            visitor=visitor,
            clock=self._clock,
            autopilot=self.autopilot,
            journal=self._outside.journal,
            rng=rng,
            trouble=TROUBLES[index % len(TROUBLES)],
        )

    def _recipient(self, index: int, day: Day) -> Recipient:
        return Recipient(
            drop=day.drops()[index],
            send_text=self._outside.send_from_phone,
            visitor=self._visitor(),
            clock=self._clock,
            autopilot=self.autopilot,
            journal=self._outside.journal,
            rng=random.Random(self._rng.random()),
        )

    def _visitor(self) -> Visitor:
        visitor = Visitor()
        self._visitors.append(visitor)
        return visitor

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(work))
