"""A made-up delivery day of a few routes, as the API takes it: every person, number, address and place is told apart.

For tests and benchmarks that must know whose data is whose. ``Parcel`` and ``Round`` also say where everything is.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
ON = date(2026, 3, 5)
START = datetime(2026, 3, 5, 10, 0, tzinfo=ZONE)
_FIRST = [
    "Odalys",
    "Ransford",
    "Birgitta",
    "Cosimo",
    "Thandeka",
    "Wilhelmina",
    "Yevgeni",
    "Marisela",
    "Ignatius",
    "Soledad",
]
_LAST = [
    "Quillfeather",
    "Brambleholt",
    "Vanderlint",
    "Oystermouth",
    "Pemberwick",
    "Zabriskie",
    "Castellane",
    "Underhay",
]
_STREET = [
    "Gooseberry",
    "Larkspur",
    "Tamarind",
    "Quarry",
    "Windlass",
    "Cobbler",
    "Juniper",
    "Osprey",
    "Thimble",
    "Velvet",
]
STOP_M = 700.0  # from one stop to the next, where nothing else is said
DEG_M = 1 / 111_195  # degrees of latitude a metre


@dataclass
class Parcel:
    """One delivery: its recipient's data, its door, and, once it is loaded, its ids and token."""

    reference: str
    name: str
    phone: str
    email: str
    address: str
    lat: float
    lon: float
    stop: int
    delivery_id: str = ""
    stop_id: str = ""
    token: str = ""


@dataclass
class Round:
    """One route: driver, depot, parcels in the order of their stops, and, once it is loaded, ids and tokens."""

    name: str
    driver: str
    driver_phone: str
    depot: tuple[float, float]
    parcels: list[Parcel]
    route_id: str = ""
    driver_id: str = ""
    device_token: str = ""
    driver_token: str = ""
    doors: list[tuple[float, float]] = field(default_factory=list)


def make_rounds(
    *, routes: int, stops: int, parcels_a_stop: int = 1, seed: int = 1, stop_m: float = STOP_M
) -> list[Round]:
    """Return the day's routes: stops about ``stop_m`` apart on a wandering way, each route in a part of its own."""
    rng = random.Random(seed)
    rounds = []
    for number in range(routes):
        lat, lon = 40.70 + 0.08 * number, -74.40 + 0.05 * number
        depot = (round(lat, 6), round(lon, 6))
        parcels: list[Parcel] = []
        doors = []
        for stop in range(stops):
            lat += stop_m * DEG_M * rng.uniform(0.5, 0.95) * rng.choice((1, 1, 1, -0.3))
            lon += stop_m * DEG_M * rng.uniform(0.6, 1.2)
            doors.append((round(lat, 6), round(lon, 6)))
            for _ in range(parcels_a_stop):
                parcels.append(_parcel(rng, number, stop, len(parcels), doors[-1]))
        driver = f"Dusty{number} Roadwright{number}"
        rounds.append(Round(f"Loop{number}", driver, f"+1646555{100 + number:04d}", depot, parcels, doors=doors))
    return rounds


def _parcel(rng: random.Random, route: int, stop: int, index: int, door: tuple[float, float]) -> Parcel:
    number = 100 * (route + 1) + index  # three digits, so that nobody's words are part of another's
    first, last = _FIRST[index % len(_FIRST)], _LAST[(index // len(_FIRST) + route) % len(_LAST)]
    return Parcel(
        reference=f"ZX{rng.randrange(10**7, 10**8)}",
        name=f"{first}{number} {last}{number}",
        phone=f"+1201555{1000 + number:04d}",
        email=f"{first.lower()}.{number}@example.net",
        address=f"{rng.randrange(100, 999)} {_STREET[index % len(_STREET)]}{number} Lane",
        lat=door[0],
        lon=door[1],
        stop=stop,
    )


def documents(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the routes as ``POST /api/v1/routes`` takes them; everybody's window is the whole day."""
    return {"routes": [_document(one, number) for number, one in enumerate(rounds)]}


def _document(one: Round, number: int) -> dict[str, Any]:
    return {
        "date": ON.isoformat(),
        "route": one.name,
        "depot": {"name": f"Depot {number}", "lat": one.depot[0], "lon": one.depot[1]},
        "planned_start": f"{START:%H:%M}",
        "driver": {"name": one.driver, "phone": one.driver_phone},
        "vehicle": f"Van {number}",
        "stops": [
            {
                "sequence": stop + 1,
                "address": next(parcel.address for parcel in one.parcels if parcel.stop == stop),
                "lat": door[0],
                "lon": door[1],
                "service_minutes": 6,
                "deliveries": [
                    {
                        "reference": parcel.reference,
                        "recipient": parcel.name,
                        "phone": parcel.phone,
                        "email": parcel.email,
                        "window_start": "09:00",
                        "window_end": "19:00",
                        "zone": ZONE.key,
                        "items": f"1 crate {parcel.reference}",
                    }
                    for parcel in one.parcels
                    if parcel.stop == stop
                ],
            }
            for stop, door in enumerate(one.doors)
        ],
    }


@dataclass(frozen=True)
class TrueFix:
    """Where a truck truly was, and what its device sends of it: ``sent_at`` may be late, the place may be wrong."""

    at: datetime
    lat: float
    lon: float
    speed_mps: float
    told_lat: float
    told_lon: float
    told_speed_mps: float | None
    accuracy_m: float
    delay_s: float
    copies: int
    stands_at: int | None


def drive(
    one: Round, *, seed: int, step_s: float = 10.0, service_s: float = 150.0, dirt: float = 0.08
) -> list[TrueFix]:
    """Return a drive from door to door, with a stand at each; ``dirt`` is the share of fixes that are dirty."""
    rng = random.Random(seed)
    fixes = []
    at, here = START + timedelta(seconds=30), one.depot
    for stop, door in enumerate(one.doors):
        speed_mps = rng.uniform(6, 12)
        far_m = _metres(here, door)
        steps = max(1, int(far_m / (speed_mps * step_s)))
        for step in range(1, steps + 1):
            share = step / steps
            place = (here[0] + share * (door[0] - here[0]), here[1] + share * (door[1] - here[1]))
            at += timedelta(seconds=step_s)
            fixes.append(_dirty(rng, at, place, speed_mps, dirt, None))
        here = door
        for number in range(int(rng.uniform(0.6, 1.6) * service_s / step_s)):
            at += timedelta(seconds=step_s)
            place = (door[0] + rng.uniform(-8, 8) * DEG_M, door[1] + rng.uniform(-8, 8) * DEG_M)
            fix = _dirty(rng, at, place, 0.0, dirt, stop)
            if number and fix.told_speed_mps == 0.0 and rng.random() < dirt:
                fix = replace(fix, told_speed_mps=rng.uniform(2, 6))  # what a phone measured before comes once more
            fixes.append(fix)
    return fixes


def _dirty(
    rng: random.Random, at: datetime, place: tuple[float, float], speed_mps: float, dirt: float, stop: int | None
) -> TrueFix:
    """Return one fix, sometimes repeated, late, far off, inaccurate, or without or with a wrong speed."""
    told, told_speed, accuracy_m, delay_s, copies = place, speed_mps, 8.0, 0.0, 1
    kind = rng.choice(("jump", "late", "copy", "rough", "swapped", "zero", "speed")) if rng.random() < dirt else ""
    if kind == "jump":
        told = (place[0] + rng.choice((-1, 1)) * 0.03, place[1] + rng.choice((-1, 1)) * 0.03)
    elif kind == "late":
        delay_s = rng.uniform(20, 90)
    elif kind == "copy":
        copies = 2
    elif kind == "rough":
        told, accuracy_m = (place[0] + rng.uniform(-0.01, 0.01), place[1] + rng.uniform(-0.01, 0.01)), 2000.0
    elif kind == "swapped":
        told = (place[1], place[0])
    elif kind == "zero":
        told = (0.0, 0.0)
    elif kind == "speed":
        told_speed = -1.0
    return TrueFix(at, *place, speed_mps, *told, told_speed, accuracy_m, delay_s, copies, stop)


def _metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.hypot(a[0] - b[0], 0.758 * (a[1] - b[1])) / DEG_M
