"""Streams: ``/t/<token>/live``, ``/d/live?ticket=`` and ``/staff/live?ticket=`` as Server-Sent Events (DESIGN 7).

The asyncio half of the portal, a plain ASGI application. Unnamed messages are HTML with one or more elements to put in
the place of those with the same ids; the named events are ``place``, ``beat``, ``later`` (come back in so many ms),
``renew`` (get a new ticket) and ``gone`` (``over``, ``closed`` or ``full``).
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any

import redis.asyncio
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from portal import i18n, raw_http, tickets
from portal.driver.news import DriverTopic
from portal.live_hub import Hub, read_fact
from portal.live_links import require
from portal.live_viewers import Viewer
from portal.recipient.topic import RecipientTopic
from portal.services import Services
from portal.staff.topics import ConversationTopic, FleetTopic, InboxTopic
from portal.tickets import BadTicket
from portal.topics import Topic
from tracking.facts import CHANNEL, FLEET_CHANNEL
from tracking.links import Audience, ClosedLink, UnknownLink

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Every kind of topic, and the class that is called with its subject and the viewer's locale.
TOPICS: dict[str, Callable[[str, str], Topic]] = {
    "recipient": RecipientTopic,
    "driver": DriverTopic,
    "inbox": InboxTopic,
    "fleet": FleetTopic,
    "conversation": ConversationTopic,
}

STREAM_HEADERS = [  # and those of every answer, which portal/asgi.py adds
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
LONGEST_WAIT_S = 5.0  # between attempts to reach a Redis that is away
SILENCE_S = 5.0  # after this without a fact the subscription is checked

log = structlog.get_logger()


class LiveApp:
    """Holds the streams of one process. ``closing`` is set when the process is told to stop: viewers are sent away."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hub = Hub(services, TOPICS)
        self.closing = asyncio.Event()
        self.is_listening = asyncio.Event()

    @property
    def viewer_count(self) -> int:
        """How many streams are open."""
        return self._hub.viewer_count

    async def startup(self) -> None:
        """Listen for facts and begin to beat."""
        self._hub.start()
        self._hub.spawn(self._listen())
        self._hub.spawn(self._drain_when_closing())

    async def shutdown(self) -> None:
        """Hang up on everybody and stop."""
        self.closing.set()
        await self._hub.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with a stream, or say why not."""
        if scope["method"] != "GET":
            await raw_http.write(send, raw_http.plain(405, "Not allowed.\n"))
            return
        try:
            viewer = await self._let_in(scope)
        except UnknownLink:
            viewer, refusal = None, await self._unknown(scope)
        except raw_http.BadForm:
            viewer, refusal = None, raw_http.plain(400, "There are too many fields.\n")
        except ClosedLink:
            viewer, refusal = None, raw_http.plain(410, "This link has ended.\n")
        except BadTicket:
            viewer, refusal = None, raw_http.plain(403, "This ticket has ended.\n")
        except SQLAlchemyError as error:
            log.warning("stream not opened", error=type(error).__name__)
            viewer, refusal = None, raw_http.plain(503, "Please try again.\n")
        if viewer is None:
            await raw_http.write(send, refusal)
            return
        await self._stream(viewer, receive, send)

    async def _let_in(self, scope: Scope) -> Viewer:
        """Return the viewer; raises ``UnknownLink``, ``ClosedLink``, ``BadTicket`` or what the record raises."""
        path: str = scope["path"]
        query = raw_http.fields_of(scope["query_string"].decode("latin-1"))
        if path.startswith("/t/"):
            return await self._by_link(path.removeprefix("/t/").removesuffix("/live"), query.get("lang"))
        ticket = tickets.read(self._services, query.get("ticket", ""))
        is_driver = path.startswith("/d/")
        if is_driver != ticket.topic.startswith("driver:"):
            raise BadTicket
        if is_driver:
            await self._require_open(ticket.subject, Audience.DRIVER)
            by = {"link_id": ticket.subject}
        elif await self._hub.in_thread(self._hub.open_logins, {ticket.subject}):
            by = {"login_id": ticket.subject}
        else:
            raise BadTicket
        viewer = self._hub.join(ticket.topic, ticket.locale, ends_s=ticket.ends_s, **by)
        if viewer is None:
            raise UnknownLink
        return viewer

    async def _unknown(self, scope: Scope) -> raw_http.Answer:
        """Return the one answer to every token that is no link, or 429 to who tries many."""
        address, elapsed_s = (scope.get("client") or ("",))[0], self._services.clock.elapsed()
        tried = partial(self._services.bad_links.one_more, address=address, elapsed_s=elapsed_s)
        if await self._hub.in_thread(tried):
            return raw_http.plain(429, "Please wait a minute.\n")
        return raw_http.plain(404, "Not found.\n")

    async def _by_link(self, token: str, language: str | None) -> Viewer:
        link_id = self._services.links.link_id(token, Audience.RECIPIENT)
        delivery_id, locale = await self._require_open(link_id, Audience.RECIPIENT)
        chosen = language if language in i18n.languages() else locale
        viewer = self._hub.join(f"recipient:{delivery_id}", chosen or locale, link_id=link_id)
        assert viewer is not None
        return viewer

    async def _require_open(self, link_id: str, audience: Audience) -> tuple[str, str]:
        """Return the delivery and locale of a link that may be used."""
        known = self._hub.links.kept(link_id)
        links = [known] if known else await self._hub.in_thread(self._hub.links.read, [link_id])
        self._hub.links.keep(links)
        link = require(links, audience, self._services.clock.now())
        return link.delivery_id or "", link.locale

    async def _stream(self, viewer: Viewer, receive: Receive, send: Send) -> None:
        watcher = asyncio.create_task(_hang_up_when_gone(viewer, receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
            while (chunk := await viewer.next()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            if not viewer.is_ending:
                raise
        finally:
            self._hub.leave(viewer)
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher

    async def _drain_when_closing(self) -> None:
        await self.closing.wait()
        self._hub.drain()

    async def _listen(self) -> None:
        """Hear facts for as long as the process lives; after every gap everybody gets a snapshot."""
        wait_s = 0.1
        while True:
            client = redis.asyncio.Redis.from_url(self._services.settings.redis_url, socket_connect_timeout=2)
            try:
                async with client.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL, FLEET_CHANNEL)
                    wait_s = 0.1
                    while True:
                        self._hear(await subscription.get_message(timeout=SILENCE_S))
            except (RedisError, OSError) as error:
                self.is_listening.clear()
                log.warning("facts not heard", error=type(error).__name__)
            finally:
                await client.aclose()
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)

    def _hear(self, told: dict[str, Any] | None) -> None:
        if told is None:
            return
        if told["type"] == "subscribe":  # also after redis-py reconnected by itself: facts may have been missed
            self.is_listening.set()
            self._hub.resync()
        elif told["type"] == "message" and (fact := read_fact(told["data"])) is not None:
            if told["channel"] == FLEET_CHANNEL.encode():
                self._hub.take_fleet(fact)
            else:
                self._hub.take(fact)


async def _hang_up_when_gone(viewer: Viewer, receive: Receive) -> None:
    """Hear of a client that left; only who awaits ``receive`` does (reference/live-page.md, trap 5)."""
    while (await receive())["type"] != "http.disconnect":
        continue
    viewer.hang_up()
