"""HTTP by hand for the asyncio halves: one request read whole with a limit, one answer written."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read whole."""

    method: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def media_type(self) -> str:
        """Return the content type without its parameters, in lower case; empty when none was sent."""
        return self.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()


class TooLarge(Exception):
    """The body, or the list in it, is longer than we take."""


class BadForm(Exception):
    """A form with more fields than anybody needs."""


class Gone(Exception):
    """The caller hung up before the body was whole."""


def bearer(call: Call) -> str:
    """Return the token of ``Authorization: Bearer``; empty without one."""
    scheme, _, token = call.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def basic_password(call: Call) -> str:
    """Return the password of Basic authentication, empty without one. The user's name may be anything."""
    scheme, _, told = call.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(told.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a query or form, the last of repeated ones; raises ``BadForm`` above 100."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise BadForm from None


async def read(scope: Scope, receive: Receive, *, largest: int) -> Call:
    """Return the whole request; raises ``TooLarge`` above ``largest`` bytes, ``Gone`` when the caller hangs up."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and (len(length) > 12 or int(length) > largest):
        raise TooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > largest:
            raise TooLarge
        if not message.get("more_body", False):
            break
    return Call(scope["method"], scope["query_string"].decode("latin-1"), headers, bytes(body))


def error(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Return ``{"error": sentence}``."""
    return Answer(status, json.dumps({"error": sentence}).encode(), headers=headers)


def plain(status: int, text: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Return plain text."""
    return Answer(status, text.encode(), b"text/plain; charset=utf-8", headers)


async def write(send: Send, answer: Answer) -> None:
    """Send the answer."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
