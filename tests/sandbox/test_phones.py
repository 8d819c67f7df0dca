import asyncio
from contextlib import asynccontextmanager
from datetime import date, timedelta

import aiohttp
import pytest

from sandbox.autopilot import Autopilot
from sandbox.cast import Cast
from sandbox.clock import DayClock
from sandbox.day import plan_day
from sandbox.houses import build_houses
from sandbox.machine import monotonic_s
from sandbox.outside import Outside
from sandbox.phones import PhonesPage
from sandbox.routing import Streets
from sandbox.texts import Text, new_sid
from sandbox.town import build_town

ANNA = "+12015550110"


@pytest.fixture(scope="module")
def plan():
    town = build_town()
    houses, streets = build_houses(town), Streets(town)
    return plan_day(date(2026, 11, 23), houses, streets), houses, streets


@asynccontextmanager
async def served(plan, tmp_path):
    """The page over HTTP, with the stand-ins behind it and nobody playing."""
    day, houses, streets = plan
    start = day.routes[0].starts_at - timedelta(hours=1)
    clock = DayClock(tmp_path / "clock.json", start=start, rate=0.0, monotonic_s=monotonic_s)
    outside = Outside(day_now=clock.now, pace=0)
    cast = Cast(day=day, houses=houses, streets=streets, outside=outside, clock=clock, autopilot=Autopilot())
    page = PhonesPage(day=day, outside=outside, clock=clock, cast=cast, portal_url="http://127.0.0.1:9/")
    await outside.start(more=page.routes())
    playing = asyncio.create_task(cast.run())
    async with aiohttp.ClientSession(outside.http_url) as browser:
        try:
            yield browser, outside, clock, cast
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            await outside.close()


def run(plan, tmp_path, visit):
    async def scene():
        async with served(plan, tmp_path) as parts:
            return await visit(*parts)

    return asyncio.run(scene())


def receive(outside, clock, to, body):
    account = outside.twilio.account_sid
    outside.twilio.texts.add(
        Text(new_sid("SM"), account, to, "+12015550100", body, "outbound-api", "sent", clock.now())
    )


def test_the_page_shows_texts_with_links_that_open_a_tab_and_nothing_as_markup(plan, tmp_path):
    async def visit(browser, outside, clock, cast):
        receive(outside, clock, ANNA, "<b>Tomorrow</b> http://127.0.0.1:9/t/abc-1.x.")
        async with browser.get("/", params={"phone": ANNA}) as answer:
            return await answer.text()

    html = run(plan, tmp_path, visit)

    assert "&lt;b&gt;Tomorrow&lt;/b&gt;" in html
    assert '<a href="http://127.0.0.1:9/t/abc-1.x" target="_blank" rel="noopener">' in html
    assert "Mon 09:00" in html
    assert html.count("data-truck=") == 3


def test_a_script_gets_only_the_fragments_that_changed(plan, tmp_path):
    async def visit(browser, outside, clock, cast):
        async with browser.get("/state", params={"phone": ANNA}) as answer:
            first = await answer.json()
        receive(outside, clock, ANNA, "Hello")
        async with browser.get("/state", params={"phone": ANNA, **first["marks"]}) as answer:
            second = await answer.json()
        async with browser.get("/state", params={"phone": ANNA, **second["marks"]}) as answer:
            return first, second, await answer.json()

    first, second, third = run(plan, tmp_path, visit)

    assert set(first["fresh"]) == {"list", "items", "told"}
    assert "Hello" in second["fresh"]["items"]
    assert third["fresh"] == {}


def test_answering_sends_a_text_and_takes_the_phone_over(plan, tmp_path):
    async def visit(browser, outside, clock, cast):
        form = {"phone": ANNA, "body": "Ring twice"}
        async with browser.post("/answer", data=form, allow_redirects=False) as answer:
            where = (answer.status, answer.headers["Location"])
        return where, [text.body for text in outside.twilio.texts.all()], cast.autopilot.taken()

    where, bodies, taken = run(plan, tmp_path, visit)

    assert where == (303, "/?phone=%2B12015550110")
    assert bodies == ["Ring twice"]
    assert taken == {ANNA}


def test_buttons_steer_the_day_and_typing_slows_it(plan, tmp_path):
    async def visit(browser, outside, clock, cast):
        rates = []
        for path, form in (("/clock", {"rate": "60.0"}), ("/typing", {"phone": ANNA}), ("/clock", {"rate": "7"})):
            async with browser.post(path, data=form, allow_redirects=False):
                rates.append(clock.rate)
        clock.set_rate(0.0)
        event = clock.expect(clock.now() + timedelta(hours=2), "lunch")
        async with browser.post("/clock", data={"rate": "next"}, allow_redirects=False):
            return rates, event.at - clock.now()

    rates, left = run(plan, tmp_path, visit)

    assert rates == [60.0, 1.0, 1.0]
    assert left == timedelta(seconds=2)


def test_a_post_from_another_site_is_refused(plan, tmp_path):
    async def visit(browser, outside, clock, cast):
        async with browser.post("/clock", data={"rate": "0"}, headers={"Origin": "http://evil.example"}) as answer:
            return answer.status

    assert run(plan, tmp_path, visit) == 403


def test_a_mail_is_shown_without_any_power(plan, tmp_path):
    async def visit(browser, outside, clock, cast):
        entry = outside.journal.add("mail", to="anna.becker@example.net", subject="Hi", text="Hi", html="<p>Hi</p>")
        async with browser.get(f"/mails/{entry['n']}") as answer:
            return answer.headers["Content-Security-Policy"], await answer.text()

    policy, html = run(plan, tmp_path, visit)

    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "<p>Hi</p>" in html
