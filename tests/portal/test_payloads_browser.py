"""Whatever a person types is shown as typed: payloads in every column people fill, every page, in Chromium.

``PAYLOAD_ROUNDS`` rounds move the payloads on, so that each field meets all 150; ``make test`` plays one.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from flask.sessions import SecureCookieSessionInterface
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import select

from messaging.cases import Case
from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.kinds import Channel, Kind
from messaging.texts import WORDS, Source, render_source
from portal import accounts
from portal.accounts import Role
from portal.app import create_app
from portal.services import Services
from portal.staff.shell import SEEN
from tests.browser import open_browser
from tests.not_run import leave_out
from tests.portal.driver_phone import at_free_port, serving
from tests.portal.payloads import PAYLOADS, PROBE, fill, unclassified
from tests.portal.staff_browser import add_account
from tests.portal.staff_day import StaffDay, build_day
from tracking import links
from tracking.deliveries import Delivery
from tracking.ids import new_link_id
from tracking.links import Audience
from tracking.routes import Route
from tracking.stops import Stop

pytestmark = pytest.mark.browser

ROUNDS = int(os.environ.get("PAYLOAD_ROUNDS", "1"))
EACH = int(os.environ.get("PAYLOAD_PAGES", "6"))  # deliveries whose own pages are opened in a round
WATCH = """document.addEventListener("securitypolicyviolation",
  event => { (window.complaints ||= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`); });
"""
SHOWN = """() => [document.documentElement.textContent,
  ...[...document.querySelectorAll("*")].flatMap(one => [...one.attributes].map(each => each.value)),
  ...[...document.querySelectorAll("input, textarea")].map(one => one.value)].join("\\n")"""
STAFF_PAGES = re.compile(r"^/staff/[a-z/-]*$")
NOT_FOR_BROWSERS = ("csv", "part", "live-address", "logout", "login")
# What has to be read somewhere, word for word, and by whom.
READ_BY = {
    "staff": {
        *("deliveries.recipient_name", "deliveries.items", "deliveries.instructions", "stops.address"),
        *("chat_messages.body", "cases.comment", "tasks.reason", "drivers.name", "routes.name"),
    },
    "recipient": {"deliveries.items", "chat_messages.body"},
    "driver": {"stops.address", "deliveries.items", "deliveries.instructions", "chat_messages.body"},
}


@dataclass
class Watch:
    """What a browser complained of, and all it was shown."""

    complaints: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def look(self, page: Page, url: str) -> None:
        """Open a page and keep what it shows."""
        answer = page.goto(url)
        assert answer is not None
        assert answer.status == 200, f"{url}: {answer.status}"
        self.complaints += [f"{url}: {one}" for one in page.evaluate("window.complaints || []")]
        if page.locator(PROBE).count():
            self.complaints.append(f"{url}: markup of a person's words")
        self.shown.append(page.evaluate(SHOWN))

    def missing(self, payloads: set[str]) -> set[str]:
        """Return the payloads that no page showed word for word."""
        everything = "\n".join(self.shown)
        return {payload for payload in payloads if payload not in everything}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        if opened is None:
            leave_out("payloads in a browser", "no Chromium was found")
        assert opened is not None
        yield opened


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The usual environment at a free port."""
    return at_free_port(environ)


@pytest.fixture
def day(services: Services, ids: Callable[[], str]) -> StaffDay:
    """A day at noon in every state, and one conversation with every payload in every voice."""
    with services.database.writing() as session:
        built = build_day(session, now=services.clock.now(), ids=ids)
        for voice in Voice:
            for payload in PAYLOADS[:: len(Voice)]:
                session.add(
                    ChatMessage(
                        conversation_id=built.chatty,
                        voice=voice,
                        origin=Origin.PAGE,
                        body=payload,
                        at=services.clock.now(),
                        search_words="",
                    )
                )
    return built


@contextmanager
def watched(browser: Browser, services: Services, **cookies: str) -> Iterator[tuple[BrowserContext, Watch]]:
    """Yield a browser with these cookies; every dialog, complaint of the policy and error of a script is kept."""
    context, watch = browser.new_context(), Watch()
    context.add_init_script(WATCH)
    context.add_cookies(
        [{"name": name, "value": value, "url": services.settings.public_url} for name, value in cookies.items()]
    )
    context.on("dialog", lambda dialog: (watch.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    context.on("weberror", lambda error: watch.complaints.append(str(error.error)))
    context.on("console", lambda line: watch.complaints.append(line.text) if "Content Security" in line.text else None)
    yield context, watch
    context.close()


def staff_cookie(services: Services) -> dict[str, str]:
    """Return the cookie of an administrator who has logged in."""
    app, account = create_app(services), add_account(services, Role.ADMIN, "Mara Lind")
    elapsed_s = services.clock.elapsed()
    with services.database.writing() as session:
        secret = accounts.open_session(session, accounts.the_account(session, account.id), elapsed_s)
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return {app.config["SESSION_COOKIE_NAME"]: str(signer.dumps({"_user_id": secret, SEEN: elapsed_s}))}


def staff_paths(services: Services, day: StaffDay, deliveries: list[str]) -> list[str]:
    """Return every staff page: those without an argument, and those of these things."""
    app = create_app(services)
    plain = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    paths = [path for path in sorted(plain) if STAFF_PAGES.match(path) and not path.endswith(NOT_FOR_BROWSERS)]
    with services.database.reading() as session:
        drivers, routes = list(session.scalars(select(Route.driver_id)))[:2], [day.route, day.planned_route]
        paths += [f"/staff/cases/{case}" for case in session.scalars(select(Case.id))]
    paths += [f"/staff/drivers/{driver}" for driver in drivers] + [f"/staff/routes/{route}" for route in routes]
    paths += [f"/staff/{what}/{one}" for what in ("conversations", "deliveries") for one in deliveries]
    return [*paths, "/staff/inbox?queue=all"]


def recipient_token(services: Services, delivery_id: str) -> str:
    """Return the token of a fresh recipient's link."""
    with services.database.writing() as session:
        made = links.recipient_link(
            session,
            delivery_id=delivery_id,
            link_id=new_link_id(),
            now=services.clock.now(),
            expires_at=services.clock.now().replace(hour=23),
        )
        return services.links.token(made.id, Audience.RECIPIENT)


def driver_path(services: Services, route_id: str) -> str:
    """Return the path of a fresh link of the route's driver."""
    with services.database.writing() as session:
        made = links.driver_link(
            session,
            route_id=route_id,
            driver_id=session.get_one(Route, route_id).driver_id,
            link_id=new_link_id(),
            now=services.clock.now(),
            expires_at=services.clock.now().replace(hour=23),
        )
        return f"/d/{services.links.token(made.id, Audience.DRIVER)}"


def some_deliveries(services: Services, day: StaffDay, turn: int) -> list[str]:
    """Return today's deliveries whose pages are opened in this round: the telling ones, and others in turn."""
    with services.database.reading() as session:
        ids = list(session.scalars(select(Delivery.id).where(Delivery.service_on == day.on).order_by(Delivery.id)))
    start = turn * EACH % len(ids)
    return list(dict.fromkeys([day.chatty, day.delivered, *(ids + ids)[start : start + EACH]]))


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_payloads_are_shown_and_never_run(browser: Browser, services: Services, day: StaffDay, turn: int) -> None:
    deliveries = some_deliveries(services, day, turn)
    with services.database.reading() as session:
        chatty = session.get_one(Delivery, day.chatty)
        stop = session.get_one(Stop, chatty.stop_id)
        mine = {"stops.address": {stop.id}, "route": stop.route_id}
    with services.database.writing() as session:
        used = fill(session, turn * len(PAYLOADS) // max(ROUNDS, 1))
    with serving(services) as url:
        with watched(browser, services, **staff_cookie(services)) as (context, staff):
            page = context.new_page()
            for path in staff_paths(services, day, deliveries):
                staff.look(page, url + path)
        with watched(browser, services) as (context, recipient):
            page = context.new_page()
            for delivery_id in deliveries:
                recipient.look(page, f"{url}/t/{recipient_token(services, delivery_id)}")
        with watched(browser, services) as (context, driver):
            page = context.new_page()
            page.goto(url + driver_path(services, str(mine["route"])))
            page.locator("form[data-form='open'] button").click()
            page.wait_for_url(f"{url}/d/")
            driver.look(page, f"{url}/d/")
            stops = [one.get_attribute("href") for one in page.locator("a[data-stop]").all()]
            for href in stops:
                driver.look(page, f"{url}{href}")
    assert staff.complaints + recipient.complaints + driver.complaints == []
    for who, watch in (("staff", staff), ("recipient", recipient), ("driver", driver)):
        for name in READ_BY[who]:
            shown = used[name] - watch.missing(used[name])
            assert shown, f"{who} read nothing of {name}"
    with services.database.reading() as session:
        lines = set(session.scalars(select(ChatMessage.body).where(ChatMessage.conversation_id == day.chatty)))
    assert staff.missing(lines) == set()


def test_mails_show_words_and_staffs_own_text_as_typed(browser: Browser, services: Services) -> None:
    missing = set()
    with watched(browser, services) as (context, watch):
        page = context.new_page()
        for number, payload in enumerate(PAYLOADS):
            kind = list(Kind)[number % len(Kind)]
            words = {
                **dict.fromkeys(WORDS, payload),
                "link": "https://track.example",
                "unsubscribe": "https://x.example",
            }
            source = Source(subject="((name))", body=f"{payload.replace('((name))', '')}\n\n((name))\n\n((link))")
            page.set_content(render_source(kind, Channel.EMAIL, "en", source, words).html)
            shown = page.evaluate(SHOWN)
            missing |= {one for one in (payload, payload.replace("((name))", "")) if one not in shown}
            if page.locator(PROBE).count():
                watch.complaints.append(payload)
    assert watch.complaints == []
    assert missing == set()


def test_every_text_column_is_known_to_be_a_persons_or_ours() -> None:
    assert unclassified() == []


def test_there_are_150_different_payloads() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) == 150
