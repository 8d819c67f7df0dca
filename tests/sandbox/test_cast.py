import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from aiohttp import web

from sandbox.autopilot import Autopilot
from sandbox.cast import Cast
from sandbox.clock import DayClock
from sandbox.day import plan_day
from sandbox.ground import to_metres
from sandbox.houses import build_houses
from sandbox.machine import monotonic_s
from sandbox.outside import Outside
from sandbox.people import Part
from sandbox.routing import Streets
from sandbox.summary import summary
from sandbox.texts import Text, new_sid
from sandbox.town import build_town
from tests.sandbox.fake_portal import FakePortal

FAST = 2400.0


@pytest.fixture(scope="module")
def plan():
    town = build_town()
    houses, streets = build_houses(town), Streets(town)
    day = plan_day(date(2026, 11, 23), houses, streets)
    return replace(day, routes=day.routes[1:2]), houses, streets


@asynccontextmanager
async def playing(plan, tmp_path, *, autopilot=None):
    """A fake portal, the stand-ins and the cast of one route, at work."""
    day, houses, streets = plan
    outside = Outside(pace=0)
    await outside.start()
    start = day.routes[0].starts_at - timedelta(minutes=30)
    clock = DayClock(tmp_path / "clock.json", start=start, rate=FAST, monotonic_s=monotonic_s)
    portal = FakePortal(day.routes[0])
    runner = web.AppRunner(portal.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    portal.port = runner.addresses[0][1]
    outside.twilio.carrier.portal_url = f"http://127.0.0.1:{portal.port}"
    cast = Cast(
        day=day, houses=houses, streets=streets, outside=outside, clock=clock, autopilot=autopilot or Autopilot()
    )
    run = asyncio.create_task(cast.run())
    try:
        yield portal, outside, cast, clock
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await runner.cleanup()
        await outside.close()


def text(outside, to, body):
    """Send a text as the portal would."""
    outside.twilio.texts.add(
        Text(new_sid("SM"), outside.twilio.account_sid, to, "+12015550100", body, "outbound-api", "queued", START)
    )


START = datetime.fromisoformat("2026-11-23T14:00:00+00:00")


async def reach(condition, timeout_s=120.0):
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def test_a_driver_plays_the_whole_day_on_the_pages(plan, tmp_path):
    async def play():
        async with playing(plan, tmp_path) as (portal, outside, cast, _):
            base = f"http://127.0.0.1:{portal.port}"
            text(outside, portal.route.driver_phone, f"Your day: {base}/d/abc.def-1")
            await reach(lambda: cast.drivers[0].is_finished)
            return portal, cast.drivers[0], cast.trucks[0]

    portal, driver, truck = asyncio.run(play())

    drops = [drop for stop in portal.route.stops for drop in stop.drops]
    assert portal.finished
    assert set(portal.outcomes) == {drop.reference for drop in drops}
    absent = {drop.reference for drop in drops if drop.person.part is Part.ABSENT}
    assert {ref for ref, outcome in portal.outcomes.items() if outcome["what"] == "failed"} == absent
    assert all(portal.outcomes[ref]["reason"] == "nobody_home" for ref in absent)
    delivered = [outcome for outcome in portal.outcomes.values() if outcome["what"] == "delivered"]
    assert all(outcome["photo_bytes"] > 5000 and outcome["request_id"] == "r1" for outcome in delivered)
    assert any(outcome["signature"].startswith("data:image/png;base64,") for outcome in delivered)
    assert set(driver.outcomes.values()) == {"delivered", "attempt failed"}
    assert truck.posted == len(portal.positions)


def test_the_fixes_are_ten_seconds_of_day_time_apart_and_pass_every_door(plan, tmp_path):
    async def play():
        async with playing(plan, tmp_path) as (portal, outside, cast, _):
            text(outside, portal.route.driver_phone, f"http://127.0.0.1:{portal.port}/d/abc")
            await reach(lambda: cast.drivers[0].is_finished)
            return portal

    portal = asyncio.run(play())

    instants = [datetime.fromisoformat(fix["at"]) for fix in portal.positions]
    assert {(b - a).total_seconds() for a, b in itertools.pairwise(instants)} == {10.0}
    points = [to_metres(fix["lat"], fix["lon"]) for fix in portal.positions]
    for stop in portal.route.stops:
        x, y = stop.house.middle
        assert min(abs(px - x) + abs(py - y) for px, py in points) < 60


def test_recipients_answer_each_in_their_way(plan, tmp_path):
    async def play():
        async with playing(plan, tmp_path) as (portal, outside, cast, _):
            base = f"http://127.0.0.1:{portal.port}"
            for recipient in cast.recipients:
                drop = recipient.drop
                portal.outcomes[drop.reference] = {"what": "delivered"}
                link = f"{base}/t/{drop.reference}"
                if drop.phone:
                    text(outside, drop.phone, f" you are next! Rosalie will be with you soon. {link}")
                    text(outside, drop.phone, "Delivered. How was it? Reply 1 to 5.")
                else:
                    outside.journal.add("mail", to=drop.email, text=f"Delivered. {link}", subject="", html="")
            parts = {r.drop.person.part: r.drop for r in cast.recipients if r.drop.phone}
            await reach(
                lambda: all(r.rating for r in cast.recipients if r.is_rater and r.drop.person.phone_state == "ok")
            )
            await reach(lambda: any(body == "I'm home, please ring twice" for _, body in portal.inbound))
            await reach(lambda: portal.ratings)
            return portal, parts

    portal, parts = asyncio.run(play())

    said = dict(portal.inbound)
    assert said[parts[Part.UNHAPPY].phone] == "2 llego mojado"
    assert said[parts[Part.QUIET].phone] == "4"


def test_a_person_at_the_phone_is_not_played(plan, tmp_path):
    async def play():
        autopilot = Autopilot()
        async with playing(plan, tmp_path, autopilot=autopilot) as (portal, outside, cast, clock):
            number = cast.recipients[0].drop.phone
            autopilot.take(number)
            text(outside, number, "Delivered. How was it? Reply 1 to 5.")
            await clock.wait_until(clock.now() + timedelta(hours=1))
            assert portal.inbound == []
            autopilot.give_back(number)
            text(outside, number, "How was it? Reply 1 to 5.")
            await reach(lambda: portal.inbound)

    asyncio.run(play())


@pytest.mark.parametrize("when", ["before the day is opened", "on the road"])
def test_a_route_whose_link_a_person_has_is_left_to_them(plan, tmp_path, when):
    async def play():
        async with playing(plan, tmp_path) as (portal, outside, cast, clock):
            portal.is_another_phone = when == "before the day is opened"
            text(outside, portal.route.driver_phone, f"http://127.0.0.1:{portal.port}/d/abc")
            await reach(lambda: portal.is_another_phone or len(portal.positions) > 50)
            portal.is_another_phone = True
            await reach(lambda: cast.drivers[0].is_replaced)
            left_at, before = clock.now(), (len(portal.positions), dict(portal.loaded), dict(portal.outcomes))
            text(outside, portal.route.driver_phone, "I'm home, please ring twice")
            await clock.wait_until(left_at + timedelta(hours=2))
            after = (len(portal.positions), dict(portal.loaded), dict(portal.outcomes))
            truck = cast.trucks[0]
            is_standing = truck.at(left_at + timedelta(seconds=1)).point == truck.at(clock.now()).point
            told = [entry["what"] for entry in outside.journal.entries(event="driver")]
            return portal, cast, before, after, is_standing, told, summary(cast, outside), clock.next_event()

    portal, cast, before, after, is_standing, told, table, expected = asyncio.run(play())

    assert after == before
    assert is_standing
    assert portal.inbound == []
    assert not portal.finished
    assert not cast.drivers[0].is_finished
    assert not cast.drivers[0].is_under_way
    assert f"route {portal.route.name} is left to whoever has its link" in told[-1]
    assert "driven by a person" in table
    assert expected is None
