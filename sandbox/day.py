"""The demo's delivery day: who gets what, where and when, as the route file the portal imports."""

import csv
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sandbox.ground import ZONE, Point, is_works, river_distance_m, to_lat_lon
from sandbox.houses import House
from sandbox.people import DRIVERS, INSTRUCTIONS, ITEMS, RECIPIENTS, Person
from sandbox.routing import Place, Streets

HEADER = (
    "date,route,depot,depot_lat,depot_lon,planned_start,driver,driver_phone,vehicle,sequence,reference,recipient,phone,"
    "email,address,lat,lon,window_start,window_end,zone,locale,service_minutes,items,instructions"
)
ROUTES = (("West", "Van 4"), ("North", "Van 7"), ("South", "Van 9"))
STARTS = (time(10, 0), time(10, 20), time(10, 40))
STOPS = 8
APART_M = 330.0
PLAN_FACTOR = 1.35  # planned driving time over free driving time
WINDOW = timedelta(hours=2)
DEPOT_NAME = "Alder Falls depot"


@dataclass(frozen=True)
class Drop:
    """One delivery as planned."""

    reference: str
    person: Person
    phone: str
    email: str
    items: str
    instructions: str


@dataclass(frozen=True)
class Stop:
    """One stop as planned. ``planned_at`` is when the plan has the van there; the window is local."""

    sequence: int
    house: House
    drops: tuple[Drop, ...]
    service_min: int
    planned_at: datetime
    window_start: time
    window_end: time

    @property
    def place(self) -> Place:
        return Place(self.house.edge, self.house.along_m)


@dataclass(frozen=True)
class Route:
    """One van's day. ``starts_at`` is aware, in the town's zone."""

    name: str
    driver: str
    driver_phone: str
    vehicle: str
    starts_at: datetime
    stops: tuple[Stop, ...]


@dataclass(frozen=True)
class Day:
    """A whole day: one depot, some routes."""

    on: date
    depot: House
    routes: tuple[Route, ...]

    def drops(self) -> list[Drop]:
        return [drop for route in self.routes for stop in route.stops for drop in stop.drops]


def plan_day(on: date, houses: list[House], streets: Streets, seed: int = 7) -> Day:
    """Plan the deliveries of ``on``: the same day for the same seed."""
    rng = random.Random(seed + 400)
    depot = next(house for house in houses if is_works(house.middle))
    people = iter(enumerate(RECIPIENTS))
    routes = []
    for index, (name, vehicle) in enumerate(ROUTES):
        starts_at = datetime.combine(on, STARTS[index], ZoneInfo(ZONE))
        chosen = _ordered(depot, _spread([h for h in houses if _quarter(h.middle) == index], rng), streets)
        drops = [[_drop(index, count, *next(people), rng)] for count in range(STOPS)]
        if index == 0:
            drops[4].append(_drop(index, STOPS, *next(people), rng))
        stops = tuple(_timed(starts_at, depot, chosen, drops, streets, rng))
        phone = f"+1908555010{index + 1}"
        routes.append(Route(name, DRIVERS[index], phone, vehicle, starts_at, stops))
    return Day(on, depot, tuple(routes))


def _quarter(point: Point) -> int:
    """Return which route serves this point: 0 beyond the river, 1 north, 2 south, -1 nobody."""
    if is_works(point):
        return -1
    if river_distance_m(point) < 0:
        return 0
    return 1 if point[1] > 0 else 2


def _spread(houses: list[House], rng: random.Random) -> list[House]:
    """Return ``STOPS`` houses, no two of them neighbours."""
    chosen = list[House]()
    while len(chosen) < STOPS:
        house = rng.choice(houses)
        if all(math.dist(house.middle, other.middle) > APART_M for other in chosen):
            chosen.append(house)
    return chosen


def _ordered(depot: House, chosen: list[House], streets: Streets) -> list[House]:
    """Return the houses in the order of always driving to the nearest one left."""
    order, here, left = list[House](), Place(depot.edge, depot.along_m), list(chosen)
    while left:
        nearest = min(left, key=lambda house: _free_s(streets, here, Place(house.edge, house.along_m)))
        order.append(nearest)
        left.remove(nearest)
        here = Place(nearest.edge, nearest.along_m)
    return order


def _free_s(streets: Streets, start: Place, end: Place) -> float:
    return sum(leg.free_s for leg in streets.way(start, end))


def _drop(route: int, count: int, number: int, person: Person, rng: random.Random) -> Drop:
    return Drop(
        reference=f"AF-{4100 + route * 100 + count}",
        person=person,
        phone=f"+1201555{110 + number:04d}" if person.has_phone else "",
        email=person.email if person.has_email else "",
        items=rng.choice(ITEMS),
        instructions=rng.choice(INSTRUCTIONS),
    )


def _timed(
    starts_at: datetime,
    depot: House,
    chosen: list[House],
    drops: list[list[Drop]],
    streets: Streets,
    rng: random.Random,
) -> Iterator[Stop]:
    """Yield the stops with the plan's times, and windows that leave about three quarters of an hour on either side."""
    at, here = starts_at, Place(depot.edge, depot.along_m)
    for sequence, (house, together) in enumerate(zip(chosen, drops, strict=True), start=1):
        place, service_min = Place(house.edge, house.along_m), rng.choice((4, 5, 6, 8))
        at += timedelta(seconds=_free_s(streets, here, place) * PLAN_FACTOR)
        opens = at - timedelta(minutes=40)
        opens -= timedelta(minutes=opens.minute % 30, seconds=opens.second, microseconds=opens.microsecond)
        yield Stop(sequence, house, tuple(together), service_min, at, opens.time(), (opens + WINDOW).time())
        at += timedelta(minutes=service_min)
        here = place


def write_route_file(day: Day, path: Path) -> None:
    """Write the file ``portal routes import`` reads, with exactly its header."""
    depot_lat, depot_lon = to_lat_lon(day.depot.middle)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        rows = csv.writer(file, lineterminator="\n")
        for route in day.routes:
            start = (day.on.isoformat(), route.name, DEPOT_NAME, f"{depot_lat:.6f}", f"{depot_lon:.6f}")
            van = (f"{route.starts_at:%H:%M}", route.driver, route.driver_phone, route.vehicle)
            for stop in route.stops:
                rows.writerows((*start, *van, *_cells(stop, drop)) for drop in stop.drops)


def _cells(stop: Stop, drop: Drop) -> tuple[str, ...]:
    lat, lon = to_lat_lon(stop.house.middle)
    return (
        str(stop.sequence),
        drop.reference,
        drop.person.name,
        drop.phone,
        drop.email,
        f"{stop.house.address}, Alder Falls",
        f"{lat:.6f}",
        f"{lon:.6f}",
        f"{stop.window_start:%H:%M}",
        f"{stop.window_end:%H:%M}",
        ZONE,
        drop.person.locale,
        str(stop.service_min),
        drop.items,
        drop.instructions,
    )
