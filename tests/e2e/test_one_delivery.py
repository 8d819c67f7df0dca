"""One delivery from import to rating, as recipient, driver and staff live it, through real processes and a browser.

The steps build on each other; each test is one step of the day (DESIGN 2).
"""

import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.instance import STAFF_EMAIL, Instance
from tests.builders import SERVICE_ON, local
from tests.e2e.phones import DESK, form, link_in_text, phone, press, route_file

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ANNA, BRUNO, DRIVER = "+12015550101", "+12015550102", "+12015550150"
HOMES = ((40.7140, -74.3470), (40.7240, -74.3400))


@pytest.fixture(scope="module")
def staff(browser: Browser, instance: Instance) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(f"{instance.url}/staff/login")
    page.fill('[name="email"]', STAFF_EMAIL)
    page.fill('[name="password"]', instance.password)
    page.click('main button[type="submit"]')
    expect(page).to_have_url(re.compile(r"/staff/$"))
    yield page
    context.close()


@pytest.fixture(scope="module")
def driver(browser: Browser) -> Iterator[Page]:
    context = phone(browser)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def anna(browser: Browser) -> Iterator[Page]:
    context = phone(browser)
    yield context.new_page()
    context.close()


def post_fix(instance: Instance, token: str, at: datetime, where: tuple[float, float]) -> None:
    body = {"positions": [{"lat": where[0], "lon": where[1], "at": at.isoformat(), "accuracy_m": 6.0}]}
    asked = urllib.request.Request(
        f"{instance.url}/ingest/positions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 200


def test_import_and_day_before(instance: Instance, staff: Page, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = [
        {"sequence": 1, "reference": "A-1", "recipient": "Anna Berg", "phone": ANNA, "email": "anna@example.net",
         "address": "12 Orchard Lane", "lat": HOMES[0][0], "lon": HOMES[0][1]},
        {"sequence": 2, "reference": "B-1", "recipient": "Bruno Díaz", "phone": BRUNO, "locale": "es",
         "address": "40 Hill Street", "lat": HOMES[1][0], "lon": HOMES[1][1], "window_start": "11:00",
         "window_end": "13:00"},
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("file") / "routes.csv"
    path.write_bytes(route_file(rows, on=SERVICE_ON))
    staff.goto(f"{instance.url}/staff/import")
    staff.set_input_files('input[type="file"]', path)
    staff.click('main button[type="submit"]')
    expect(staff.locator("main")).to_contain_text("Anna Berg")
    staff.get_by_role("button", name=re.compile("import|apply", re.IGNORECASE)).first.click()
    expect(staff.locator("main")).to_contain_text("2")
    instance.set_day(local("18:00").replace(day=4) + timedelta(seconds=30))
    text = instance.world.wait_for_text(lambda sent: sent.to == ANNA)
    assert "tomorrow" in text.body.lower()
    mail = instance.world.wait_for_mail(lambda sent: "anna@example.net" in sent.to)
    assert "/t/" in mail.text
    spanish = instance.world.wait_for_text(lambda sent: sent.to == BRUNO)
    assert "mañana" in spanish.body


def test_recipient_reads_the_page_without_javascript(instance: Instance, browser: Browser) -> None:
    link = link_in_text(instance.world, ANNA, "tomorrow")
    context = phone(browser, javascript=False)
    page = context.new_page()
    page.goto(link)
    expect(page.locator("main")).to_contain_text("tomorrow", ignore_case=True)
    expect(page.locator("main")).to_contain_text(re.compile(r"10:00.*12:00", re.DOTALL))
    page.locator('form[data-form="note"] [name="note"]').fill("Gate code 4412 <b>please</b>")
    press(page, "note")
    expect(page.locator("body")).to_contain_text("Gate code 4412 <b>please</b>")
    context.close()


def test_morning_and_driver_link(instance: Instance, driver: Page) -> None:
    instance.set_day(local("08:00") + timedelta(seconds=30))
    instance.world.wait_for_text(lambda sent: sent.to == ANNA and "today" in sent.body.lower())
    instance.set_day(local("09:30"))
    link = link_in_text(instance.world, DRIVER, "/d/")
    driver.goto(link)
    press(driver, "open")
    expect(driver.locator("body")).to_have_attribute("data-device-token", re.compile(".+"))
    for _ in range(2):
        press(driver, "loaded")
        driver.wait_for_load_state()
    instance.set_day(local("10:00"), rate=1.0)
    press(driver, "start")
    expect(driver.locator("main")).to_contain_text("Orchard Lane")


def test_open_page_follows_the_truck(instance: Instance, driver: Page, anna: Page) -> None:
    anna.goto(link_in_text(instance.world, ANNA, "tomorrow"))
    token = driver.locator("body").get_attribute("data-device-token")
    assert token is not None
    expect(anna.locator("main")).to_contain_text(
        re.compile(r"next|on its way|out for delivery|arriving", re.IGNORECASE)
    )
    for step in range(4):
        post_fix(instance, token, instance.now(), (40.7100 + 0.0008 * step, -74.3500 + 0.0006 * step))
        anna.wait_for_timeout(1100)
    text = instance.world.wait_for_text(lambda sent: sent.to == ANNA and "next" in sent.body.lower())
    assert text.to == ANNA
    expect(anna.locator("#map_live, [data-map]").first).to_be_visible()


def test_recipient_driver_and_staff_talk(instance: Instance, driver: Page, anna: Page, staff: Page) -> None:
    driver.goto(f"{instance.url}/d/")
    driver.locator("[data-stop]").first.click()
    driver.wait_for_url("**/d/stops/*")
    press(anna, "message", body="The bell is broken, please knock")
    expect(driver.locator("body")).to_contain_text("please knock")
    press(driver, "message", body="Will knock, thanks")
    expect(anna.locator("body")).to_contain_text("Will knock, thanks")
    staff.goto(f"{instance.url}/staff/inbox?q=Anna")
    staff.locator("main").get_by_text("Anna Berg").first.click()
    expect(staff.locator("main")).to_contain_text("Will knock, thanks")
    staff.locator('textarea[name="body"]').first.fill("Support is reading along")
    staff.get_by_role("button", name=re.compile("^send", re.IGNORECASE)).first.click()
    expect(anna.locator("body")).to_contain_text("Support is reading along")


def test_delivered_with_proof_then_rated_by_text(instance: Instance, driver: Page, anna: Page, staff: Page) -> None:
    driver.goto(f"{instance.url}/d/")
    driver.locator("[data-stop]").first.click()
    driver.wait_for_url("**/d/stops/*")
    chosen = form(driver, "delivered")
    if not chosen.is_visible():
        press(driver, "arrived")
        expect(driver.locator("form[data-form='arrived']")).to_have_count(0)
    if driver.locator("details:not([open]) form[data-form='delivered']").count():
        driver.locator("details:has(form[data-form='delivered']) > summary").first.click()
    form(driver, "delivered").locator('[name="received_by"]').fill("Anna B.")
    form(driver, "delivered").locator('button[type="submit"], button:not([type])').last.click()
    expect(anna.locator("main")).to_contain_text("Delivered at")
    instance.set_day(instance.now() + timedelta(minutes=2), rate=1.0)
    instance.world.wait_for_text(lambda sent: sent.to == ANNA and "How was it" in sent.body)
    instance.world.answer(ANNA, "2 left in the rain")
    instance.world.wait_for_text(lambda sent: sent.to == ANNA and "sorry" in sent.body.lower())
    staff.goto(f"{instance.url}/staff/cases")
    expect(staff.locator("main")).to_contain_text("left in the rain")
    anna.reload()
    expect(anna.locator("main")).to_contain_text("Anna B.")


def test_nobody_was_texted_twice(instance: Instance) -> None:
    bodies = [(sent.to, sent.body) for sent in instance.world.texts()]
    assert len(bodies) == len(set(bodies))
