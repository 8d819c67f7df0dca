"""The whole product as processes, and a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from sandbox.instance import Instance
from tests.browser import open_browser
from tests.builders import local
from tests.not_run import leave_out

DAY_BEFORE = local("17:30").replace(day=4)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Web, worker, Valkey, Twilio stand-in and mailbox; day time stands at 17:30 on the day before."""
    with Instance(tmp_path_factory.mktemp("instance"), day=DAY_BEFORE) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        if opened is None:
            leave_out("browser tests", "no Chromium was found")
        yield opened
