"""The driver's page on a phone: position, photo, signature and messages, in Chromium under the real CSP."""

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis import Redis
from sqlalchemy import select

from messaging.chat_lines import Origin, Voice
from messaging.conversations import say
from portal.services import Services
from tests.browser import open_browser
from tests.builders import make_delivery, make_route, make_stop
from tests.conftest import NOON
from tests.not_run import leave_out
from tests.portal.driver_phone import at_free_port, serving
from tracking import links
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.facts import chat_changed, publish, route_changed
from tracking.fix_stream import STREAM
from tracking.ids import new_link_id
from tracking.links import Audience
from tracking.proofs import Proof, ProofKind
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop

pytestmark = pytest.mark.browser
HERE = {"latitude": 40.716, "longitude": -74.346}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        if opened is None:
            leave_out("the driver's page in a browser", "no Chromium was found")
        assert opened is not None
        yield opened


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
def route_id(services: Services) -> str:
    """A started route with one parcel at each of three stops."""
    with services.database.writing() as session:
        route = make_route(session, status=RouteStatus.STARTED, started_at=NOON)
        for _ in range(3):
            make_delivery(session, stop=make_stop(session, route), status=DeliveryStatus.OUT_FOR_DELIVERY, now=NOON)
        return route.id


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """A phone that knows where it is; any complaint of the page or the CSP fails the test."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
        geolocation=HERE,
        permissions=["geolocation"],
    )
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(services: Services, url: str, route_id: str, phone: BrowserContext) -> Page:
    """The day, opened on this phone."""
    with services.database.writing() as session:
        link = links.driver_link(
            session,
            route_id=route_id,
            driver_id=session.get_one(Route, route_id).driver_id,
            link_id=new_link_id(),
            now=NOON,
            expires_at=NOON + timedelta(hours=12),
        )
    opened = phone.new_page()
    opened.goto(f"{url}/d/{services.links.token(link.id, Audience.DRIVER)}")
    opened.get_by_role("button", name="Open my day").click()
    return opened


def first_delivery(services: Services, route_id: str) -> str:
    with services.database.reading() as session:
        stop = session.scalars(select(Stop).where(Stop.route_id == route_id).order_by(Stop.sequence)).first()
        assert stop is not None
        return session.scalars(select(Delivery.id).where(Delivery.stop_id == stop.id)).one()


def test_position_is_shared_and_waits_while_there_is_no_signal(page: Page, phone: BrowserContext, redis: Redis) -> None:
    share = page.locator("[data-share]")
    expect(share).to_have_text("Position on")
    expect(share).to_have_attribute("data-waiting", "0")
    wait_for_fixes(page, redis, more_than=0)
    sent = redis.xlen(STREAM)
    phone.set_offline(True)
    phone.set_geolocation({"latitude": 40.717, "longitude": -74.346})
    page.wait_for_timeout(4100)  # the page keeps one fix in four seconds
    phone.set_geolocation({"latitude": 40.718, "longitude": -74.346})
    expect(page.locator("[data-share-note]")).to_contain_text("Positions wait on this phone")
    phone.set_offline(False)
    expect(share).to_have_attribute("data-waiting", "0")
    wait_for_fixes(page, redis, more_than=sent)
    share.click()
    expect(page.locator("[data-share-note]")).to_contain_text("not shared")


def test_photo_is_made_small_and_the_signature_is_drawn(
    services: Services, page: Page, route_id: str, tmp_path: Path
) -> None:
    Image.effect_noise((2400, 1800), 80).convert("RGB").save(tmp_path / "big.jpg", quality=95)
    page.get_by_role("button", name="I have arrived").click()
    page.set_input_files(".hand-over [data-photo]", tmp_path / "big.jpg")
    expect(page.locator(".hand-over [data-preview]")).to_be_visible()
    page.locator("summary", has_text="Signature").click()
    pad = page.locator("[data-pad]").bounding_box()
    assert pad is not None
    page.mouse.move(pad["x"] + 20, pad["y"] + 20)
    page.mouse.down()
    page.mouse.move(pad["x"] + 200, pad["y"] + 60, steps=5)
    page.mouse.up()
    page.locator("label", has_text="A neighbor").click()
    page.locator(".bar button").click()
    expect(page.locator(".undo")).to_contain_text("Delivered")
    with services.database.reading() as session:
        proofs = {proof.kind: proof for proof in session.scalars(select(Proof))}
    assert proofs[ProofKind.NAME].text == "A neighbor"
    taken = proofs[ProofKind.PHOTO].sha256
    assert taken is not None
    assert Image.open(BytesIO(services.files.path(taken).read_bytes())).size == (1600, 1200)
    assert ProofKind.SIGNATURE in proofs


def test_a_hand_over_without_signal_is_sent_when_there_is_some(
    services: Services, page: Page, phone: BrowserContext, route_id: str
) -> None:
    page.get_by_role("button", name="I have arrived").click()
    page.locator("label", has_text="A neighbor").click()
    phone.set_offline(True)
    page.locator(".bar button").click()
    expect(page.locator("[data-sending]")).to_contain_text("Kept on this phone")
    phone.set_offline(False)
    expect(page.locator(".undo")).to_contain_text("Delivered")
    with services.database.reading() as session:
        assert [proof.text for proof in session.scalars(select(Proof))] == ["A neighbor"]


def test_a_message_and_a_new_order_show_by_themselves(services: Services, page: Page, route_id: str) -> None:
    delivery_id = first_delivery(services, route_id)
    write(services, delivery_id, "Are you close?")
    expect(page.locator("#day-content")).to_contain_text("1 new message")
    assert page.title().startswith("(1)")
    page.locator("[data-stop]").first.click()
    expect(page.locator(".chat")).to_contain_text("Are you close?")
    page.locator("textarea[name=body]").fill("half typed")
    write(services, delivery_id, "Second line")
    expect(page.locator(".chat")).to_contain_text("Second line")
    expect(page.locator("textarea[name=body]")).to_have_value("half typed")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".chat__line--mine")).to_contain_text("half typed")

    page.get_by_role("link", name="My day").click()
    with services.database.writing() as session:
        first, second, *_ = session.scalars(select(Stop).where(Stop.route_id == route_id).order_by(Stop.sequence))
        was_first, was_second = first.sequence, second.sequence
        first.sequence = -1
        session.flush()
        second.sequence = was_first
        session.flush()
        first.sequence = was_second
        session.get_one(Route, route_id).plan_version += 1
        address = second.address
    publish(services.redis, [route_changed(route_id)])
    expect(page.locator(".next h1")).to_have_text(address)


def wait_for_fixes(page: Page, redis: Redis, *, more_than: int) -> None:
    for _ in range(200):
        if redis.xlen(STREAM) > more_than:
            return
        page.wait_for_timeout(250)
    pytest.fail("no fix came")


def write(services: Services, delivery_id: str, words: str) -> None:
    with services.database.writing() as session:
        say(
            session,
            delivery_id=delivery_id,
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body=words,
            now=NOON,
        )
    publish(services.redis, [chat_changed(delivery_id)])
