"""The pages of messages in Chromium under the real policy: the preview while typing, and nobody kept out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, expect

from portal.services import Services
from tests.browser import open_browser
from tests.not_run import leave_out
from tests.portal.driver_phone import at_free_port, serving
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import build_day
from tracking.ids import new_id

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/staff/messages",
    "/staff/messages/day_before",
    "/staff/messages/delayed/email/es",
    "/staff/unreached",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        if opened is None:
            leave_out("the pages of messages in a browser", "no Chromium was found")
        assert opened is not None
        yield opened


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The usual environment at a free port."""
    return at_free_port(environ)


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    """The address of a running portal with a day of deliveries."""
    with services.database.writing() as session:
        build_day(session, now=services.clock.now(), ids=new_id)
    with serving(services) as address:
        yield address


@pytest.fixture
def desk(browser: Browser, app: Flask, services: Services, url: str) -> Iterator[BrowserContext]:
    """An admin's browser; any error of a script and any complaint of the policy fails the test."""
    yield from _desk(browser, app, services, url)


def _desk(browser: Browser, app: Flask, services: Services, url: str, **options: Any) -> Iterator[BrowserContext]:
    staff = StaffBrowser(app.test_client(), services)
    context = browser.new_context(**options)
    cookies = staff.client._cookies.values()
    context.add_cookies([{"name": one.key, "value": one.value, "url": url} for one in cookies])
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    yield context
    context.close()
    assert complaints == []


def test_the_preview_follows_what_is_typed_and_nothing_typed_is_lost_by_saving(desk: BrowserContext, url: str) -> None:
    page = desk.new_page()
    page.goto(f"{url}/staff/messages/next_stop")
    box, preview = page.locator("#body"), page.locator("#message-preview")

    box.fill("((company)): \N{DELIVERY TRUCK} ((soon)) ((lnk))")
    expect(preview).to_contain_text("Did you mean ((link))?")
    expect(preview).to_contain_text("delivery truck")
    box.fill("((company)): we are near. ")
    page.get_by_role("button", name="((link))").click()
    expect(preview.locator(".bubble").first).to_contain_text("we are near. http")
    expect(preview).to_contain_text("1 of 2")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    expect(page.locator("#body")).to_have_value("((company)): we are near. ((link))")


def test_without_scripts_the_preview_is_a_button(browser: Browser, app: Flask, services: Services, url: str) -> None:
    for context in _desk(browser, app, services, url, java_script_enabled=False):
        page = context.new_page()
        page.goto(f"{url}/staff/messages/next_stop")
        page.locator("#body").fill("((company)): we are near. ((link))")
        page.get_by_role("button", name="Preview").click()

        expect(page.locator("#message-preview .bubble").first).to_contain_text("we are near. http")
        expect(page.locator("#body")).to_have_value("((company)): we are near. ((link))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, app: Flask, services: Services, url: str, scheme: str) -> None:
    if not AXE.exists():
        leave_out("accessibility of the pages of messages", "axe-core was not installed by npm")
    for context in _desk(browser, app, services, url, color_scheme=scheme, bypass_csp=True):
        page = context.new_page()
        for path in PAGES:
            page.goto(f"{url}{path}")
            page.add_script_tag(content=AXE.read_text())
            found = page.evaluate("axe.run()")["violations"]
            assert not found, path + json.dumps(
                [(one["id"], [node["html"] for node in one["nodes"]]) for one in found], indent=1
            )
