"""The first look at a connection: who is let in by the short way, and that all others fare as they always did."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from sqlalchemy import event, text, update
from sqlalchemy.orm import Session
from uvicorn.server import ServerState

from portal.attempts import BAD_LINKS
from portal.connections import GivingProtocol
from portal.entrance import LONGEST_HEAD, STREAMS, Entrance, stream_asked_for
from portal.services import Services
from tests.portal.recipient_day import NOW, link_of, on_the_way
from tests.portal.streams import live_server
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_link_id
from tracking.links import Audience, Link, LinkSigner, revoke

TOKEN = "0123456789A.abcdefghijklmnopqrstuQ"
PLAIN = f"GET /t/{TOKEN}/live HTTP/1.1\r\nHost: a\r\n\r\n"
ODD = "Content-Length: 0\r\n"  # with this header a request is uvicorn's to read


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
def link_id(services: Services, delivery: Delivery) -> str:
    """Its recipient's link."""
    with services.database.writing() as session:
        return link_of(session, delivery).id


@pytest.fixture
def path(signer: LinkSigner, link_id: str) -> str:
    """Its recipient's stream."""
    return f"/t/{signer.token(link_id, Audience.RECIPIENT)}/live"


@contextmanager
def statements_of(services: Services) -> Iterator[list[str]]:
    """Collect the statements that read links while the block runs."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM links" in statement:
            seen.append(statement)

    event.listen(services.database.engine, "after_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(services.database.engine, "after_cursor_execute", note)


@pytest.mark.parametrize(("query", "language"), [("", ""), ("?lang=es", "es")])
def test_a_whole_plain_request_for_a_stream_is_known_at_once(query: str, language: str) -> None:
    assert stream_asked_for(PLAIN.replace("/live", f"/live{query}").encode()) == (TOKEN, language)


@pytest.mark.parametrize(
    "request_text",
    [
        "",
        PLAIN[:-2],  # not whole
        PLAIN + PLAIN,  # two
        PLAIN + "x",
        PLAIN.replace("GET", "POST"),
        PLAIN.replace("GET", "get"),
        PLAIN.replace("1.1", "1.0"),
        PLAIN.replace("/live", "/live?lang=es&lang=en"),
        PLAIN.replace("/live", "/live?other=1"),
        PLAIN.replace("/live", "/status"),
        PLAIN.replace("/t/", "/d/"),
        PLAIN.replace(TOKEN, "a" * 65),
        PLAIN.replace(TOKEN, "a/b"),
        PLAIN.replace(TOKEN, "%41"),
        PLAIN.replace("Host: a", "Content-Length: 5"),
        PLAIN.replace("Host: a", "transfer-encoding : chunked"),
        PLAIN.replace("Host: a", "Upgrade: websocket"),
        PLAIN.replace("Host: a", "Expect: 100-continue"),
        PLAIN.replace("Host: a", "Host: a\nContent-Length: 5"),
        PLAIN.replace("Host: a", "Host: " + "a" * LONGEST_HEAD),
    ],
)
def test_whatever_is_not_plain_is_for_uvicorn_to_read(request_text: str) -> None:
    assert stream_asked_for(request_text.encode()) is None


def test_a_recipients_stream_does_not_enter_the_application(services: Services, path: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.open(path)
            assert stream.status == 200
            await stream.until("", 'id="status"')
            assert server.entered == []

    asyncio.run(scenario())


def test_both_ways_in_begin_a_stream_alike(services: Services, path: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            short, long = await server.open(path), await server.open(path, headers=ODD)
            assert server.entered == [path]
            assert short.headers.items() - {"date"} == long.headers.items() - {"date"}
            assert (await short.until("")).data == (await long.until("")).data
            await server.until_viewers(2)

    asyncio.run(scenario())


def test_the_chosen_language_is_spoken(services: Services, path: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            told = [await (await server.open(f"{path}?lang={language}")).until("") for language in ("en", "es", "xx")]
            assert server.entered == []
            assert told[0].data != told[1].data
            assert told[0].data == told[2].data  # no such language: the recipient's own

    asyncio.run(scenario())


def test_a_request_in_two_pieces_is_a_stream_too(services: Services, path: str) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.say(f"GET {path} HTTP/1.1\r\nHo")
            await server.until_connection(GivingProtocol)
            stream.say("st: localhost\r\n\r\n")
            await stream.read_head()
            assert stream.status == 200
            await stream.until("", 'id="status"')

    asyncio.run(scenario())


def test_forged_tokens_touch_no_record_and_are_counted(services: Services, path: str) -> None:
    forged = path.replace("/live", "").rpartition(".")[0] + "." + "A" * 22 + "/live"

    async def scenario() -> list[int]:
        async with live_server(services) as server:
            return [(await server.open(forged)).status for _ in range(BAD_LINKS + 1)]

    with statements_of(services) as statements:
        assert asyncio.run(scenario()) == [404] * BAD_LINKS + [429]
    assert statements == []


def test_a_true_signature_of_no_link_is_unknown(services: Services, signer: LinkSigner) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            assert (await server.open(f"/t/{signer.token(new_link_id(), Audience.RECIPIENT)}/live")).status == 404

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_link_that_has_ended_is_refused(services: Services, path: str, link_id: str, end: str) -> None:
    with services.database.writing() as session:
        if end == "revoked":
            revoke(session, [link_id], NOW)
        else:
            session.execute(update(Link).where(Link.id == link_id).values(expires_at=NOW))

    async def scenario() -> None:
        async with live_server(services) as server:
            assert (await server.open(path)).status == 410
            await server.until_viewers(0)

    asyncio.run(scenario())


def test_a_record_that_cannot_be_read_asks_to_try_again(services: Services, path: str) -> None:
    with services.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE links RENAME TO links_away"))

    async def scenario() -> None:
        async with live_server(services) as server:
            assert (await server.open(path)).status == 503

    asyncio.run(scenario())


def test_many_who_come_at_once_are_looked_up_together(services: Services, delivery: Delivery) -> None:
    with services.database.writing() as session:
        ids = [_extra_link(session, delivery) for _ in range(100)]
    paths = [f"/t/{services.links.token(link_id, Audience.RECIPIENT)}/live" for link_id in ids]

    async def scenario() -> None:
        async with live_server(services) as server:
            with statements_of(services) as statements:
                streams = await asyncio.gather(*(server.open(path) for path in paths))
                assert {stream.status for stream in streams} == {200}
                assert len(statements) < len(paths) / 2
            await server.until_viewers(len(paths))

    asyncio.run(scenario())


def _extra_link(session: Session, delivery: Delivery) -> str:
    link_id, ends_at = new_link_id(), NOW + timedelta(days=1)
    row = Link(id=link_id, audience=Audience.RECIPIENT, delivery_id=delivery.id, created_at=NOW, expires_at=ends_at)
    session.add(row)
    return link_id


def test_connections_that_asked_nothing_end_with_the_server(services: Services) -> None:
    async def scenario() -> None:
        async with live_server(services) as server:
            stream = await server.say("")
            await server.until_connection(Entrance)
            server.server.should_exit = True
            assert await stream.until_closed()

    asyncio.run(scenario())


class Host:
    """Notes who asks, and answers nobody."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def admit(self, token: str, language: str, _entrance: Entrance) -> None:
        """Note it."""
        self.asked.append((token, language))


class Wire(asyncio.Transport):
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.written = b""
        self.has_closed = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Remember whose it is."""
        self.protocol = protocol

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.has_closed

    def close(self) -> None:
        """Close it."""
        self.has_closed = True

    def pause_reading(self) -> None:
        """Take it as read."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += bytes(data)


async def _nobody(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answer nothing."""


def _entrance(host: Host) -> tuple[Entrance, Wire, ServerState]:
    config, state, wire = uvicorn.Config(_nobody, log_config=None), ServerState(), Wire()
    entrance = Entrance(config, state, {STREAMS: host})
    entrance.connection_made(wire)
    return entrance, wire, state


def test_who_leaves_before_the_answer_is_forgotten() -> None:
    async def scenario() -> None:
        host = Host()
        entrance, wire, state = _entrance(host)
        entrance.data_received(PLAIN.encode())
        assert host.asked == [(TOKEN, "")]
        entrance.connection_lost(None)
        entrance.pass_on()  # the answer comes late
        assert not entrance.is_open
        assert wire.protocol is None
        assert not state.connections

    asyncio.run(scenario())


def test_who_says_more_before_the_answer_is_uvicorns_with_every_byte() -> None:
    async def scenario() -> None:
        host = Host()
        entrance, wire, state = _entrance(host)
        entrance.data_received(PLAIN.encode())
        entrance.data_received(PLAIN.encode())
        assert len(host.asked) == 1
        assert isinstance(wire.protocol, GivingProtocol)
        assert len(wire.protocol.pipeline) == 1  # the second waits for the first, as uvicorn has it
        assert not entrance.is_open
        assert state.connections == {wire.protocol}

    asyncio.run(scenario())
