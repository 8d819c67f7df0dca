"""The recipient's page in Chromium under the real policy: live, by keyboard, without scripts, light and dark."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect
from sqlalchemy import select

from messaging.chat_lines import ChatMessage
from messaging.conversations import Origin, Voice, say
from portal.services import Services
from tests.browser import open_browser
from tests.not_run import leave_out
from tests.portal.driver_phone import at_free_port, serving
from tests.portal.recipient_day import NOW, link_of, on_the_way, token_of
from tracking import facts
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.links import Audience, revoke

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 390, "height": 844}
WITHOUT_MAP_BYTES, WITH_MAP_BYTES = 40_000, 100_000  # compressed; the budget of the product's own issue
S = DeliveryStatus
NAME_OF_FOCUS = """(() => { const e = document.activeElement;
  return e.getAttribute("aria-label") || e.name || e.textContent.trim(); })()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        if opened is None:
            leave_out("the recipient's page in a browser", "no Chromium was found")
        assert opened is not None
        yield opened


@pytest.fixture
def clock() -> SetClock:
    """Four minutes past two, where the parcel goes."""
    return SetClock(NOW)


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The usual environment at a free port."""
    return at_free_port(environ)


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    """The address of a running portal."""
    with serving(services) as address:
        yield address


@pytest.fixture
def delivery(services: Services) -> Delivery:
    """A delivery on its way, three stops before it."""
    with services.database.writing() as session:
        return on_the_way(session)


@pytest.fixture
def address(services: Services, url: str, delivery: Delivery) -> str:
    """The recipient's page."""
    with services.database.writing() as session:
        return f"{url}/t/{token_of(session, delivery, services.links)}"


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """A phone; any error of a script and any complaint of the policy fails the test."""
    context = browser.new_context(viewport=PHONE, color_scheme="light")
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    context.on("console", lambda line: complaints.append(line.text) if "htmx" in line.text else None)
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(phone: BrowserContext, address: str) -> Page:
    """The recipient's page, open, with its stream."""
    opened = phone.new_page()
    with opened.expect_response("**/live"):
        opened.goto(address)
    return opened


def change(services: Services, delivery: Delivery, **columns: Any) -> None:
    with services.database.writing() as session:
        row = load(session, delivery.id)
        for name, value in columns.items():
            setattr(row, name, value)
    facts.publish(services.redis, [facts.delivery_changed(delivery.id)])


def say_as_driver(services: Services, delivery: Delivery, body: str) -> None:
    with services.database.writing() as session:
        say(session, delivery_id=delivery.id, voice=Voice.DRIVER, origin=Origin.PAGE, actor_id="d", body=body, now=NOW)
    facts.publish(services.redis, [facts.chat_changed(delivery.id)])


def place(lat: float, lon: float, **more: Any) -> dict[str, Any]:
    at = NOW.isoformat()
    return {
        "lat": lat,
        "lon": lon,
        "heading": 45,
        "at": at,
        "stale": False,
        "line": False,
        "at_other_stop": False,
        **more,
    }


def test_the_promise_follows_by_itself(page: Page, services: Services, delivery: Delivery) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Arriving about 2:25\xa0pm")
    page.evaluate("document.getElementById('promise').marked = true")
    change(services, delivery, promise_point_at=NOW.replace(minute=35), promise_cause="long_stop")
    expect(page.get_by_role("heading", level=1)).to_have_text("Arriving about 2:35\xa0pm")
    expect(page.get_by_text("an earlier stop takes longer")).to_be_visible()
    assert page.evaluate("document.getElementById('promise').marked")  # the live region is the same element


def test_a_time_that_moves_by_minutes_is_not_read_aloud_each_time(
    page: Page, services: Services, delivery: Delivery
) -> None:
    spoken, headline = page.locator("#spoken"), page.get_by_role("heading", level=1)
    for minute in (26, 27, 31):
        change(services, delivery, promise_point_at=NOW.replace(minute=minute))
        expect(headline).to_have_text(f"Arriving about 2:{minute}\xa0pm")
    expect(spoken).to_have_text("")
    change(services, delivery, promise_point_at=NOW.replace(minute=36))
    expect(spoken).to_contain_text("Arriving about 2:36\xa0pm")
    change(services, delivery, status=S.ARRIVED)
    expect(spoken).to_have_text("Your driver is at the door")
    assert page.locator("#status [role=status], #status [aria-live]").count() == 0


def test_the_keyboard_stays_in_a_card_that_is_swapped(page: Page) -> None:
    page.get_by_label("Gate code").fill("4412")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved. Your driver sees it")).to_be_visible()
    expect(page.get_by_role("heading", name="For the driver")).to_be_focused()
    page.get_by_text("Please call me back").click()
    page.get_by_role("button", name="Ask for a call").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("We will call you as soon as we can.")).to_be_visible()
    expect(page.get_by_role("heading", name="Not home?")).to_be_focused()


def test_the_map_says_how_far_the_truck_is(page: Page) -> None:
    expect(page.get_by_role("img", name="Truck, about 1.9 km away")).to_be_visible()


def test_what_is_being_typed_survives_news(page: Page, services: Services, delivery: Delivery) -> None:
    box = page.get_by_label("Your message")
    box.fill("Half a sent")
    say_as_driver(services, delivery, "Nearly there")
    expect(page.get_by_text("Nearly there")).to_be_visible()
    change(services, delivery, status=S.ARRIVED)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your driver is at the door")
    expect(page.get_by_text("I'm coming to the door")).to_be_visible()
    expect(box).to_have_value("Half a sent")
    expect(box).to_be_focused()


def test_a_line_is_sent_with_enter_and_once(page: Page, services: Services) -> None:
    page.get_by_label("Your message").fill("The bell is broken <b>")
    page.keyboard.press("Enter")
    expect(page.locator("#chat .bubble")).to_have_text(["The bell is broken <b>"])
    expect(page.get_by_label("Your message")).to_have_value("")
    page.get_by_role("button", name="Please ring the bell").dblclick()
    expect(page.locator("#chat .bubble")).to_have_text(["The bell is broken <b>", "Please ring the bell"])
    with services.database.reading() as session:
        assert len(session.scalars(select(ChatMessage.id)).all()) == 2


def test_a_refused_line_says_why_and_stays(page: Page) -> None:
    page.get_by_label("Your message").fill("   ")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text("Write something first.")


def test_what_is_pasted_is_not_cut(page: Page) -> None:
    page.get_by_label("Your message").focus()
    page.keyboard.insert_text("x" * 3000)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#chat-error")).to_contain_text("1,000 characters")
    expect(page.get_by_label("Your message")).to_have_value("x" * 3000)


def test_too_many_lines_are_refused_in_words(page: Page) -> None:
    for number in range(10):
        page.get_by_role("button", name="Please ring the bell").click()
        expect(page.locator("#chat .bubble")).to_have_count(number + 1)
    page.get_by_role("button", name="Please ring the bell").click()
    expect(page.get_by_role("alert")).to_have_text("A little too fast. Please wait a minute.")


def test_a_note_is_saved_without_leaving_the_page(page: Page) -> None:
    page.get_by_label("Gate code").fill("4412")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Your driver sees it")).to_be_visible()


def test_the_truck_is_drawn_and_follows(page: Page, services: Services, delivery: Delivery) -> None:
    truck = page.get_by_role("img", name="Truck")
    expect(truck).to_be_visible()
    expect(page.get_by_role("img", name="Your home")).to_be_visible()
    before = truck.bounding_box()
    facts.publish(services.redis, [facts.place_moved(delivery.id, place(40.7100, -74.3380))])
    page.wait_for_function(
        "([x, y]) => { const b = document.querySelector('.pin--truck').getBoundingClientRect();"
        " return Math.hypot(b.x - x, b.y - y) > 20; }",
        arg=[before["x"], before["y"]] if before else [0, 0],
    )


def test_the_map_comes_when_the_truck_is_close_and_goes_after(
    phone: BrowserContext, services: Services, url: str
) -> None:
    with services.database.writing() as session:
        far = on_the_way(session, stops_before=20, minutes=120, driver_phone="+12015550177")
        address = f"{url}/t/{token_of(session, far, services.links)}"
    page = phone.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/live"):
        page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert not [one for one in asked if "leaflet" in one]
    facts.publish(services.redis, [facts.place_moved(far.id, place(40.7100, -74.3380))])
    expect(page.get_by_role("img", name="Truck")).to_be_visible()
    change(services, far, status=S.DELIVERED, delivered_at=NOW, status_at=NOW)
    expect(page.get_by_role("heading", name="How was it?")).to_be_visible()
    expect(page.locator("#map")).to_have_count(0)


def test_a_rating_takes_one_tap(page: Page, services: Services, delivery: Delivery) -> None:
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW, status_at=NOW)
    page.get_by_role("button", name="5 of 5").click()
    expect(page.get_by_text("You gave 5 of 5.")).to_be_visible()
    page.get_by_label("Would you like to say more?").fill("Thank you")
    page.locator("#rating").get_by_role("button", name="Send").click()
    expect(page.locator(".rating__words")).to_have_text("Thank you")


def test_three_seconds_in_view_are_told(page: Page, services: Services, delivery: Delivery) -> None:
    with page.expect_response("**/seen") as told:
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert told.value.status == 204
    with services.database.reading() as session:
        assert load(session, delivery.id).seen_at == NOW


def test_when_streams_are_blocked_the_page_polls(
    phone: BrowserContext, services: Services, delivery: Delivery, address: str
) -> None:
    phone.route("**/live", lambda route: route.abort())
    page = phone.new_page()
    page.goto(address)
    with page.expect_response("**/status"):
        change(services, delivery, promise_point_at=NOW.replace(minute=50))
    expect(page.get_by_role("heading", level=1)).to_have_text("Arriving about 2:50\xa0pm")


def test_a_link_that_is_revoked_closes_the_open_page(
    phone: BrowserContext, services: Services, url: str, delivery: Delivery
) -> None:
    with services.database.writing() as session:
        link = link_of(session, delivery)
    page = phone.new_page()
    with page.expect_response("**/live"):
        page.goto(f"{url}/t/{services.links.token(link.id, Audience.RECIPIENT)}")
    with services.database.writing() as session:
        revoke(session, [link.id], NOW)
    facts.publish(services.redis, [facts.revoked(link.id)])
    expect(page.get_by_role("heading", name="This link has ended")).to_be_visible()


def test_everything_works_without_scripts(
    browser: Browser, services: Services, delivery: Delivery, address: str
) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Arriving about 2:25\xa0pm")
    expect(page.locator("#map")).to_be_hidden()
    expect(page.locator("#composer")).to_be_hidden()
    expect(page.get_by_role("heading", name="Not home?")).to_be_visible()
    expect(page.locator("#away summary").first).to_be_hidden()  # the page reloads: nothing is to be typed here
    page.get_by_role("link", name="Say what we should do").click()
    page.get_by_text("Leave it in a safe place").click()
    page.get_by_label("Where?").fill("behind the shed")
    page.locator("#away details[open]").get_by_role("button", name="Ask for it").click()
    page.goto(address)
    expect(page.locator("#away")).to_contain_text("You asked: leave it in a safe place: behind the shed")
    page.get_by_role("link", name="Write a message or a note").click()
    page.get_by_label("Your message").fill("No scripts here")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#chat .bubble")).to_have_text(["No scripts here"])
    page.get_by_label("Gate code").fill("4412")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#note-text")).to_have_text("4412")
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW, status_at=NOW)
    page.goto(address)
    page.get_by_role("button", name="4 of 5").click()
    expect(page.get_by_text("You gave 4 of 5.")).to_be_visible()
    context.close()


def test_the_keyboard_reaches_everything_and_can_skip(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    expect(page.get_by_role("img", name="Truck")).to_be_visible()
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(NAME_OF_FOCUS))
    assert {
        "Skip the map",
        "Zoom in",
        "Zoom out",
        "Show truck and home",
        "quick",
        "body",
        "Send",
        "note",
        "Save",
    } <= reached


def test_it_fits_360_pixels_and_twice_the_text(browser: Browser, address: str) -> None:
    for width in (360, 320):
        context = browser.new_context(viewport={"width": width, "height": 740})
        page = context.new_page()
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        context.close()


def test_it_stays_within_its_budget(phone: BrowserContext, address: str) -> None:
    page = phone.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if not answer.url.endswith("/live") else None)
    page.goto(address)
    expect(page.get_by_role("img", name="Truck")).to_be_visible()
    sizes = {answer.url: len(gzip.compress(answer.body())) for answer in answers if answer.status == 200}
    is_map = ("leaflet", "map.js?")
    without = sum(size for url, size in sizes.items() if not any(word in url for word in is_map))
    assert without <= WITHOUT_MAP_BYTES
    assert sum(sizes.values()) <= WITH_MAP_BYTES


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("status", [S.SCHEDULED, S.OUT_FOR_DELIVERY, S.DELIVERED, S.ATTEMPT_FAILED])
def test_axe_finds_nothing(
    browser: Browser, services: Services, delivery: Delivery, address: str, scheme: Any, status: S
) -> None:
    if not AXE.exists():
        leave_out("accessibility of the recipient's page", "axe-core was not installed by npm")
    say_as_driver(services, delivery, "Hello")
    delivered_at = NOW if status is S.DELIVERED else None
    change(services, delivery, status=status, delivered_at=delivered_at, promise_broken_at=NOW, recipient_note="4412")
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if status is S.OUT_FOR_DELIVERY:
        expect(page.get_by_role("img", name="Truck")).to_be_visible()
    page.add_script_tag(content=AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    context.close()
    assert not found, json.dumps([(one["id"], [node["html"] for node in one["nodes"]]) for one in found], indent=1)
