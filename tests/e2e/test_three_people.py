"""Recipient, driver and support in one thread, each in a browser of their own; then the same day by text only.

Every word has to appear in the other browsers by itself. ``TALK_LINES`` lines each way (at most 9: a link may say ten
things a minute) are timed and their 95th percentile printed (``make talk``); no test judges a time.
"""

import json
import math
import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.instance import STAFF_EMAIL, Instance
from sandbox.world import World
from tests.builders import SERVICE_ON, local
from tests.e2e.phones import DESK, link_in_text, phone, press, route_file

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

ANNA, BRUNO, DRIVER = "+12015550101", "+12015550102", "+12015550150"
SECOND_EMAIL = "second@example.net"
LINES = int(os.environ.get("TALK_LINES", "3"))
# A phone that speaks at once: headless Chromium has no voice.
SPEECH = """
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, "speechSynthesis", {
  value: { cancel() {}, speak(said) { setTimeout(() => said.onend(), 0); } },
});
"""
# The instant at which words appear on a page, in milliseconds of the machine.
APPEARS = """(words) => new Promise((done, fail) => {
  const look = () => document.body.innerText.includes(words) && (watch.disconnect(), done(Date.now()));
  const watch = new MutationObserver(look);
  watch.observe(document.body, { subtree: true, childList: true, characterData: true });
  setTimeout(() => fail(new Error(`never came: ${words}`)), 60000);
  look();
})"""


@pytest.fixture(scope="module")
def day(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Two deliveries on their way, and a second agent."""
    rows = [
        {"sequence": 1, "reference": "A-1", "recipient": "Anna Berg", "phone": ANNA, "address": "12 Orchard Lane",
         "lat": 40.714, "lon": -74.347},
        {"sequence": 2, "reference": "B-1", "recipient": "Bruno Lang", "phone": BRUNO, "address": "40 Hill Street",
         "lat": 40.724, "lon": -74.34},
    ]  # fmt: skip
    file = tmp_path_factory.mktemp("file") / "routes.csv"
    file.write_bytes(route_file(rows, on=SERVICE_ON))
    instance.run("routes", "import", str(file))
    instance.environ["PORTAL_STAFF_PASSWORD"] = instance.password
    instance.run("staff", "add", SECOND_EMAIL, "--name", "Second Agent", "--role", "agent")
    instance.set_day(local("09:30"))
    link_in_text(instance.world, DRIVER, "/d/")
    return instance


@contextmanager
def staff_page(browser: Browser, instance: Instance, email: str, *, javascript: bool = True) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK, java_script_enabled=javascript)
    page = context.new_page()
    page.goto(f"{instance.url}/staff/login")
    page.fill('[name="email"]', email)
    page.fill('[name="password"]', instance.password)
    page.click('main button[type="submit"]')
    expect(page).to_have_url(re.compile(r"/staff/$"))
    yield page
    context.close()


@pytest.fixture(scope="module")
def driver(browser: Browser, day: Instance) -> Iterator[Page]:
    """The driver at the stop of Anna, on the road."""
    context = phone(browser)
    context.add_init_script(SPEECH)
    page = context.new_page()
    page.goto(link_in_text(day.world, DRIVER, "/d/"))
    press(page, "open")
    expect(page.locator("body")).to_have_attribute("data-device-token", re.compile(".+"))
    press(page, "loaded")
    page.wait_for_load_state()
    press(page, "loaded")
    page.wait_for_load_state()
    day.set_day(local("10:00"), rate=1.0)
    press(page, "start")
    page.locator("[data-stop]").first.click()
    page.wait_for_url("**/d/stops/*")
    yield page
    context.close()


@pytest.fixture(scope="module")
def anna(browser: Browser, driver: Page, day: Instance) -> Iterator[Page]:
    context = phone(browser)
    page = context.new_page()
    page.goto(link_in_text(day.world, ANNA, "/t/"))
    yield page
    context.close()


@pytest.fixture(scope="module")
def support(browser: Browser, day: Instance) -> Iterator[Page]:
    with staff_page(browser, day, STAFF_EMAIL) as page:
        yield page


def move(instance: Instance, driver: Page, speed_mps: float) -> None:
    """Send a fix far from any stop, as a phone with this speed does."""
    token = driver.locator("body").get_attribute("data-device-token")
    at = instance.now().isoformat()
    fix = {"lat": 40.712, "lon": -74.349, "at": at, "accuracy_m": 6.0, "speed_mps": speed_mps}
    asked = urllib.request.Request(
        f"{instance.url}/ingest/positions",
        data=json.dumps({"positions": [fix]}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 200
    driver.evaluate("(mps) => document.dispatchEvent(new CustomEvent('driver:speed', { detail: mps }))", speed_mps)


def open_conversation(page: Page, instance: Instance) -> None:
    page.goto(f"{instance.url}/staff/inbox?queue=all")
    page.locator("main").get_by_text("Anna Berg").first.click()
    page.wait_for_url("**/staff/conversations/**")


def reply(page: Page, body: str) -> None:
    page.locator('textarea[name="body"]').first.fill(body)
    page.get_by_role("button", name=re.compile("^send", re.IGNORECASE)).first.click()


def test_a_moving_driver_hears_and_answers_by_one_big_button(day: Instance, driver: Page, anna: Page) -> None:
    driver.locator("h1").first.tap()
    move(day, driver, 12.0)
    expect(anna.locator("body")).to_contain_text("is driving and will see it at the next stop")
    press(anna, "message", body="Please come to the back door")
    dialog = driver.locator("dialog[data-drive]")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button")).to_have_count(3)
    assert "back door" not in dialog.inner_text()
    answer = dialog.get_by_role("button").first
    words = answer.inner_text()
    answer.click()
    expect(anna.locator("body")).to_contain_text(words)


def test_a_standing_driver_types(day: Instance, driver: Page, anna: Page) -> None:
    move(day, driver, 0.0)
    expect(anna.locator("body")).not_to_contain_text("is driving and will see it")  # now the server knows, too
    driver.reload()  # a stop is reached: the page is opened anew, as a tap on "next stop" does
    expect(driver.locator("body")).to_contain_text("back door")
    press(driver, "message", body="I found the back door")
    expect(anna.locator("body")).to_contain_text("I found the back door")


def test_support_joins_takes_over_and_hands_back(day: Instance, driver: Page, anna: Page, support: Page) -> None:
    open_conversation(support, day)
    expect(support.locator("#thread")).to_contain_text("I found the back door")
    reply(support, "Support is here too")
    for page in (anna, driver):
        expect(page.locator("body")).to_contain_text("Support is here too")
    support.get_by_role("button", name="Take over").click()
    for page in (anna, driver):
        expect(page.locator("body")).to_contain_text("Support has taken over")
    support.get_by_role("button", name="Hand back").click()
    for page in (anna, driver):
        expect(page.locator("body")).to_contain_text("handed the conversation back")
    expect(anna.locator("body")).to_contain_text("your driver")


def test_the_second_of_two_agents_is_refused_and_shown_what_changed(
    browser: Browser, day: Instance, support: Page
) -> None:
    with staff_page(browser, day, SECOND_EMAIL, javascript=False) as second:
        open_conversation(second, day)
        open_conversation(support, day)
        reply(support, "It comes at eleven")
        expect(support.locator("#thread")).to_contain_text("It comes at eleven")
        reply(second, "It comes at noon")
        expect(second.locator("main")).to_contain_text("It comes at eleven")
        expect(second.locator(".chat__line--fresh")).to_contain_text("It comes at eleven")
        expect(second.locator('textarea[name="body"]').first).to_have_value("It comes at noon")
        assert "It comes at noon" not in second.locator("#thread").inner_text()


def timed(sender: Page, name: str, readers: list[Page], body: str) -> list[float]:
    """Return the seconds from the tap that sends ``body`` to its appearance on each reader's page."""
    form = sender.locator(f'form[data-form="{name}"]').first if name else sender.locator("#reply-form")
    form.locator('[name="body"]').first.fill(body)
    for reader in readers:
        reader.evaluate(f"(words) => {{ window.appears = ({APPEARS})(words); }}", body)
    sent_ms = sender.evaluate("() => { window.sentAt = Date.now(); return window.sentAt; }")
    form.locator('button[type="submit"], button:not([type])').last.click()
    return [(reader.evaluate("window.appears") - sent_ms) / 1000 for reader in readers]


def test_lines_appear_in_the_other_two_browsers_by_themselves(
    day: Instance, driver: Page, anna: Page, support: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    open_conversation(support, day)
    took_s: list[float] = []
    for number in range(LINES):
        took_s += timed(anna, "message", [driver, support], f"Question number {number} of Anna")
        took_s += timed(driver, "message", [anna, support], f"Answer number {number} of Dana")
        took_s += timed(support, "", [anna, driver], f"Remark number {number} of support")
        day.set_day(day.now() + timedelta(minutes=1), rate=1.0)
    took_s.sort()
    with capsys.disabled():
        p50_s, p95_s = (took_s[math.ceil(share * len(took_s)) - 1] for share in (0.5, 0.95))
        print(f"\n{len(took_s)} lines from tap to another's page: p50 {p50_s:.2f} s, p95 {p95_s:.2f} s", end=" ")
    assert len(took_s) == 6 * LINES


def pass_unseen(day: Instance) -> None:
    """Let so much time go by that a line nobody saw on a page becomes a text."""
    day.set_day(day.now() + timedelta(minutes=3), rate=1.0)


def test_the_same_thread_by_text_only(day: Instance, support: Page) -> None:
    world = day.world
    support.goto(f"{day.url}/staff/inbox?queue=all")
    world.answer(BRUNO, "Is the lamp on board?")
    support.locator("main").get_by_text("Bruno Lang").first.click()
    thread = support.locator("#thread")
    expect(thread).to_contain_text("lamp on board")
    pass_unseen(day)
    asked = world.wait_for_text(lambda sent: sent.to == DRIVER and "lamp on board" in sent.body)
    assert "Bruno" in asked.body
    world.answer(DRIVER, "Yes, it is")
    expect(thread).to_contain_text("Yes, it is")
    pass_unseen(day)
    told = world.wait_for_text(lambda sent: sent.to == BRUNO and "Yes, it is" in sent.body)
    assert DRIVER[2:] not in told.body
    reply(support, "Anything else?")
    expect(thread).to_contain_text("Anything else?")
    pass_unseen(day)
    world.wait_for_text(lambda sent: sent.to == BRUNO and "Anything else?" in sent.body)
    before = len(world.texts(BRUNO))
    world.answer(BRUNO, "STATUS")
    world.wait_for_text(lambda sent: sent.to == BRUNO and "/t/" in sent.body and is_new(world, before))
    assert "/t/" in world.texts(BRUNO)[-1].body


def is_new(world: World, before: int) -> bool:
    """Tell whether Bruno got another text."""
    return len(world.texts(BRUNO)) > before
