"""Small helpers that read what a phone got and drive a browser as a person would."""

import csv
import io
import re
from datetime import date
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page

from sandbox.world import World
from tracking.import_rows import COLUMNS

LINK = re.compile(r"https?://\S+/[td]/[A-Za-z0-9._-]+")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


def route_file(rows: list[dict[str, Any]], *, on: date) -> bytes:
    """Return a route file; each row only says what matters to the test."""
    usual = {
        "date": on.isoformat(),
        "route": "East",
        "depot": "Mill depot",
        "depot_lat": "40.7100",
        "depot_lon": "-74.3500",
        "planned_start": "10:00",
        "driver": "Dana Ruiz",
        "driver_phone": "+12015550150",
        "vehicle": "Van 7",
        "window_start": "10:00",
        "window_end": "12:00",
        "zone": "America/New_York",
        "locale": "en",
        "items": "1 bookcase",
    }
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({**usual, **row} for row in rows)
    return text.getvalue().encode()


def link_in_text(world: World, to: str, words: str) -> str:
    """Wait for a text to ``to`` that holds ``words``, and return the link in it."""
    text = world.wait_for_text(lambda sent: sent.to == to and words in sent.body)
    found = LINK.search(text.body)
    assert found is not None, text.body
    return found.group(0)


def phone(browser: Browser, *, javascript: bool = True, dark: bool = False, locale: str = "en-US") -> BrowserContext:
    """Return a fresh phone-sized browser context."""
    return browser.new_context(
        viewport=PHONE,
        java_script_enabled=javascript,
        color_scheme="dark" if dark else "light",
        locale=locale,
        is_mobile=True,
        has_touch=True,
    )


def form(page: Page, name: str) -> Locator:
    """Return the first form of this name (``data-form``)."""
    return page.locator(f'form[data-form="{name}"]').first


def press(page: Page, name: str, **values: str) -> None:
    """Fill and send the first form of this name, with its own button."""
    chosen = form(page, name)
    for field, value in values.items():
        chosen.locator(f'[name="{field}"]').first.fill(value)
    chosen.locator('button[type="submit"], button:not([type])').last.click()
