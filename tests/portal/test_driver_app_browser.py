"""The phone's application in Chromium: a dead spot loses nothing, and while driving a message is heard, not read."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from messaging.chat_lines import Origin, Voice
from messaging.conversations import say, take_over, thread
from portal.services import Services
from tests.browser import open_browser
from tests.conftest import NOON
from tests.not_run import leave_out
from tests.portal.driver_phone import at_free_port, serving
from tests.portal.driver_shift import Shift, prepare
from tracking.deliveries import DeliveryStatus, load
from tracking.facts import chat_changed, publish

pytestmark = pytest.mark.browser
S = DeliveryStatus
# What a phone says aloud, and where it is, as far as a page can tell.
SPOKEN = """
window.spoken = [];
class Said { constructor(text) { this.text = text; } }
window.SpeechSynthesisUtterance = Said;
Object.defineProperty(window, "speechSynthesis", {
  value: {
    cancel() {},
    speak(said) {
      window.spoken.push([said.lang, said.text]);
      setTimeout(() => said.onend(), 0);
    },
  },
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        if opened is None:
            leave_out("the driver's application in a browser", "no Chromium was found")
        assert opened is not None
        yield opened


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return at_free_port(environ)


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    with serving(services) as address:
        yield address


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    context.add_init_script(SPOKEN)
    yield context
    context.close()


@pytest.fixture
def shift(services: Services) -> Shift:
    return prepare(services, S.OUT_FOR_DELIVERY)


def until(page: Page, script: str, arg: object = None) -> None:
    """Wait until ``script`` is true in the page; the CSP forbids Playwright's own way, which evaluates a string."""
    for _ in range(1_000):
        if page.evaluate(script, arg):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")


def come_in(phone: BrowserContext, url: str, shift: Shift) -> Page:
    page = phone.new_page()
    page.goto(f"{url}{shift.path}")
    page.get_by_role("button", name="Open my day").click()
    page.wait_for_url(f"{url}/d/")
    until(page, "navigator.serviceWorker.controller !== null")
    return page


def test_a_dead_spot_shows_what_was_known_and_sends_taps_later(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.reload()
    stops = [f"/d/stops/{stop_id}" for stop_id in shift.stop_ids]
    until(
        page,
        "(paths) => caches.open('shift').then((c) => Promise.all(paths.map((p) => c.match(p))))"
        ".then((found) => found.every(Boolean))",
        stops,
    )
    phone.set_offline(True)
    page.goto(f"{url}{stops[0]}")
    expect(page.get_by_text("No signal. This is what was known at")).to_be_visible()
    page.get_by_role("button", name="I have arrived").click()
    expect(page.get_by_text("Kept on this phone, and sent as soon as there is some: I have arrived")).to_be_visible()
    page.goto(f"{url}/d/deliveries/unknown/chat")  # a page this phone never saw
    expect(page.get_by_role("heading", name="Kept on this phone")).to_be_visible()
    expect(page.locator("[data-kept-rows] a")).to_have_count(2)
    phone.set_offline(False)
    page.goto(f"{url}/d/")
    expect(page.get_by_text("You are here")).to_be_visible()
    with services.database.reading() as session:
        assert load(session, shift.delivery_ids[0]).status is S.ARRIVED


def test_the_focus_stays_when_the_page_takes_over_what_is_new(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    link = page.locator(f".rows a[data-stop='{shift.stop_ids[1]}']")
    link.focus()
    page.evaluate("document.getElementById('day-content').isOld = true")
    write(services, shift, "Are you close?")
    until(page, "!document.getElementById('day-content').isOld")
    expect(link).to_be_focused()


def said_by_driver(services: Services, shift: Shift) -> list[str]:
    with services.database.reading() as session:
        told = thread(session, shift.delivery_ids[0], audience=Voice.DRIVER, now=NOON)
    return [line.body for line in told.lines if line.is_mine]


def test_a_message_without_signal_is_shown_as_waiting_and_is_said_once(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.goto(f"{url}/d/stops/{shift.stop_ids[0]}")
    box, waiting = page.get_by_role("textbox", name="Your message"), page.locator("p[data-sending]")
    phone.set_offline(True)
    box.fill("The gate is locked")
    page.get_by_role("button", name="Send").click()
    expect(waiting).to_contain_text("Your message “The gate is locked”")
    expect(box).to_have_value("")
    page.reload()
    expect(waiting).to_contain_text("Your message “The gate is locked”")
    phone.set_offline(False)
    expect(page.locator(".chat__line--mine")).to_contain_text("The gate is locked")
    expect(waiting).to_be_hidden()
    assert said_by_driver(services, shift) == ["The gate is locked"]


def test_words_are_never_cut_nor_kept_for_later_when_they_are_too_many(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.goto(f"{url}/d/stops/{shift.stop_ids[0]}")
    box, words = page.get_by_role("textbox", name="Your message"), "x" * 3000
    box.focus()
    page.keyboard.insert_text(words)
    phone.set_offline(True)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-chat-error]").first).to_contain_text("and this one has 3000")
    expect(box).to_have_value(words)
    expect(page.locator("p[data-sending]")).to_be_hidden()
    phone.set_offline(False)
    assert said_by_driver(services, shift) == []


def test_words_that_come_when_the_chat_is_over_stay_until_they_are_thrown_away(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.goto(f"{url}/d/stops/{shift.stop_ids[0]}")
    phone.set_offline(True)
    page.get_by_role("textbox", name="Your message").fill("I left it with Bo")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("p[data-sending]")).to_contain_text("I left it with Bo")
    with services.database.writing() as session:
        load(session, shift.delivery_ids[0]).status = S.CANCELLED
    phone.set_offline(False)
    unsent = page.locator("[data-unsent]")
    expect(unsent).to_contain_text("This chat is closed for you")
    page.goto(f"{url}/d/")
    expect(unsent).to_contain_text("I left it with Bo")
    unsent.get_by_role("button", name="Throw it away").click()
    expect(unsent).not_to_contain_text("I left it with Bo")
    page.reload()
    expect(page.locator(".next")).to_be_visible()
    expect(unsent).not_to_contain_text("I left it with Bo")
    assert said_by_driver(services, shift) == []


def test_support_that_takes_over_is_shown_while_something_is_being_written(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.goto(f"{url}/d/stops/{shift.stop_ids[0]}")
    page.get_by_role("textbox", name="Your message").fill("half typed")
    with services.database.writing() as session:
        take_over(session, shift.delivery_ids[0], "s1", NOON)
    publish(services.redis, [chat_changed(shift.delivery_ids[0])])
    expect(page.get_by_text("Support answers now, so you need not.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Your message")).to_have_value("half typed")


def test_the_end_of_the_shift_leaves_nothing_on_the_phone(phone: BrowserContext, url: str, shift: Shift) -> None:
    page = come_in(phone, url, shift)
    page.reload()
    until(page, "caches.open('shift').then((c) => c.match('/d/')).then(Boolean)")
    page.get_by_text("Finish the route early").click()
    page.get_by_role("button", name="Finish with 2 stops open").click()
    expect(page.get_by_text("Done for today")).to_be_visible()
    until(page, "caches.has('shift').then((has) => !has)")
    phone.set_offline(True)
    page.goto(f"{url}/d/")
    expect(page.get_by_role("heading", name="No signal", exact=True)).to_be_visible()
    assert "Bo L." not in page.content()


def write(services: Services, shift: Shift, body: str) -> None:
    with services.database.writing() as session:
        load(session, shift.delivery_ids[1]).locale = "es"
        say(
            session,
            delivery_id=shift.delivery_ids[1],
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body=body,
            now=NOON,
        )
    publish(services.redis, [chat_changed(shift.delivery_ids[1])])


def drive(page: Page, mps: float) -> None:
    page.evaluate("(mps) => document.dispatchEvent(new CustomEvent('driver:speed', { detail: mps }))", mps)


def test_while_driving_a_message_is_read_aloud_with_three_answers(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.locator(".count").tap()
    drive(page, 12.0)
    write(services, shift, "¿Puede venir por el jardín?")
    dialog = page.locator("dialog[data-drive]")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button")).to_have_count(3)
    assert "jardín" not in dialog.inner_text()
    until(page, "window.spoken.length === 2")
    assert page.evaluate("window.spoken") == [
        ["en", "Message from Bo L., stop 2."],
        ["es", "¿Puede venir por el jardín?"],
    ]
    with page.expect_response(f"**/deliveries/{shift.delivery_ids[1]}/messages"):
        dialog.get_by_role("button", name="I am on my way to you.").click()
    expect(dialog).to_be_hidden()
    until(page, "document.querySelector('#driver-news').dataset.unreadCount === '0'")
    with services.database.reading() as session:
        lines = thread(session, shift.delivery_ids[1], audience=Voice.RECIPIENT, now=NOON).lines
    assert [line.body for line in lines if line.id > 0][-1] == "Voy de camino."


def test_standing_again_restores_the_page_and_names_what_was_read(
    phone: BrowserContext, url: str, shift: Shift, services: Services
) -> None:
    page = come_in(phone, url, shift)
    page.goto(f"{url}/d/stops/{shift.stop_ids[1]}")
    page.locator("h1").first.tap()
    drive(page, 12.0)
    expect(page.get_by_text("You are driving. Messages are read to you").first).to_be_visible()
    write(services, shift, "Hola")
    expect(page.locator("dialog[data-drive]")).to_be_visible()
    until(page, "window.spoken.length === 2")
    page.evaluate("document.querySelector('[data-drive]').dataset.standingS = '0.2'")
    drive(page, 0.0)
    expect(page.locator("dialog[data-drive]")).to_be_hidden()
    expect(page.locator("[data-heard]")).to_contain_text("Bo L., stop 2")
    expect(page.get_by_placeholder("Your message").first).to_be_visible()
