"""Signed form posts, as Twilio sends them."""

import secrets
from collections.abc import Mapping
from urllib.parse import urldefrag, urlencode

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)  # Twilio's own limits (its webhooks connection overrides page)
RETRIES = 1  # Twilio's default


class Webhooks:
    """Posts forms to the portal, signed with the account's token.

    A connection that fails, a timeout and a 5xx are tried once more, with the same idempotency token. A URL's fragment
    (Twilio's connection overrides) is neither sent nor signed.
    """

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, fields: Mapping[str, str]) -> tuple[int, str]:
        """Return the status and text of the answer; status 0 when there was none, with the reason as text."""
        assert self._session is not None, "start() comes first"
        target = urldefrag(url).url
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            "X-Twilio-Signature": self._validator.compute_signature(target, dict(fields)),
        }
        status, answer = 0, ""
        for _ in range(1 + RETRIES):
            try:
                async with self._session.post(
                    URL(target, encoded=True), data=urlencode(fields), headers=headers, allow_redirects=False
                ) as response:
                    status, answer = response.status, await response.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                status, answer = 0, type(error).__name__
            if 0 < status < 500:
                break
        return status, answer
