"""Support at the desk, in Chromium under the real policy: two agents at once, keys, answers, and without JavaScript."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import func, select

from messaging.canned_answers import keep
from messaging.cases import TaskKind
from messaging.chat_lines import ChatMessage, Conversation
from messaging.conversations import Origin, Voice, say
from portal.accounts import Role
from portal.services import Services
from tests.browser import PATIENCE_MS, open_browser
from tests.not_run import leave_out
from tests.portal.driver_phone import at_free_port, serving
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tests.portal.test_staff_ratings import inbound
from tracking.facts import chat_changed, publish
from tracking.ids import new_id

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        if opened is None:
            leave_out("the staff pages in a browser", "no Chromium was found")
        assert opened is not None
        yield opened


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The usual environment at a free port."""
    return at_free_port(environ)


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    """The address of a running portal."""
    with serving(services) as address:
        yield address


def desk(browser: Browser, app: Flask, services: Services, url: str, name: str, **options: object) -> BrowserContext:
    """Return a browser in which somebody of staff is logged in."""
    staff = StaffBrowser(app.test_client(), services, Role.DISPATCHER, name)
    cookie = staff.client.get_cookie("portal")
    assert cookie is not None
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)  # type: ignore[arg-type]
    context.add_cookies([{"name": "portal", "value": cookie.value, "url": url}])
    context.set_default_timeout(PATIENCE_MS)
    return context


def complaints(page: Page) -> list[str]:
    """Return a list that fills with what the page and its policy complain about."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda told: found.append(told.text) if "Content Security Policy" in told.text else None)
    return found


def unread(services: Services, delivery_id: str) -> int:
    with services.database.reading() as session:
        lines = ChatMessage.conversation_id == delivery_id, ChatMessage.seen_by_staff_at.is_(None)
        return session.scalar(select(func.count()).where(*lines, ChatMessage.voice != "support")) or 0


OUTSIDE = """([inner, outer]) => [...document.querySelectorAll(inner)].filter((one) => {
  const card = one.closest(outer), edge = parseFloat(getComputedStyle(card).paddingRight);
  return one.getBoundingClientRect().right > card.getBoundingClientRect().right - edge + 1;
}).map((one) => one.textContent)"""  # what runs into the padding of its card, or over its edge


def test_no_long_badge_and_no_figure_runs_out_of_its_card(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    with desk(browser, app, services, url, "Mara Lind") as context:
        page = context.new_page()
        page.goto(f"{url}/staff/conversations/{day.late}")
        expect(page.locator(".facts .badge").nth(1)).to_contain_text("late, expected")
        assert page.evaluate(OUTSIDE, [".facts .badge", ".card"]) == []

        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{url}/staff/")
        assert page.locator(".bars td.number").count() > 0
        assert page.evaluate(OUTSIDE, [".bars td.number", ".card"]) == []


def test_a_reply_of_a_login_that_has_ended_leads_to_the_login_and_is_a_draft_again(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    path = f"/staff/conversations/{day.chatty}"
    with desk(browser, app, services, url, "Mara Lind") as context:
        page = context.new_page()
        wrong = complaints(page)
        page.goto(f"{url}{path}")
        page.locator("#reply").fill("About half an hour.")
        # The page itself looks now and then, and would go to the login before the answer is here.
        context.route(re.compile(r"/(part|live-address)(\?|$)"), lambda route: route.abort())
        cookies = context.cookies()
        context.clear_cookies()
        page.keyboard.press("Control+Enter")
        again = page.get_by_role("link", name="Log in again")
        expect(again).to_have_attribute("href", f"/staff/login?next={path}")

        context.add_cookies(cookies)  # type: ignore[arg-type]  # as they were read
        page.goto(f"{url}{path}")
        expect(page.locator("#reply")).to_have_value("About half an hour.")
        assert wrong == []


def test_a_reply_without_an_answer_yet_is_a_draft_when_the_page_is_left(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    path = f"{url}/staff/conversations/{day.chatty}"
    with desk(browser, app, services, url, "Mara Lind") as context:
        page = context.new_page()
        page.goto(path)
        page.locator("#reply").fill("About half an hour.")
        answering, held = page.locator("#reply-form").evaluate("form => form.action"), []
        page.route(answering, lambda route: held.append(route))
        with page.expect_request(answering):
            page.keyboard.press("Control+Enter")
        page.goto(path)
        expect(page.locator("#reply")).to_have_value("About half an hour.")

        page.unroute_all()
        page.locator("#reply").press("Control+Enter")
        expect(page.locator("#reply")).to_have_value("")
        page.goto(path)
        expect(page.locator("#talk")).to_contain_text("About half an hour.")
        expect(page.locator("#reply")).to_have_value("")


def test_two_agents_see_each_other_live_and_the_second_answer_is_refused_with_its_words_kept(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    path = f"{url}/staff/conversations/{day.chatty}"
    mara = desk(browser, app, services, url, "Mara Lind").new_page()
    joe = desk(browser, app, services, url, "Joe Ade").new_page()
    wrong = complaints(mara)
    with mara.context, joe.context:
        assert unread(services, day.chatty) > 0
        with mara.expect_response(lambda answer: answer.url.endswith("/seen")):
            mara.goto(path)
        assert unread(services, day.chatty) == 0
        joe.goto(path)
        joe.locator("#reply").fill("In 20 minutes")
        expect(mara.locator("#talk-bar")).to_contain_text("Joe Ade is writing")

        mara.locator("#reply").fill("About half an hour.")
        mara.keyboard.press("Control+Enter")
        expect(mara.locator("#thread")).to_contain_text("About half an hour.")
        expect(joe.locator("#thread")).to_contain_text("About half an hour.")

        joe.reload()
        expect(joe.locator("#reply")).to_have_value("In 20 minutes")
        # As if both had been sent in the same moment: in one turn, so that no fresh part comes in between.
        joe.evaluate(
            "() => { document.querySelector('[name=version]').value = '5';"
            " document.getElementById('reply-form').requestSubmit(); }"
        )
        expect(joe.locator("#reply-problem")).to_contain_text("Your message was not sent")
        expect(joe.locator(".chat__line--fresh")).to_contain_text("About half an hour.")
        expect(joe.locator("#reply")).to_have_value("In 20 minutes")
        joe.locator("#reply-form button[type=submit]").click()
        expect(mara.locator("#thread")).to_contain_text("In 20 minutes")
        expect(joe.locator("#reply")).to_have_value("")
        joe.goto(f"{url}/staff/inbox")
        expect(mara.locator("#talk-bar")).not_to_contain_text("Joe Ade is")
    assert wrong == []


def test_everything_is_under_the_fingers_but_not_while_typing(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    with services.database.writing() as session:
        for name, body in (("Soon", "Hello ((name)), soon."), ("Sorry", "We are sorry, ((name)).")):
            told = {"staff_id": "bo", "now": services.clock.now(), "ids": new_id}
            keep(session, answer_id=None, name=name, locale="en", body=body, **told)
    page = desk(browser, app, services, url, "Mara Lind").new_page()
    wrong = complaints(page)
    with page.context:
        page.goto(f"{url}/staff/inbox")
        rows = page.locator("main a.row")
        page.keyboard.press("j")
        expect(rows.nth(0)).to_be_focused()
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("j")
        expect(rows.nth(1)).to_be_focused()
        page.keyboard.press("/")
        expect(page.locator("#q")).to_be_focused()
        page.keyboard.type("jk?")
        expect(page.locator("#q")).to_have_value("jk?")
        rows.nth(1).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/staff/conversations/*")

        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("a")
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).not_to_be_visible()
        page.keyboard.press("c")
        expect(page.locator("#offers-find")).to_be_focused()
        page.keyboard.type("SORR")
        page.keyboard.press("Enter")
        expect(page.locator("#reply")).to_be_focused()
        expect(page.locator("#reply")).to_have_value(re.compile("^We are sorry, "))
        page.keyboard.type(" aen")
        page.keyboard.press("Escape")
        expect(page.locator("#reply")).not_to_be_focused()
        page.keyboard.press("n")
        expect(page.locator('[name="note"]')).to_be_checked()
        page.keyboard.press("a")
        expect(page.locator("#talk-bar")).to_contain_text("Yours")
        page.keyboard.press("e")
        expect(page.locator(".notice--ok")).to_contain_text("Taken off the list")
        page.keyboard.press("u")
        page.wait_for_url("**/staff/inbox")
    with services.database.reading() as session:
        assert session.scalar(select(func.count()).where(Conversation.assigned_to.is_not(None))) == 1
    assert wrong == []


def test_without_javascript_a_button_says_that_it_was_read(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    page = desk(browser, app, services, url, "Mara Lind", java_script_enabled=False).new_page()
    with page.context:
        page.goto(f"{url}/staff/conversations/{day.chatty}")
        assert unread(services, day.chatty) > 0
        page.get_by_role("button", name="Mark as read").click()
        expect(page.get_by_role("button", name="Mark as read")).to_have_count(0)
        assert unread(services, day.chatty) == 0
        page.locator("#reply").fill("Soon.")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#thread")).to_contain_text("Soon.")


def test_on_a_phone_what_has_no_room_in_the_bar_is_under_more(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    page = desk(browser, app, services, url, "Mara Lind").new_page()
    with page.context:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{url}/staff/inbox")
        page.locator(".side__more summary").click()
        for name in ("Import", "Answers", "Ratings"):
            expect(page.locator(".more__menu").get_by_role("link", name=name)).to_be_visible()
        page.locator(".more__menu").get_by_role("link", name="Ratings").click()
        page.wait_for_url("**/staff/ratings")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_is_open_and_half_typed_stays_when_the_thread_comes_anew(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    def hear(body: str, origin: Origin) -> None:
        with services.database.writing() as session:
            told = {"actor_id": "", "body": body, "now": services.clock.now()}
            say(session, delivery_id=day.chatty, voice=Voice.RECIPIENT, origin=origin, **told)

    hear("For the other parcel", Origin.SMS)
    page = desk(browser, app, services, url, "Mara Lind").new_page()
    wrong = complaints(page)
    with page.context:
        page.goto(f"{url}/staff/conversations/{day.chatty}")
        move = page.locator("details.move").first
        move.locator("summary").click()
        page.locator("details[id^=notice-]").first.locator("summary").click()
        move.locator("input[name=to]").focus()
        field = move.locator("input[name=to]")
        field.fill("JS-4")

        hear("One more thing", Origin.PAGE)
        publish(services.redis, [chat_changed(day.chatty)])
        expect(page.locator("#thread")).to_contain_text("One more thing")

        expect(move).to_have_attribute("open", "")
        expect(field).to_have_value("JS-4")
        expect(field).to_be_focused()
        expect(page.locator("details[id^=notice-][open]")).to_have_count(1)
    assert wrong == []


def test_no_task_is_wider_than_a_phone(
    browser: Browser, app: Flask, services: Services, url: str, day: StaffDay
) -> None:
    inbound(services, "please stop at the gate", TaskKind.OPT_OUT_REVIEW)
    page = desk(browser, app, services, url, "Mara Lind").new_page()
    with page.context:
        page.set_viewport_size({"width": 360, "height": 800})
        page.goto(f"{url}/staff/tasks")
        expect(page.get_by_role("button", name="They did not mean it")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
