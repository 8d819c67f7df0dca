"""What recipients read, answered without Flask: their pages, and what a page asks for while its stream is blocked.

The same bytes and tags as Flask's views give, for a thread hop and a look at the record instead of three hops and a
whole request. Everything but an answer is left to Flask: refusals, errors, other methods. 304 when nothing has changed
since the tag that was sent.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy.exc import SQLAlchemyError

from portal import i18n
from portal.recipient.addresses import Here
from portal.recipient.desk import FRAGMENTS, Desk
from portal.security import PageHeaders, fresh_nonce, headers_without_pages
from portal.services import Services
from tracking.errors import TrackingError
from tracking.links import Audience

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
Half = Callable[[Scope, Receive, Send], Awaitable[None]]

THREADS = 2  # SQLite gives the interpreter away at every statement: more threads only wait for it (make bench-live)
_PATH = re.compile(r"/t/([^/]+)(?:/(status|chat|place|messages|rating))?\Z")
_HTML, _JSON = (b"content-type", b"text/html; charset=utf-8"), (b"content-type", b"application/json")
_VARY = (b"vary", b"HX-Request")


class Front:
    """Stands before Flask: answers what recipients read, and hands everything else on."""

    def __init__(self, services: Services, desk: Desk, flask: Half) -> None:
        self._services = services
        self._desk = desk
        self._flask = flask
        self._fragment_headers = (*headers_without_pages(services.settings), _VARY)
        self._page_headers = PageHeaders(services.settings)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="front")

    async def startup(self) -> None:
        """Nothing is opened before somebody asks."""

    async def shutdown(self) -> None:
        """Let the answers that are being made be the last."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = _PATH.match(scope["path"]) if scope["method"] == "GET" else None
        if asked is not None:
            here = Here(asked[1], _language(scope["query_string"].decode("latin-1")))
            told = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
            answer = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._answer, here, asked[2] or "track", told
            )
            if answer is not None:
                status, headers, body = answer
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._flask(scope, receive, send)

    def _answer(self, here: Here, name: str, told: str) -> Answer | None:
        """Return the answer, or None for what Flask has to say. Runs in a thread."""
        mine, desk = self._services, self._desk
        try:
            link_id = mine.links.link_id(here.token, Audience.RECIPIENT)
            seen = desk.recall.look(link_id, here.language, mine.clock.now())
            if name not in FRAGMENTS:
                nonce = fresh_nonce()
                body = desk.page(name, seen, here, nonce=nonce)
                return 200, [*self._page_headers.of(nonce), _VARY, _HTML, _length(body)], body
        except (TrackingError, SQLAlchemyError):
            return None
        now_tag = desk.tag(name, seen)
        headers = [*self._fragment_headers, (b"etag", f'"{now_tag}"'.encode())]
        if told and now_tag in {tag.strip().removeprefix("W/").strip('"') for tag in told.split(",")}:
            return 304, headers, b""
        body = desk.fragment(name, seen)
        return 200, [*headers, _JSON if name == "place" else _HTML, _length(body)], body


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)


def _language(query: str) -> str | None:
    """Return the language that was chosen, the first if several were, as Flask does."""
    if not query:
        return None
    try:
        chosen = next((value for name, value in parse_qsl(query, max_num_fields=100) if name == "lang"), None)
    except ValueError:
        return None
    return chosen if chosen in i18n.languages() else None
