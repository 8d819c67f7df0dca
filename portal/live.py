"""Streams: ``/t/<token>/live``, ``/d/live?ticket=`` and ``/staff/live?ticket=`` as Server-Sent Events (DESIGN 7).

The asyncio half of the portal, a plain ASGI application. Unnamed messages are HTML with one or more elements to put in
the place of those with the same ids; the named events are ``place``, ``beat``, ``later`` (come back in so many ms),
``renew`` (get a new ticket) and ``gone`` (``over``, ``closed`` or ``full``).
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal import i18n, raw_http, tickets
from portal.connections import GivingProtocol, giver_of
from portal.driver.news import DriverTopic
from portal.entrance import Entrance
from portal.live_hub import Hub
from portal.live_links import KnownLink, require
from portal.live_listening import Ear
from portal.live_viewers import Viewer
from portal.live_wheel import Wheel
from portal.recipient.topic import RecipientTopic
from portal.security import headers_without_pages
from portal.services import Services
from portal.staff.topics import ConversationTopic, FleetTopic, InboxTopic
from portal.tickets import BadTicket
from portal.topics import Topic
from tracking.facts import Fact
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

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
    (b"transfer-encoding", b"chunked"),
    (b"connection", b"close"),
]

# A thread that renders hands over to the loop after this, not after Python's 5 ms: the loop holds thousands of streams
# and gives way at every system call, so each cost up to 5 ms while somebody rendered (make bench-live).
SWITCH_S = 0.0005

log = structlog.get_logger()


class LiveApp:
    """Holds the streams of one process. It needs ``connections.GivingProtocol``: ``portal web`` serves with it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hub = Hub(services, TOPICS)
        self._wheel = Wheel(services, self._hub)
        self._ear = Ear(
            services.settings.redis_url, took=self._take, took_fleet=self._hub.take_fleet, missed=self._resync
        )
        self.is_listening = self._ear.is_listening
        headers = [*STREAM_HEADERS, *headers_without_pages(services.settings)]
        self._head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % header for header in headers)

    @property
    def viewer_count(self) -> int:
        """How many streams are open."""
        return self._hub.viewer_count

    async def startup(self) -> None:
        """Listen for facts and begin to beat."""
        sys.setswitchinterval(SWITCH_S)
        self._hub.start()
        self._hub.spawn(self._ear.listen())
        self._hub.spawn(self._wheel.run())

    async def shutdown(self) -> None:
        """Tell everybody to come back a little later, hang up and stop."""
        await self._hub.stop()

    def drain(self) -> None:
        """Tell everybody to come back a little later, and hang up."""
        self._hub.drain()

    def admit(self, token: str, language: str, entrance: Entrance) -> None:
        """Begin a recipient's stream on the connection in ``entrance``; whoever is refused hears why from ``__call__``.

        A forged token is passed on before anything is looked up.
        """
        try:
            link_id = self._services.links.link_id(token, Audience.RECIPIENT)
        except UnknownLink:
            entrance.pass_on()
            return
        self._hub.door.ask(link_id, partial(self._admit, entrance, language))

    def _admit(self, entrance: Entrance, language: str, found: KnownLink | SQLAlchemyError | None) -> None:
        if not entrance.is_open:
            return
        if isinstance(found, SQLAlchemyError):
            entrance.pass_on()
            return
        try:
            viewer = self._seat(require(found, Audience.RECIPIENT, self._services.clock.now()), language)
        except (UnknownLink, ClosedLink):
            entrance.pass_on()
            return
        entrance.begin(viewer, self._head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with a stream, or say why not."""
        if scope["method"] != "GET":
            await raw_http.write(send, raw_http.plain(405, "Not allowed.\n"))
            return
        giver = giver_of(scope)
        try:
            viewer = await self._let_in(scope)
        except UnknownLink:
            refusal = await self._unknown(scope)
        except raw_http.BadForm:
            refusal = raw_http.plain(400, "There are too many fields.\n")
        except ClosedLink:
            refusal = raw_http.plain(410, "This link has ended.\n")
        except BadTicket:
            refusal = raw_http.plain(403, "This ticket has ended.\n")
        except SQLAlchemyError as error:
            log.warning("stream not opened", error=type(error).__name__)
            refusal = raw_http.plain(503, "Please try again.\n")
        else:
            self._begin(viewer, giver)
            return
        await raw_http.write(send, refusal)

    def _begin(self, viewer: Viewer, giver: GivingProtocol | None) -> None:
        if giver is None:
            self._hub.leave(viewer)
            raise RuntimeError("streams need portal web, whose server gives connections away")
        if not giver.give_away(viewer, self._head):
            self._hub.leave(viewer)  # gone while we looked who it is

    async def _let_in(self, scope: Scope) -> Viewer:
        """Return the viewer; raises ``UnknownLink``, ``ClosedLink``, ``BadTicket`` or what the record raises."""
        path: str = scope["path"]
        query = raw_http.fields_of(scope["query_string"].decode("latin-1")) if scope["query_string"] else {}
        if path.startswith("/t/"):
            return await self._by_link(path.removeprefix("/t/").removesuffix("/live"), query.get("lang"))
        ticket = tickets.read(self._services, query.get("ticket", ""))
        is_driver = path.startswith("/d/")
        if is_driver != ticket.topic.startswith("driver:"):
            raise BadTicket
        if is_driver:
            require(await self._hub.door.link(ticket.subject), Audience.DRIVER, self._services.clock.now())
            by = {"link_id": ticket.subject}
        elif await self._hub.in_thread(self._wheel.open_logins, {ticket.subject}):
            by = {"login_id": ticket.subject}
        else:
            raise BadTicket
        viewer = self._hub.join(ticket.topic, ticket.locale, ends_s=ticket.ends_s, **by)
        if viewer is None:
            raise UnknownLink
        return viewer

    async def _by_link(self, token: str, language: str | None) -> Viewer:
        link_id = self._services.links.link_id(token, Audience.RECIPIENT)
        return self._seat(
            require(await self._hub.door.link(link_id), Audience.RECIPIENT, self._services.clock.now()), language
        )

    def _seat(self, link: KnownLink, language: str | None) -> Viewer:
        locale = language if language in i18n.languages() else link.locale
        viewer = self._hub.join(f"recipient:{link.delivery_id}", locale or link.locale, link_id=link.id)
        assert viewer is not None
        return viewer

    async def _unknown(self, scope: Scope) -> raw_http.Answer:
        """Return the one answer to every token that is no link, or 429 to who tries many."""
        address, elapsed_s = (scope.get("client") or ("",))[0], self._services.clock.elapsed()
        tried = partial(self._services.bad_links.one_more, address=address, elapsed_s=elapsed_s)
        if await self._hub.in_thread(tried):
            return raw_http.plain(429, "Please wait a minute.\n")
        return raw_http.plain(404, "Not found.\n")

    def _take(self, fact: Fact) -> None:
        self._hub.take(fact)
        if fact.get("kind") == "login":
            self._hub.spawn(self._wheel.recheck([viewer for viewer in self._hub.viewers() if viewer.login_id]))

    def _resync(self) -> None:
        self._hub.resync()
        self._hub.spawn(self._wheel.recheck(self._hub.viewers()))
