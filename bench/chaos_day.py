"""The input of a chaos run: routes of one day, in files as dispatchers would send them, and who should get what."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sandbox.judge import MAIL, SMS, Message
from tracking.import_rows import COLUMNS

ZONE = ZoneInfo("America/New_York")
DAY = date(2026, 3, 5)
EVE = datetime(2026, 3, 4, 18, 30, tzinfo=ZONE)  # what is imported now is told at once
MORNING = datetime(2026, 3, 5, 8, 5, tzinfo=ZONE)
START = datetime(2026, 3, 5, 9, 30, tzinfo=ZONE)  # drivers get their links
STOPS = 20  # a route
# Area codes in use; each has the hundred numbers 555-0100 to 555-0199 for examples. Ours is in 201.
AREAS = (202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 231)
DRIVERS_AREA = 229


def phone(number: int) -> str:
    """Return the phone of recipient ``number``, 0 to 1999."""
    return f"+1{AREAS[number // 100]}55501{number % 100:02d}"


def email(number: int) -> str:
    """Return the address of recipient ``number``."""
    return f"r{number}@example.net"


def driver_phone(route: int) -> str:
    """Return the phone of the driver of ``route``, 0 to 99."""
    return f"+1{DRIVERS_AREA}55501{route:02d}"


def route_files(deliveries: int) -> Iterator[bytes]:
    """Yield one file for each route."""
    for route in range(0, -(-deliveries // STOPS)):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="")
        writer.writeheader()
        for number in range(route * STOPS, min(deliveries, (route + 1) * STOPS)):
            writer.writerow(_row(route, number))
        yield text.getvalue().encode()


def to_recipients(deliveries: int, kind: str) -> set[Message]:
    """Return a text and a mail of ``kind`` for every recipient."""
    numbers = range(deliveries)
    return {Message(SMS, phone(number), kind) for number in numbers} | {
        Message(MAIL, email(number), kind) for number in numbers
    }


def to_drivers(deliveries: int) -> set[Message]:
    """Return the link of every driver."""
    return {Message(SMS, driver_phone(route), "driver_link") for route in range(0, -(-deliveries // STOPS))}


def _row(route: int, number: int) -> dict[str, object]:
    return {
        "date": DAY.isoformat(),
        "route": f"Route {route}",
        "depot": "Mill depot",
        "depot_lat": "40.7100",
        "depot_lon": "-74.3500",
        "planned_start": "10:00",
        "driver": f"Driver {route}",
        "driver_phone": driver_phone(route),
        "sequence": number % STOPS + 1,
        "reference": f"C-{number}",
        "recipient": f"Person {number}",
        "phone": phone(number),
        "email": email(number),
        "address": f"{number} Orchard Lane",
        "lat": f"{40.71 + number % STOPS * 0.002:.4f}",
        "lon": "-74.3400",
        "window_start": "10:00",
        "window_end": "16:00",
        "zone": ZONE.key,
        "locale": "en",
        "items": "1 bookcase",
    }
