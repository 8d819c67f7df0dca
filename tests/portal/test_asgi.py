"""The two halves as one application."""

import asyncio
from typing import Any

import pytest

from portal.asgi import PortalApp
from portal.services import Services


async def ask(app: PortalApp, method: str, path: str) -> dict[str, str]:
    """Return the headers of an answer, and its status as ``:status``."""
    told: list[Any] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 5),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in told[0]["headers"]}
    assert len(headers) == len(told[0]["headers"])
    return {":status": str(told[0]["status"]), **headers}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/ingest/positions", "401"),
        ("GET", "/ingest/nothing", "404"),
        ("GET", "/t/x/live", "404"),
        ("POST", "/t/x/live", "405"),
        ("GET", "/staff/live", "403"),
        ("GET", "/staff/", "404"),  # the other half's
    ],
)
def test_answers_that_are_no_pages_carry_the_headers_too(
    services: Services, method: str, path: str, status: str
) -> None:
    app = PortalApp(services, only="live")

    headers = asyncio.run(_with_live(app, method, path))

    assert headers[":status"] == status
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin"
    assert headers["x-robots-tag"] == "noindex, nofollow"


async def _with_live(app: PortalApp, method: str, path: str) -> dict[str, str]:
    assert app._live is not None
    assert app._ingest is not None
    await app._live.startup()
    try:
        return await ask(app, method, path)
    finally:
        await app._live.shutdown()
        await app._ingest.shutdown()
