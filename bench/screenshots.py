"""Pictures of every page on one made-up day: ``python -m bench.screenshots FOLDER``.

Plays a route of the sandbox's town through the real product, with Chromium as recipient, driver and staff, and takes
each page at phone and desk size, light and dark.
"""

import argparse
import json
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser, Page, expect

from sandbox.day import Route, plan_day, write_route_file
from sandbox.drive import plan_drive
from sandbox.ground import ZONE, to_lat_lon
from sandbox.houses import build_houses
from sandbox.instance import STAFF_EMAIL, Instance
from sandbox.pictures import doorstep_photo
from sandbox.routing import Place, Streets
from sandbox.tiles import Tiles
from sandbox.town import build_town
from sandbox.world import World
from tests.browser import open_browser
from tests.e2e.phones import DESK, LINK, PHONE

DAY = date(2026, 3, 5)
SIZES = {"phone": PHONE, "desk": DESK}
TILES = "{world}/tiles/{z}/{x}/{y}.png"  # the world's own address is only known once it runs
STEP_S = 15.0  # day seconds between two fixes


def at(clock_time: str, on: date = DAY) -> datetime:
    """Return the instant of a local time in the town."""
    hour, minute = map(int, clock_time.split(":"))
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=ZoneInfo(ZONE))


class Studio:
    """Takes a page at every size and in both lights."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, url: str, *, state: dict[str, object] | None = None, whole: bool = False) -> None:
        """Take ``url`` at each size, light and dark; ``state`` is a browser's cookies."""
        for size, viewport in SIZES.items():
            for light in ("light", "dark"):
                with self.page(viewport, light, state) as page:
                    page.goto(url)
                    page.wait_for_timeout(1500)
                    page.screenshot(path=self._folder / f"{name}-{size}-{light}.png", full_page=whole)

    @contextmanager
    def page(self, viewport: dict[str, int], light: str = "light", state: object = None) -> Iterator[Page]:
        """Open one page of its own."""
        context = self._browser.new_context(viewport=viewport, color_scheme=light, storage_state=state)  # type: ignore[arg-type]
        try:
            yield context.new_page()
        finally:
            context.close()


class Play:
    """One van's route, driven by hand."""

    def __init__(self, instance: Instance, route: Route, streets: Streets, depot: object) -> None:
        self.instance, self.route, self.streets = instance, route, streets
        self.place = depot
        self.token = ""

    def post(self, when: datetime, lat: float, lon: float, speed_mps: float, heading_deg: float) -> None:
        """Send one fix as the driver's phone would."""
        body = {
            "positions": [
                {"lat": lat, "lon": lon, "at": when.isoformat(), "accuracy_m": 6.0, "speed_mps": speed_mps,
                 "heading_deg": heading_deg}
            ]
        }  # fmt: skip
        asked = urllib.request.Request(
            f"{self.instance.url}/ingest/positions",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(asked, timeout=10).close()

    def drive(self, index: int, share: float = 1.0) -> None:
        """Drive ``share`` of the way to stop ``index``, moving the day along."""
        target = self.route.stops[index].place
        drive = plan_drive(self.streets, self.streets.way(self.place, target), Random(index))  # type: ignore[arg-type]
        started = self.instance.now()
        passed = 0.0
        while passed < drive.duration_s * share:
            passed = min(passed + STEP_S, drive.duration_s * share)
            fix = drive.at(passed)
            self.instance.set_day(started + timedelta(seconds=passed))
            self.post(self.instance.now(), *to_lat_lon(fix.point), fix.speed_mps, fix.heading_deg)
            time.sleep(0.15)
        if share >= 1.0:
            self.place = target

    def stand(self, seconds: float) -> None:
        """Stand at the last stop reached."""
        point = to_lat_lon(self.streets.point(self.place))  # type: ignore[arg-type]
        started = self.instance.now()
        passed = 0.0
        while passed < seconds:
            passed += STEP_S
            self.instance.set_day(started + timedelta(seconds=passed))
            self.post(self.instance.now(), *point, 0.0, 0.0)
            time.sleep(0.1)


def link_for(instance: Instance, number: str, timeout_s: float = 60.0) -> str:
    """Return the newest link texted to a number, waiting for one."""
    instance.world.wait_for_text(
        lambda sent: sent.to == number and LINK.search(sent.body) is not None, timeout_s=timeout_s
    )
    return next(found.group(0) for text in reversed(instance.world.texts(number)) if (found := LINK.search(text.body)))


def send(page: Page, name: str, **values: str) -> None:
    """Fill and send the first form of this name."""
    form = page.locator(f'form[data-form="{name}"]').first
    for field, value in values.items():
        form.locator(f'[name="{field}"]').first.fill(value)
    form.locator('button[type="submit"], button:not([type])').last.click()
    page.wait_for_load_state()


def play(instance: Instance, browser: Browser, folder: Path, world_parts: tuple[object, Streets, list[object]]) -> None:
    """Play the day and take the pictures on the way."""
    studio = Studio(browser, folder)
    _town, streets, houses = world_parts
    day = plan_day(DAY, houses, streets)  # type: ignore[arg-type]
    write_route_file(day, instance.folder / "routes.csv")
    instance.run("routes", "import", str(instance.folder / "routes.csv"))
    route = next(found for found in day.routes if all(stop.drops[0].person.has_phone for stop in found.stops[:4]))
    phones = [stop.drops[0].phone for stop in route.stops]
    instance.set_day(at("18:01", DAY - timedelta(days=1)))
    links = {number: link_for(instance, number) for number in phones[:4]}
    studio.take("recipient-1-day-before", links[phones[1]], whole=True)
    instance.set_day(at("08:05"))
    time.sleep(5)
    instance.set_day(route.starts_at - timedelta(minutes=50))
    with (
        studio.page(SIZES["phone"]) as driver,
        studio.page(SIZES["phone"]) as anna,
        studio.page(SIZES["desk"]) as staff,
    ):
        driver.goto(link_for(instance, route.driver_phone))
        driver.screenshot(path=folder / "driver-0-landing.png")
        send(driver, "open")
        phone_state = driver.context.storage_state()
        studio.take("driver-1-loading", f"{instance.url}/d/", state=phone_state, whole=True)  # type: ignore[arg-type]
        to_load = driver.locator('form[data-form="loaded"]')
        while left := to_load.count():
            send(driver, "loaded")
            expect(to_load).to_have_count(left - 1)
        instance.set_day(route.starts_at)
        send(driver, "start")
        driver.wait_for_selector("[data-stop]")
        driving = Play(instance, route, streets, _depot(day))
        driving.token = driver.locator("body").get_attribute("data-device-token") or ""
        driving.drive(0, 0.6)
        time.sleep(2)
        studio.take("recipient-2-next", links[phones[0]], whole=True)
        studio.take("recipient-3-later", links[phones[2]], whole=True)
        studio.take("driver-2-day", f"{instance.url}/d/", state=phone_state, whole=True)  # type: ignore[arg-type]
        driving.drive(0)
        driving.stand(90)
        _deliver(driver, instance, folder)
        driving.stand(30)
        driving.drive(1, 0.55)
        time.sleep(2)
        anna.goto(links[phones[1]])
        send(anna, "message", body="The bell is broken, could you knock?")
        _open_next_stop(driver, instance)
        driver.wait_for_timeout(1000)
        _answer(driver, folder)
        anna.wait_for_timeout(1500)
        instance.set_day(instance.now() + timedelta(minutes=1))
        instance.world.wait_for_text(lambda sent: sent.to == phones[0] and "How was it" in sent.body, timeout_s=60)
        instance.world.answer(phones[0], "2 left in the rain")
        time.sleep(4)
        studio.take("recipient-4-chat", links[phones[1]], whole=True)
        studio.take("recipient-5-delivered", links[phones[0]], whole=True)
        studio.take("driver-3-stop", driver.url, state=phone_state, whole=True)  # type: ignore[arg-type]
        _staff(staff, studio, instance)
    studio.take("front", f"{instance.url}/")
    studio.take("error-404", f"{instance.url}/t/nothing")


def _depot(day: object) -> object:
    depot = day.depot  # type: ignore[attr-defined]
    return Place(depot.edge, depot.along_m)


def _open_next_stop(driver: Page, instance: Instance) -> None:
    """Go there by address: while the van moves, its page hides what must not be read."""
    driver.goto(f"{instance.url}/d/")
    driver.goto(f"{instance.url}{driver.locator('[data-stop]').first.get_attribute('href')}")


def _answer(driver: Page, folder: Path) -> None:
    """Answer the recipient: by one of three big buttons while the van moves, else by typing."""
    dialog = driver.locator("dialog[data-drive]")
    if not dialog.is_visible():
        send(driver, "message", body="Will do. I am about ten minutes away.")
        return
    driver.screenshot(path=folder / "driver-4-driving.png")
    dialog.get_by_role("button").first.click()


def _deliver(driver: Page, instance: Instance, folder: Path) -> None:
    _open_next_stop(driver, instance)
    if driver.locator('form[data-form="arrived"]').count():
        send(driver, "arrived")
    form = driver.locator('form[data-form="delivered"]').first
    photo = folder / "photo.jpg"
    photo.write_bytes(doorstep_photo(Random(4)))
    form.locator('input[type="file"]').set_input_files(photo)
    form.locator('[name="received_by"]').fill("Anna B.")
    form.locator("button:not([type])").last.click()
    driver.wait_for_load_state()
    photo.unlink()


def _staff(staff: Page, studio: Studio, instance: Instance) -> None:
    staff.goto(f"{instance.url}/staff/login")
    staff.fill('[name="email"]', STAFF_EMAIL)
    staff.fill('[name="password"]', instance.password)
    staff.click('main button[type="submit"]')
    staff.wait_for_url(re.compile(r"/staff/$"))
    state = staff.context.storage_state()
    base = f"{instance.url}/staff"
    names = (
        *("", "inbox?queue=all", "fleet", "cases", "tasks", "import", "people", "messages", "unreached", "ways-out"),
        *("truth", "ratings", "answers", "chat-settings"),
    )
    for name in names:
        studio.take(f"staff-{name.split('?')[0] or 'today'}", f"{base}/{name}", state=state)  # type: ignore[arg-type]
    for name, page, pattern in (
        ("conversation", "inbox?queue=all", r"/staff/conversations/[0-9a-f]{32}"),
        ("route", "fleet", r"/staff/routes/[0-9a-f]{32}"),
        ("case", "cases", r"/staff/cases/[0-9a-f]{32}"),
    ):
        staff.goto(f"{base}/{page}")
        hrefs = [str(link.get_attribute("href")) for link in staff.locator("main a").all()]
        found = next((href for href in hrefs if re.search(pattern, href)), None)
        if found:
            studio.take(f"staff-{name}", f"{instance.url}{found}", state=state, whole=True)  # type: ignore[arg-type]
            if name == "conversation":
                delivery = found.rsplit("/", 1)[1].split("?")[0]
                studio.take("staff-delivery", f"{base}/deliveries/{delivery}", state=state, whole=True)  # type: ignore[arg-type]


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    town = build_town()
    houses, streets = build_houses(town), Streets(town)
    with tempfile.TemporaryDirectory(prefix="portal-pictures-") as name, open_browser() as browser:
        if browser is None:
            raise SystemExit("No Chromium was found.")
        world = World(data_dir=Path(name) / "world", more=Tiles(town, houses).routes())
        settings = {"PORTAL_TILE_URL": TILES, "PORTAL_TILE_ATTRIBUTION": "Alder Falls, a made-up town"}
        evening = at("17:30", DAY - timedelta(days=1))
        with Instance(Path(name), day=evening, settings=settings, world=world) as instance:
            play(instance, browser, options.folder, (town, streets, list(houses)))


if __name__ == "__main__":
    main()
