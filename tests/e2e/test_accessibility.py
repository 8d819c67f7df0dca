"""What axe-core finds on drivers' and staff's pages, light and dark; recipients' pages have their own test.

axe-core is Deque's rule set for WCAG. It gets into a page only past our own policy, so these contexts bypass it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.instance import STAFF_EMAIL, Instance
from tests.builders import SERVICE_ON, local
from tests.e2e.phones import link_in_text, press, route_file
from tests.not_run import leave_out

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
SEVERE = {"serious", "critical"}
DRIVER, ANNA = "+12015550150", "+12015550101"
NARROWEST = 320  # CSS pixels: 1280 at 400 % (WCAG 1.4.10)
STAFF_PAGES = (
    "",
    "inbox",
    "inbox?queue=all",
    "fleet",
    "cases",
    "tasks",
    "import",
    "people",
    "account",
    "ratings",
    "answers",
    "audit",
    "account/second-step",
    "messages",
    "messages/day_before/sms/en",
    "unreached",
    "ways-out",
    "truth",
    "chat-settings",
)


@pytest.fixture(scope="module")
def day(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """A day with one recipient who has written and one parcel each at two stops, just before the start."""
    rows = [
        {"sequence": 1, "reference": "A-1", "recipient": "Anna Berg", "phone": ANNA, "address": "12 Orchard Lane",
         "lat": 40.714, "lon": -74.347, "instructions": "Second door"},
        {"sequence": 2, "reference": "B-1", "recipient": "Bruno Lang", "phone": "+12015550102",
         "address": "40 Hill Street", "lat": 40.724, "lon": -74.34},
    ]  # fmt: skip
    file = tmp_path_factory.mktemp("file") / "routes.csv"
    file.write_bytes(route_file(rows, on=SERVICE_ON))
    instance.run("routes", "import", str(file))
    instance.set_day(local("09:30"))
    link_in_text(instance.world, DRIVER, "/d/")
    instance.world.answer(ANNA, "Is there a lift truck?")
    return instance


@pytest.fixture(scope="module")
def driver(browser: Browser, day: Instance) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, bypass_csp=True
    )
    page = context.new_page()
    page.goto(link_in_text(day.world, DRIVER, "/d/"))
    yield page
    context.close()


@pytest.fixture(scope="module")
def staff(browser: Browser, day: Instance) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{day.url}/staff/login")
    yield page
    context.close()


def look(page: Page) -> None:
    """Fail with what axe-core finds, in both colour schemes, or when the page is wider than the narrowest screen."""
    if not AXE.exists():
        leave_out("accessibility of drivers' and staff's pages", "axe-core was not installed by npm")
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.reload()
        page.evaluate(OPEN_ALL)
        page.add_script_tag(content=AXE.read_text())
        found = [one for one in page.evaluate("axe.run()")["violations"] if one["impact"] in SEVERE]
        told = [(one["id"], [(node["html"][:200], node["failureSummary"]) for node in one["nodes"]]) for one in found]
        assert not found, f"{page.url} ({scheme}): {json.dumps(told, indent=1)}"
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": NARROWEST, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST, f"{page.url} is too wide"
    page.set_viewport_size(size)


def test_a_driver_at_each_step(driver: Page) -> None:
    look(driver)
    press(driver, "open")
    expect(driver.locator("form[data-form='start']")).to_be_visible()
    look(driver)
    press(driver, "loaded")
    press(driver, "start")
    expect(driver.locator("form[data-form='arrived']")).to_be_visible()
    look(driver)
    driver.locator("[data-stop]").first.click()
    driver.wait_for_url("**/d/stops/*")
    press(driver, "arrived")
    expect(driver.locator("form[data-form='delivered']")).to_be_visible()
    look(driver)


def test_a_staff_member_on_each_page(day: Instance, driver: Page, staff: Page) -> None:
    look(staff)
    staff.fill('[name="email"]', STAFF_EMAIL)
    staff.fill('[name="password"]', day.password)
    staff.click('main button[type="submit"]')
    expect(staff).to_have_url(f"{day.url}/staff/")
    for name in STAFF_PAGES:
        staff.goto(f"{day.url}/staff/{name}")
        look(staff)


@pytest.mark.parametrize("link", ["/staff/conversations/", "/staff/deliveries/", "/staff/routes/", "/staff/drivers/"])
def test_staff_pages_of_one_thing(day: Instance, staff: Page, link: str) -> None:
    start = "fleet" if "routes" in link or "drivers" in link else "inbox?queue=all"
    staff.goto(f"{day.url}/staff/{start}")
    for step in {"/staff/deliveries/": ["/staff/conversations/"], "/staff/drivers/": ["/staff/routes/"]}.get(link, []):
        staff.locator(f"main a[href*='{step}']").first.click()
        staff.wait_for_url(f"**{step}**")
    staff.locator(f"main a[href*='{link}']").first.click()
    staff.wait_for_url(f"**{link}**")
    look(staff)
