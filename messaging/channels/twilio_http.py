"""Twilio's library over one kept HTTP client of ours: bound to one host, never twice, never after the lease."""

import asyncio
import base64
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from yarl import URL

from messaging.channels.base import BUSY, LATE, OutcomeUnknown, Refused
from messaging.channels.twilio_places import REAL_URL

FORM = "application/x-www-form-urlencoded"
CONNECT_TIMEOUT_S = 5.0

LAST_BEGINNING: ContextVar[float | None] = ContextVar("begin_by", default=None)


async def _still_in_time(*_: object) -> None:
    """Refuse to write a request whose time has passed: a process may have been stopped since its lease was looked at.

    aiohttp calls it right before the first byte.
    """
    begin_by = LAST_BEGINNING.get()
    if begin_by is not None and asyncio.get_running_loop().time() > begin_by:
        raise Refused(LATE, "its turn came too late", permanent=False)


class WrongHost(TwilioException):  # type: ignore[misc]  # twilio ships no types
    """The client was about to talk to a host that is not configured. Nothing was sent."""


class BoundHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # twilio ships no types
    """Talks to one base URL only, whatever the library asks for, and never tries twice by itself.

    ``send_timeout_s`` covers a whole request. A redirect is not followed.
    """

    is_async = True

    def __init__(self, base_url: str, send_timeout_s: float, most_at_once: int = 100) -> None:
        self._base = urlsplit(base_url)
        self._known: dict[str, URL] = {}
        timeout = ClientTimeout(total=send_timeout_s, connect=min(CONNECT_TIMEOUT_S, send_timeout_s))
        # A kept connection that the other side has dropped would make an outcome unknown: keep them briefly.
        connector = TCPConnector(limit=most_at_once, keepalive_timeout=4)
        watch = TraceConfig()
        watch.on_request_headers_sent.append(_still_in_time)
        self.session = ClientSession(timeout=timeout, connector=connector, trace_configs=[watch])

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Do one request; raises what aiohttp raises, or ``WrongHost`` before a byte has left.

        What HTTP's status alone decides is decided here: ``Refused`` for 429, ``OutcomeUnknown`` for 408 and 5xx.
        """
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = _login(*auth)
        form = None if data is None else _form(_present(data))
        if form is not None:
            sent["Content-Type"] = FORM
        async with self.session.request(
            method.upper(), self._bound(url), params=_present(params), data=form, headers=sent, allow_redirects=False
        ) as response:
            text = await response.text()
        if response.status == 429:
            raise Refused(
                BUSY,
                "Twilio asked us to slow down",
                permanent=False,
                retry_after_s=_seconds(response.headers.get("Retry-After")),
                is_too_many=True,
            )
        if response.status == 408 or response.status >= 500:
            raise OutcomeUnknown(f"HTTP {response.status}")
        return Response(response.status, text, response.headers)

    def _bound(self, url: str) -> URL:
        """Return ``url`` on the configured host; raises ``WrongHost`` for one that is neither Twilio's nor ours."""
        known = self._known.get(url)
        if known is not None:
            return known
        asked = urlsplit(url)
        if asked.scheme + "://" + asked.netloc not in {REAL_URL, f"{self._base.scheme}://{self._base.netloc}"}:
            raise WrongHost(f"{asked.netloc} is not the configured host")
        target = URL(asked._replace(scheme=self._base.scheme, netloc=self._base.netloc).geturl())
        if url.endswith("/Messages.json"):  # the one that every create has
            self._known[url] = target
        return target


def _form(values: dict[str, Any]) -> bytes:
    """Return a form's body. yarl writes it in C, four times as fast as ``urllib.parse.urlencode``."""
    return URL.build(query={name: str(value) for name, value in values.items()}).raw_query_string.encode()


@lru_cache(maxsize=4)
def _login(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _seconds(text: str | None) -> float | None:
    """Return a Retry-After in seconds; None for a missing one or a date."""
    return float(text) if text is not None and text.isdigit() else None


def _present(values: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (values or {}).items() if value is not None}
