"""A headless Chromium for tests: Debian's, Google's, or Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, expect, sync_playwright

# Without these the browser looks for servers of its maker, and as root it needs no sandbox to start at all.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 45_000  # for what a page has to show: a machine that runs many tests at once is slow


def find_browser() -> str | None:
    """Return the path of a Chromium on this machine; None when Playwright's own must do."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_browser() -> Iterator[Browser | None]:
    """Yield a started browser, or None when there is none on this machine. Tests wait with patience for its pages."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = find_browser() or (str(own) if own.exists() else None)
        if path is None:
            yield None
            return
        try:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        except Error:
            yield None
            return
        yield browser
        browser.close()
