"""Streams over real HTTP, with a real Valkey between who writes and who watches."""

import asyncio
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from messaging.conversations import Origin, Voice, say
from portal import tickets
from portal.accounts import Role
from portal.health import viewers_watching
from portal.live import LiveApp
from portal.live_hub import STREAMS_A_LINK
from portal.live_rendering import CALM_S
from portal.services import Services
from tests.portal.recipient_day import NOW, keep_fix, link_of, on_the_way, token_of
from tests.portal.staff_browser import StaffBrowser
from tests.portal.streams import live_server
from tracking import facts
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.ids import new_link_id
from tracking.links import Audience, Link, LinkSigner, revoke


@pytest.fixture
def clock() -> SetClock:
    """Four minutes past two, where the parcel goes."""
    return SetClock(NOW)


@pytest.fixture
def delivery(services: Services) -> Delivery:
    """A delivery on its way."""
    with services.database.writing() as session:
        return on_the_way(session)


@pytest.fixture
def token(services: Services, delivery: Delivery, signer: LinkSigner) -> str:
    """Its recipient's token."""
    with services.database.writing() as session:
        return token_of(session, delivery, signer)


def write_line(services: Services, delivery: Delivery, body: str) -> None:
    with services.database.writing() as session:
        say(session, delivery_id=delivery.id, voice=Voice.DRIVER, origin=Origin.PAGE, actor_id="d", body=body, now=NOW)
    facts.publish(services.redis, [facts.chat_changed(delivery.id)])


def test_a_stream_starts_with_everything_there_is_to_show(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            assert stream.status == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            first = await stream.until("")
            assert 'id="status"' in first.data
            assert 'id="chat"' in first.data
            place = await stream.until("place")
            assert place.json["lat"] == 40.704  # three decimals until next

    asyncio.run(scenario())


def test_a_new_line_reaches_everybody_who_watches(services: Services, delivery: Delivery, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            streams = [await server.open(f"/t/{token}/live") for _ in range(2)]
            for stream in streams:
                await stream.until("", "chat")
            await asyncio.to_thread(write_line, services, delivery, "On my way up")
            for stream in streams:
                told = await stream.until("", "On my way up")
                assert 'id="status"' not in told.data  # only what changed is sent

    asyncio.run(scenario())


def test_fragments_hold_no_address_token_nonce_or_form(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            first = await stream.until("")
            for word in (token, "href", "src=", "nonce", "<form", "hx-", "http"):
                assert word not in first.data

    asyncio.run(scenario())


def test_a_place_travels_inside_its_fact(services: Services, delivery: Delivery, token: str) -> None:
    place = {"lat": 40.71, "lon": -74.34, "heading": 10, "at": NOW.isoformat(), "stale": False, "line": False}

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("place")
            facts.publish(services.redis, [facts.place_moved(delivery.id, place)])
            assert (await stream.until("place", "40.71,")).json == place

    asyncio.run(scenario())


def test_no_place_is_passed_on_after_the_delivery(services: Services, delivery: Delivery, token: str) -> None:
    place = {"lat": 40.71, "lon": -74.34, "heading": 10, "at": NOW.isoformat(), "stale": False, "line": False}

    def deliver() -> None:
        with services.database.writing() as session:
            row = load(session, delivery.id)
            row.status, row.delivered_at, row.status_at = DeliveryStatus.DELIVERED, NOW, NOW
        facts.publish(services.redis, [facts.delivery_changed(delivery.id)])

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("place", "40.704")
            await asyncio.to_thread(deliver)
            await stream.until("", "Delivered at")
            facts.publish(services.redis, [facts.place_moved(delivery.id, place)])
            await asyncio.to_thread(write_line_as_support, services, delivery)
            await stream.until("", "Hello from support")
            server.app.drain()
            assert not [event for event in await stream.rest() if event.name == "place" and "40.71" in event.data]

    asyncio.run(scenario())


def write_line_as_support(services: Services, delivery: Delivery) -> None:
    with services.database.writing() as session:
        body = "Hello from support"
        say(session, delivery_id=delivery.id, voice=Voice.SUPPORT, origin=Origin.PAGE, actor_id="s", body=body, now=NOW)
    facts.publish(services.redis, [facts.chat_changed(delivery.id)])


def test_a_revoked_link_is_hung_up_on_at_once(services: Services, delivery: Delivery, signer: LinkSigner) -> None:
    with services.database.writing() as session:
        link = link_of(session, delivery)
    token = signer.token(link.id, Audience.RECIPIENT)

    def end_link() -> None:
        with services.database.writing() as session:
            revoke(session, [link.id], NOW)
        facts.publish(services.redis, [facts.revoked(link.id)])

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("")
            await asyncio.to_thread(end_link)
            assert (await stream.until("gone")).data == "closed"
            assert await stream.rest() == []
            again = await server.open(f"/t/{token}/live")
            assert again.status == 410

    asyncio.run(scenario())


def test_forged_tokens_and_tickets_get_no_stream(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            for path, status in (
                ("/t/nonsense/live", 404),
                (f"/t/{token[:-1]}x/live", 404),
                ("/staff/live", 403),
                ("/staff/live?ticket=abc", 403),
                ("/d/live?ticket=abc", 403),
            ):
                assert (await server.open(path)).status == status

    asyncio.run(scenario())


def test_a_ticket_ends_after_ten_minutes(services: Services, clock: SetClock) -> None:
    ticket = tickets.issue(services, topic="inbox", subject="staff-1", locale="en")
    assert tickets.read(services, ticket).subject == "staff-1"
    clock.machine_s += tickets.LIFETIME_S + 1
    with pytest.raises(tickets.BadTicket):
        tickets.read(services, ticket)


def test_a_drivers_ticket_opens_no_staff_stream(services: Services) -> None:
    ticket = tickets.issue(services, topic="driver:abc", subject="x", locale="en")

    async def scenario() -> None:
        async with live_server(services) as server:
            assert (await server.open(f"/staff/live?ticket={ticket}")).status == 403

    asyncio.run(scenario())


def test_the_fourth_stream_of_a_link_closes_the_oldest(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            streams = [await server.open(f"/t/{token}/live") for _ in range(STREAMS_A_LINK + 1)]
            assert (await streams[0].until("gone")).data == "full"
            await streams[-1].until("")
            await server.until_viewers(STREAMS_A_LINK)

    asyncio.run(scenario())


def test_a_viewer_who_leaves_is_forgotten(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("")
            await server.until_viewers(1)
            stream.close()
            await server.until_viewers(0)

    asyncio.run(scenario())


def test_on_shutdown_viewers_are_told_to_come_back_later(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("")
            server.app.drain()
            assert 0 < int((await stream.until("later")).data) < 6000
            assert await stream.rest() == []

    asyncio.run(scenario())


def test_a_fix_that_gets_old_changes_the_page_by_itself(services: Services, token: str, clock: SetClock) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("", "Updated")
            clock.advance(minutes=4)
            await stream.until("", "Truck last seen")

    asyncio.run(scenario())


def test_a_heartbeat_tells_the_trucks_last_sign_of_life(
    services: Services, delivery: Delivery, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.live_hub.BEAT_S", 1)  # read when the hub is built, and at each turn
    line = f'{{"route_id":"{delivery.stop.route_id}","at":"{NOW.isoformat()}"}}'

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("beat", "1")
            services.redis.publish(facts.FLEET_CHANNEL, line)
            assert (await stream.until("beat", NOW.isoformat())).data == f"{NOW.isoformat()} 0"

    asyncio.run(scenario())


def test_after_a_gap_everybody_gets_a_snapshot(services: Services, delivery: Delivery, token: str) -> None:
    def write_unheard() -> None:
        with services.database.writing() as session:
            body = "Nobody was told of this"
            say(
                session,
                delivery_id=delivery.id,
                voice=Voice.DRIVER,
                origin=Origin.PAGE,
                actor_id="d",
                body=body,
                now=NOW,
            )

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("")
            await asyncio.to_thread(write_unheard)
            await asyncio.to_thread(services.redis.client_kill_filter, _type="pubsub")
            snapshot = await stream.until("", "Nobody was told of this")
            assert 'id="status"' in snapshot.data

    asyncio.run(scenario())


def test_a_stream_ends_when_nothing_more_can_come(services: Services, delivery: Delivery, token: str) -> None:
    with services.database.writing() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery.id)
            .values(status=DeliveryStatus.CANCELLED, status_at=NOW.replace(year=2025))
        )

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            events = await stream.rest()
            assert (events[-1].name, events[-1].data) == ("gone", "over")

    asyncio.run(scenario())


def test_a_truck_that_is_heard_again_is_shown_again(services: Services, delivery: Delivery, token: str) -> None:
    with services.database.writing() as session:
        keep_fix(session, load(session, delivery.id).stop, age_s=400)

    def hear_again() -> None:
        with services.database.writing() as session:
            keep_fix(session, load(session, delivery.id).stop, age_s=1)
        place = {"lat": 40.71, "lon": -74.34, "heading": None, "at": NOW.isoformat(), "stale": False, "line": False}
        facts.publish(services.redis, [facts.place_moved(delivery.id, place)])

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("", "Truck last seen")
            await asyncio.to_thread(hear_again)
            await stream.until("", "Updated")

    asyncio.run(scenario())


def test_too_many_fields_in_a_streams_address_are_a_refusal(services: Services, token: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live?" + "&".join(f"f{n}=1" for n in range(101)))
            assert stream.status == 400

    asyncio.run(scenario())


def test_a_logout_hangs_up_on_staff_streams_and_their_tickets_open_no_more(
    services: Services, client: FlaskClient
) -> None:
    staff = StaffBrowser(client, services, Role.AGENT)
    told = staff.get("/staff/live-address?topic=inbox").json
    assert told is not None

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(told["address"])
            await stream.until("")
            await asyncio.to_thread(staff.post, "/staff/logout")
            assert (await stream.rest())[-1].data == "closed"
            assert (await server.open(told["address"])).status == 403

    asyncio.run(scenario())


def test_who_is_shut_out_sees_nothing_more(services: Services, client: FlaskClient, app: Flask) -> None:
    agent = StaffBrowser(client, services, Role.AGENT)
    admin = StaffBrowser(app.test_client(), services, Role.ADMIN, "Ada Admin")
    told = agent.get("/staff/live-address?topic=fleet").json
    assert told is not None

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(told["address"])
            await stream.until("")
            path = f"/staff/people/{agent.account.id}/disable"
            await asyncio.to_thread(admin.post, path, {"confirmed": "yes"})
            assert (await stream.rest())[-1].data == "closed"

    asyncio.run(scenario())


def test_streams_are_counted_for_the_figures(services: Services, token: str, client: FlaskClient) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{token}/live")
            await stream.until("")
            async with asyncio.timeout(60):
                while viewers_watching(services) != 1:
                    await asyncio.sleep(0.1)

    asyncio.run(scenario())
    assert "portal_live_viewers 1.0" in client.get("/metrics").text


def test_everybody_who_comes_at_once_is_let_in_and_then_shown_all(
    services: Services, delivery: Delivery, clock: SetClock
) -> None:
    with services.database.writing() as session:
        links = [extra_link(session, delivery) for _ in range(60)]
    paths = [f"/t/{services.links.token(link, Audience.RECIPIENT)}/live" for link in links]

    async def scenario() -> None:
        async with live_server(services) as server:
            streams = await asyncio.gather(*(server.open(path) for path in paths))
            assert {stream.status for stream in streams} == {200}
            clock.machine_s += CALM_S  # nobody comes any more
            await asyncio.gather(*(stream.until("", 'id="status"') for stream in streams))

    asyncio.run(scenario())


def test_a_link_that_is_revoked_unheard_is_closed_when_facts_are_heard_again(
    services: Services, delivery: Delivery, signer: LinkSigner
) -> None:
    with services.database.writing() as session:
        link = link_of(session, delivery)

    def end_link_unheard() -> None:
        with services.database.writing() as session:
            revoke(session, [link.id], NOW)
        services.redis.client_kill_filter(_type="pubsub")

    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(f"/t/{signer.token(link.id, Audience.RECIPIENT)}/live")
            await stream.until("")
            await asyncio.to_thread(end_link_unheard)
            assert (await stream.until("gone")).data == "closed"

    asyncio.run(scenario())


def extra_link(session: Session, delivery: Delivery) -> str:
    """Add one more link to the delivery, and return its id."""
    link_id = new_link_id()
    ends_at = NOW + timedelta(days=1)
    session.add(
        Link(
            id=link_id,
            audience=Audience.RECIPIENT,
            delivery_id=delivery.id,
            created_at=NOW,
            expires_at=ends_at,
        )
    )
    return link_id


def test_the_live_half_stops_whatever_it_was_doing(services: Services) -> None:
    async def scenario() -> None:
        for number in range(40):
            app = LiveApp(services)
            await app.startup()
            await asyncio.sleep(number * 0.0007)  # somewhere in the middle of connecting
            async with asyncio.timeout(60):
                await app.shutdown()

    asyncio.run(scenario())
