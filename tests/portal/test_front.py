"""Pages and polls answered without Flask: the same bytes and tags as Flask gives, and everything odd left to it."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.recipient import fragments
from portal.recipient.desk import Desk
from portal.recipient.front import Front, Receive, Scope, Send
from portal.recipient.view import read_view
from portal.services import Services
from tests.portal.recipient_day import NOW, keep_fix, link_of, on_the_way
from tracking.clocks import SetClock
from tracking.deliveries import load
from tracking.links import Audience, Link, LinkSigner, revoke

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


async def flask(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Stand where Flask stands, and say so."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"Flask"})


@pytest.fixture
def front(services: Services) -> Iterator[Front]:
    """The front before it."""
    made = Front(services, Desk(services), flask)
    yield made
    asyncio.run(made.shutdown())


def ask(front: Front, path: str, tag: str = "", query: str = "", method: str = "GET") -> Answer:
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

    asyncio.run(front(scope, receive, send))
    headers = {name.decode().lower(): value.decode() for name, value in told[0]["headers"]}
    return told[0]["status"], headers, b"".join(one.get("body", b"") for one in told[1:]).decode()


@pytest.mark.parametrize("name", ["status", "chat", "place"])
@pytest.mark.parametrize("query", ["", "lang=es"])
def test_a_poll_says_what_the_page_says(front: Front, client: FlaskClient, path: str, name: str, query: str) -> None:
    status, headers, body = ask(front, f"{path}/{name}", query=query)
    theirs = client.get(f"{path}/{name}", query_string=query)
    assert (status, body) == (200, theirs.text)
    assert headers["etag"] == theirs.headers["ETag"]
    assert headers["content-type"] == theirs.headers["Content-Type"]
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def without_chance(html: str) -> str:
    """Return a page without its nonces and the ids of its forms: no two answers share them."""
    return re.sub(r'((?:nonce|name="request_id" value)=")[^"]+', r"\1", html)


@pytest.mark.parametrize("name", ["", "/messages", "/rating"])
@pytest.mark.parametrize("query", ["", "lang=es", "lang=fi", "x=&lang=es&lang=en"])
def test_a_page_is_flasks_to_the_byte(front: Front, client: FlaskClient, path: str, name: str, query: str) -> None:
    theirs = client.get(f"{path}{name}", query_string=query)
    for _ in range(2):  # made, and made again from what was kept
        status, headers, body = ask(front, f"{path}{name}", query=query)
        assert (status, without_chance(body)) == (200, without_chance(theirs.text))
    own, flasks = (
        set(found) - {"content-security-policy"} for found in (headers, {n.lower() for n, _ in theirs.headers})
    )
    assert own == flasks
    for header in own - {"vary"}:
        assert headers[header] == theirs.headers[header]


def test_no_two_answers_share_a_nonce_or_the_id_of_a_form(front: Front, path: str) -> None:
    answers = [ask(front, path) for _ in range(3)]
    for pattern in (r'(?<![\w-])nonce="([^"]+)"', r'name="request_id" value="([^"]+)"'):
        found = [set(re.findall(pattern, body)) for _, _, body in answers]
        assert [len(each) for each in found] == [1, 1, 1]
        assert len(set.union(*found)) == 3
    for _, headers, body in answers:
        nonces = set(re.findall(r'nonce="([^"]+)"', body)) | set(
            re.findall(r"'nonce-([^']+)'", headers["content-security-policy"])
        )
        assert len(nonces) == 1


def test_a_page_that_was_kept_says_its_age_now(front: Front, path: str, clock: SetClock) -> None:
    assert "Updated" in ask(front, path)[2]
    clock.advance(seconds=20)
    assert 'data-age="40">40 s ago<' in ask(front, path)[2]


@pytest.mark.parametrize("name", ["", "/messages"])
def test_a_page_says_what_was_written_since(
    front: Front, services: Services, path: str, signer: LinkSigner, name: str
) -> None:
    assert "Gate 4412" not in ask(front, f"{path}{name}")[2]
    with services.database.writing() as session:
        link = session.get_one(Link, signer.link_id(path.removeprefix("/t/"), Audience.RECIPIENT))
        load(session, link.delivery_id or "").recipient_note = "Gate 4412"
    assert "Gate 4412" in ask(front, f"{path}{name}")[2]


def test_each_link_gets_its_own_addresses(front: Front, services: Services, path: str, signer: LinkSigner) -> None:
    with services.database.writing() as session:
        link = link_of(session, on_the_way(session, driver_phone="+12015550151"))
    other = f"/t/{signer.token(link.id, Audience.RECIPIENT)}"
    pages = {mine: ask(front, mine)[2] for mine in (path, other, path)}
    assert path in pages[path]
    assert other not in pages[path]
    assert other in pages[other]


def test_nothing_is_sent_while_the_tag_is_true_even_as_ages_grow(front: Front, path: str, clock: SetClock) -> None:
    tag = ask(front, f"{path}/status")[1]["etag"]
    clock.advance(seconds=20)
    status, headers, body = ask(front, f"{path}/status", tag)
    assert (status, body, headers["etag"]) == (304, "", tag)


@pytest.mark.parametrize("query", ["", "lang=es"])
@pytest.mark.parametrize("age_s", [0, 4, 5, 59])
def test_ages_are_true_in_an_answer_that_was_kept(
    front: Front, services: Services, path: str, clock: SetClock, query: str, age_s: int
) -> None:
    with services.database.writing() as session:
        link = session.get_one(Link, services.links.link_id(path.removeprefix("/t/"), Audience.RECIPIENT))
        delivery = load(session, link.delivery_id or "")
        keep_fix(session, delivery.stop, age_s=0)
    ask(front, f"{path}/status", query=query)
    clock.advance(seconds=age_s)
    with services.database.reading() as session:
        locale = query.removeprefix("lang=") or None
        view = read_view(session, delivery.id, now=clock.now(), settings=services.settings, locale=locale)
    assert f'data-age="{age_s}"' in fragments.status(view)
    assert ask(front, f"{path}/status", query=query)[2] == fragments.status(view)


@pytest.mark.parametrize("name", ["", "/messages", "/status"])
def test_a_revoked_link_is_left_to_flask(
    front: Front, services: Services, path: str, signer: LinkSigner, name: str
) -> None:
    assert ask(front, f"{path}{name}")[0] == 200
    with services.database.writing() as session:
        revoke(session, [signer.link_id(path.removeprefix("/t/"), Audience.RECIPIENT)], NOW)
    assert ask(front, f"{path}{name}")[2] == "Flask"


@pytest.mark.parametrize(
    ("name", "method"), [("status", "POST"), ("nothing", "GET"), ("", "HEAD"), ("messages", "POST")]
)
def test_everything_else_is_left_to_flask(front: Front, path: str, name: str, method: str) -> None:
    assert ask(front, f"{path}/{name}".rstrip("/"), method=method)[2] == "Flask"


@pytest.mark.parametrize("path", ["/t/nonsense", "/t/nonsense/status", "/t/", "/u/nonsense"])
def test_a_forged_link_is_left_to_flask(front: Front, path: str) -> None:
    assert ask(front, path)[2] == "Flask"
