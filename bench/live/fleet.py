"""A fleet that drives and people who watch it, on a whole instance: for the soak and for the shape of a real day."""

import asyncio
import json
import os
import re
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Self

from sandbox.instance import Instance
from sandbox.machine import monotonic_s
from tests.builders import DEPOT_AT, local, make_delivery, make_driver, make_route, make_stop
from tracking.deliveries import DeliveryStatus
from tracking.drivers import issue_device_token
from tracking.ids import new_id, new_link_id
from tracking.links import Audience, LinkSigner, recipient_link
from tracking.routes import RouteStatus
from tracking.storage import Database

STARTS = local("10:00")
STOPS = 8
FIX_EVERY_S = 5.0
STEP_DEG = 0.0003  # between two fixes: 25 m of latitude and of longitude, about 7 m/s
_SIGNAL = re.compile(r'datetime="([^"]+)" data-age')


@dataclass
class Truck:
    """One route under way: the device's token, its deliveries, and the newest fix that was accepted."""

    token: str
    delivery_ids: list[str]
    posted: dict[str, float] = field(default_factory=dict)  # by the fix's time: machine seconds
    newest_at: str = ""
    fixes: int = 0


@dataclass
class Page:
    """One open stream, and what it last said."""

    path: str
    truck: Truck
    fragments: dict[str, str] = field(default_factory=dict)
    place_at: str = ""
    events: int = 0
    breaks: int = 0


class Fleet:
    """``trucks`` routes of eight deliveries, and ``pages`` streams spread over them, on a fresh instance."""

    def __init__(self, folder: Path, *, trucks: int, pages: int) -> None:
        self.instance = Instance(folder, day=STARTS)
        self._counts = trucks, pages
        self.trucks: list[Truck] = []
        self.pages: list[Page] = []
        self.errors: list[str] = []
        self.lags_s: list[float] = []
        self.is_over = False

    def __enter__(self) -> Self:
        self.instance.__enter__()
        self.instance.stop("worker")
        self._fill()
        self.instance.start("worker", "worker")
        self.instance.wait_until_ready()
        self.instance.set_day(STARTS, 1.0)
        return self

    def __exit__(self, *error: Any) -> None:
        self.instance.__exit__(*error)

    def pids(self) -> dict[str, list[int]]:
        """Return the process ids of web, and of the worker with all it started."""
        return {name: _family(process.pid) for name, process in self.instance.processes.items()}

    def _fill(self) -> None:
        trucks, pages = self._counts
        signer = LinkSigner(self.instance.environ["PORTAL_SECRET_KEYS"].split(","))
        paths: list[tuple[str, Truck]] = []
        with closing(Database(self.instance.environ["PORTAL_DATABASE_URL"])) as database:
            for number in range(trucks):
                with database.writing() as session:
                    driver = make_driver(session, f"Driver {number}", f"+1201555{number:04d}")
                    route = make_route(session, status=RouteStatus.STARTED, started_at=STARTS, driver=driver)
                    token = issue_device_token(
                        session, token_id=new_id(), driver_id=driver.id, label="bench", now=STARTS, expires_at=None
                    )
                    truck = Truck(token, [])
                    for index in range(STOPS):
                        away = 0.03 * (index + 1)
                        stop = make_stop(session, route, lat=DEPOT_AT[0] + away, lon=DEPOT_AT[1] + away)
                        delivery = make_delivery(session, stop=stop, status=DeliveryStatus.OUT_FOR_DELIVERY)
                        truck.delivery_ids.append(delivery.id)
                    watched = -(-(pages - len(paths)) // (trucks - number))
                    for index in range(watched):
                        link = recipient_link(
                            session,
                            delivery_id=truck.delivery_ids[index % STOPS],
                            link_id=new_link_id(),
                            now=STARTS,
                            expires_at=STARTS + timedelta(days=7),
                        )
                        paths.append((f"/t/{signer.token(link.id, Audience.RECIPIENT)}", truck))
                self.trucks.append(truck)
        self.pages = [Page(path, truck) for path, truck in paths]

    async def drive(self, truck: Truck, seconds: float, delay_s: float) -> None:
        """Post a fix every five seconds."""
        await asyncio.sleep(delay_s)
        ends = monotonic_s() + seconds
        while monotonic_s() < ends:
            began = monotonic_s()
            truck.fixes += 1
            at, away = self.instance.now(), STEP_DEG * truck.fixes
            fix = {"lat": DEPOT_AT[0] + away, "lon": DEPOT_AT[1] + away, "at": at.isoformat(), "speed_mps": 7.0}
            body = json.dumps({"positions": [fix]}).encode()
            key = at.astimezone(UTC).isoformat(timespec="seconds")
            truck.posted[key] = began
            reader, writer = await asyncio.open_connection("127.0.0.1", self.instance.port)
            writer.write(
                f"POST /ingest/positions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {truck.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            status, answer = await _answer(reader)
            writer.close()
            if status != 200 or b"stored" not in answer:
                self.errors.append(f"a fix was answered {status} {answer[:80]!r}")
            truck.newest_at = key
            await asyncio.sleep(max(0.0, FIX_EVERY_S - (monotonic_s() - began)))

    async def watch(self, page: Page) -> None:
        """Follow one stream until the fleet is over, coming back when told to."""
        while not self.is_over:
            try:
                await self._follow(page)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.errors.append(f"a stream broke: {error!r}")
            if not self.is_over:
                page.breaks += 1
                await asyncio.sleep(1.0)

    async def _follow(self, page: Page) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.instance.port)
        writer.write(f"GET {page.path}/live HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:15]:
                raise ValueError(head[:20])
            while size := int(await reader.readline(), 16):
                self._heard(page, (await reader.readexactly(size + 2))[:-2].decode())
        finally:
            writer.close()

    def _heard(self, page: Page, text: str) -> None:
        for event in text.split("\n\n"):
            name, _, data = (
                event.removeprefix("event: ").partition("\ndata: ") if event[:6] == "event:" else ("", "", event)
            )
            page.events += 1
            if name == "place" and data != "null":
                heard_at, page.place_at = page.place_at, json.loads(data)["at"]
                posted = page.truck.posted.get(page.place_at)
                if posted is not None and heard_at and heard_at < page.place_at == page.truck.newest_at:
                    self.lags_s.append(monotonic_s() - posted)
            elif not name and event:
                html = event.removeprefix("data: ").replace("\ndata: ", "\n")
                for part, mark in (("status", '<section id="status"'), ("chat", '<div id="chat"')):
                    if mark in html:
                        page.fragments[part] = html

    async def is_newest(self, page: Page) -> bool:
        """Tell whether the page shows what the record says: its promise, and the truck's last place where it may."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.instance.port)
        writer.write(f"GET {page.path}/status HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        status, answer = await _answer(reader)
        writer.close()
        return status == 200 and _words(answer.decode()) in _words(page.fragments.get("status", ""))


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return int(head.split()[1]), await reader.readexactly(int(length[1]) if length else 0)


def _words(html: str) -> str:
    """Return the promise and the reasons of a status fragment: all that does not merely get older."""
    found = re.search(r'<div id="promise".*?</div>(.*?</ul>)?', html, re.DOTALL)
    return " ".join(found[0].split()) if found else ""


def spent_s(pids: list[int]) -> float:
    """Return the processor seconds of these processes and of all they have started that has ended since (proc(5))."""
    ticks = 0
    for pid in pids:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, after_name[11:15]))  # utime, stime, cutime, cstime
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return [pid, *(one for child in children for one in _family(child))]
