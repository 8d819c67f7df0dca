"""What is tried too often: passwords and links, in every half, by whoever."""

import asyncio
import re

import pytest
import structlog
from flask.testing import FlaskClient
from redis import Redis

from portal.accounts import Role
from portal.addresses import neighbourhood
from portal.app import create_app
from portal.attempts import ACCOUNT_AT_ADDRESS, ALARM_FROM, BAD_LINKS, LINK_WINDOW_S, BadLinks
from portal.passwords import LONGEST
from portal.services import Services, build
from portal.settings import read_settings
from tests.portal.staff_browser import add_account
from tests.portal.streams import live_server
from tracking.clocks import SetClock

OURS = {"Origin": "http://127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1%eth0", "2001:db8:1:2::/64"),
        ("testserver", ""),
        (None, ""),
    ],
)
def test_an_ipv6_caller_is_counted_by_their_network(address: str | None, counted: str) -> None:
    assert neighbourhood(address) == counted


@pytest.mark.parametrize("place", ["/t/{}", "/t/{}/status", "/t/{}/proof/x", "/u/{}", "/d/{}"])
def test_who_guesses_links_has_to_wait_wherever_they_guess(client: FlaskClient, place: str) -> None:
    statuses = [client.get(place.format(f"guess{n}")).status_code for n in range(BAD_LINKS + 1)]
    assert statuses == [404] * BAD_LINKS + [429]
    assert client.get(place.format("guess")).status_code == 429


def test_guesses_at_streams_count_with_those_at_pages(services: Services, client: FlaskClient) -> None:
    for number in range(BAD_LINKS - 1):
        assert client.get(f"/t/guess{number}").status_code == 404

    async def scenario() -> list[int]:
        async with live_server(services) as server:
            return [(await server.open(f"/t/guess{number}/live")).status for number in range(3)]

    assert asyncio.run(scenario()) == [404, 429, 429]


def test_links_are_counted_anew_every_minute_and_by_address(redis: Redis) -> None:
    links = BadLinks(redis)
    for _ in range(BAD_LINKS):
        assert not links.one_more(address="192.0.2.1", elapsed_s=600.0)
    assert links.one_more(address="192.0.2.1", elapsed_s=659.0)
    assert not links.one_more(address="192.0.2.2", elapsed_s=659.0)
    assert not links.one_more(address="192.0.2.1", elapsed_s=661.0)


def test_guesses_from_everywhere_raise_an_alarm_once_a_minute(redis: Redis) -> None:
    links = BadLinks(redis)
    with structlog.testing.capture_logs() as told:
        for number in range(ALARM_FROM + 30):
            links.one_more(address=f"192.0.2.{number % 50}", elapsed_s=1000.0)

    assert [entry["event"] for entry in told] == ["links are being guessed"]
    assert links.of_everybody(1000.0) == ALARM_FROM + 30
    assert links.of_everybody(1000.0 + LINK_WINDOW_S) == 0


def test_neither_addresses_nor_accounts_can_be_read_from_redis(client: FlaskClient, redis: Redis) -> None:
    client.get("/t/guess", environ_base={"REMOTE_ADDR": "192.0.2.77"})
    client.post("/staff/login", data={"email": "mara@example.net", "password": "x"}, headers=OURS)
    keys = b" ".join(redis.scan_iter())
    assert b"192.0.2.77" not in keys
    assert b"mara" not in keys


def test_guessed_passwords_are_counted_from_login_to_login_while_redis_is_away(
    environ: dict[str, str], clock: SetClock
) -> None:
    services = build(read_settings({**environ, "PORTAL_REDIS_URL": "redis://127.0.0.1:9"}), clock=clock)
    account = add_account(services, Role.AGENT, "Mara Lind")
    client = create_app(services).test_client()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/staff/login").text)
    assert found is not None
    fields = {"email": account.email, "password": "x" * (LONGEST + 1), "csrf_token": found[1]}

    statuses = [client.post("/staff/login", data=fields).status_code for _ in range(ACCOUNT_AT_ADDRESS + 1)]

    assert statuses == [422] * ACCOUNT_AT_ADDRESS + [429]
    services.database.close()
    services.redis.close()
