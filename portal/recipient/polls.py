"""What a recipient's page asks for again and again when its stream is blocked, answered without Flask.

``/t/<token>/status``, ``/chat`` and ``/place``: the same bytes and tags as the pages give, for a thread hop and a look
at the record instead of three hops and a whole request. Everything but an answer is left to the pages: refusals,
errors, other methods. 304 when nothing has changed since the tag that was sent.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from portal import i18n, raw_http
from portal.recipient import fragments
from portal.recipient.recall import Recall, Seen, made
from portal.recipient.shell import tag_of
from portal.security import headers_without_pages
from portal.services import Services
from tracking.errors import TrackingError
from tracking.links import Audience

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
Half = Callable[[Scope, Receive, Send], Awaitable[None]]

THREADS = 2  # SQLite gives the interpreter away at every statement: more threads only wait for it (make bench-live)
_PATH = re.compile(r"/t/([^/]+)/(status|chat|place)\Z")
_HTML, _JSON = b"text/html; charset=utf-8", b"application/json"


class Polls:
    """Stands before the pages: answers polls, and hands everything else on."""

    def __init__(self, services: Services, recall: Recall, pages: Half) -> None:
        self._services = services
        self._pages = pages
        self._recall = recall
        self._headers = (*headers_without_pages(services.settings), (b"vary", b"HX-Request"))
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="polls")

    async def startup(self) -> None:
        """Nothing is opened before somebody asks."""

    async def shutdown(self) -> None:
        """Let the answers that are being made be the last."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = _PATH.match(scope["path"]) if scope["method"] == "GET" else None
        if asked is not None:
            told = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
            language = _language(scope["query_string"].decode("latin-1"))
            answer = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._answer, asked[1], asked[2], language, told
            )
            if answer is not None:
                status, headers, body = answer
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._pages(scope, receive, send)

    def _answer(self, token: str, name: str, language: str | None, told: str) -> Answer | None:
        """Return the answer, or None for what the pages have to say. Runs in a thread."""
        mine = self._services
        try:
            link_id = mine.links.link_id(token, Audience.RECIPIENT)
            seen = self._recall.look(link_id, language, mine.clock.now())
        except (TrackingError, SQLAlchemyError):
            return None
        now_tag = made(seen, f"tag of {name}", lambda _view: tag_of(_body(seen, name)))
        headers = [*self._headers, (b"etag", f'"{now_tag}"'.encode())]
        if told and now_tag in {tag.strip().removeprefix("W/").strip('"') for tag in told.split(",")}:
            return 304, headers, b""
        body = _body(seen, name)
        kind = _JSON if name == "place" else _HTML
        return 200, [*headers, (b"content-type", kind), (b"content-length", b"%d" % len(body))], body


def _body(seen: Seen, name: str) -> bytes:
    if name == "place":
        return json.dumps({"place": seen.view.place}).encode()
    if name == "chat":
        chat: bytes = made(seen, "chat", lambda view: fragments.chat(view).encode())
        return chat
    return fragments.status(seen.view).encode()  # says ages, so it is made for this moment


def _language(query: str) -> str | None:
    if not query:
        return None
    try:
        chosen = raw_http.fields_of(query).get("lang")
    except raw_http.BadForm:
        return None
    return chosen if chosen in i18n.languages() else None
