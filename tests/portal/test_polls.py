"""Polls answered without Flask: the same words and tags as the pages, and everything odd left to them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.recipient.polls import Polls, Receive, Scope, Send
from portal.recipient.recall import Recall
from portal.services import Services
from tests.portal.recipient_day import NOW, link_of, on_the_way
from tracking.clocks import SetClock
from tracking.links import Audience, LinkSigner, revoke

Answer = tuple[int, dict[str, str], str]


@pytest.fixture
def clock() -> SetClock:
    """Four minutes past two, where the parcel goes."""
    return SetClock(NOW)


@pytest.fixture
def path(services: Services, signer: LinkSigner) -> str:
    """A recipient's page."""
    with services.database.writing() as session:
        return f"/t/{signer.token(link_of(session, on_the_way(session)).id, Audience.RECIPIENT)}"


async def pages(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Stand where the pages stand, and say so."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the pages"})


@pytest.fixture
def polls(services: Services) -> Iterator[Polls]:
    """Polls before those pages."""
    made = Polls(services, Recall(services), pages)
    yield made
    asyncio.run(made.shutdown())


def ask(polls: Polls, path: str, tag: str = "", query: str = "", method: str = "GET") -> Answer:
    """Ask over ASGI."""
    told: list[Any] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), *([(b"if-none-match", tag.encode())] if tag else [])],
        "client": ("192.0.2.1", 5),
        "server": ("localhost", 80),
        "scheme": "http",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    asyncio.run(polls(scope, receive, send))
    headers = {name.decode().lower(): value.decode() for name, value in told[0]["headers"]}
    return told[0]["status"], headers, b"".join(one.get("body", b"") for one in told[1:]).decode()


@pytest.mark.parametrize("name", ["status", "chat", "place"])
@pytest.mark.parametrize("query", ["", "lang=es"])
def test_a_poll_says_what_the_page_says(polls: Polls, client: FlaskClient, path: str, name: str, query: str) -> None:
    status, headers, body = ask(polls, f"{path}/{name}", query=query)
    theirs = client.get(f"{path}/{name}", query_string=query)
    assert (status, body) == (200, theirs.text)
    assert headers["etag"] == theirs.headers["ETag"]
    assert headers["content-type"] == theirs.headers["Content-Type"]
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_nothing_is_sent_while_the_tag_is_true_even_as_ages_grow(polls: Polls, path: str, clock: SetClock) -> None:
    tag = ask(polls, f"{path}/status")[1]["etag"]
    clock.advance(seconds=20)
    status, headers, body = ask(polls, f"{path}/status", tag)
    assert (status, body, headers["etag"]) == (304, "", tag)


def test_ages_are_true_in_an_answer_that_was_kept(polls: Polls, path: str, clock: SetClock) -> None:
    for _ in range(3):
        ask(polls, f"{path}/status")
    clock.advance(seconds=20)
    assert 'data-age="40"' in ask(polls, f"{path}/status")[2]


def test_a_revoked_link_is_left_to_the_pages(polls: Polls, services: Services, path: str, signer: LinkSigner) -> None:
    assert ask(polls, f"{path}/status")[0] == 200
    with services.database.writing() as session:
        revoke(session, [signer.link_id(path.removeprefix("/t/"), Audience.RECIPIENT)], NOW)
    assert ask(polls, f"{path}/status")[2] == "the pages"


@pytest.mark.parametrize(("name", "method"), [("status", "POST"), ("nothing", "GET"), ("messages", "GET")])
def test_everything_else_is_left_to_the_pages(polls: Polls, path: str, name: str, method: str) -> None:
    assert ask(polls, f"{path}/{name}", method=method)[2] == "the pages"


def test_a_forged_link_is_left_to_the_pages(polls: Polls) -> None:
    assert ask(polls, "/t/nonsense/status")[2] == "the pages"
