"""Pictures that came by MMS, fetched from Twilio: with our credentials from the configured host only.

Twilio answers a media address with a redirect to its own store, valid for four hours (its article 223183748). That
address gets no credentials, and is followed only for the real Twilio and only to its named stores.
"""

import base64
import re
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from messaging.channels.twilio_places import REAL_URL, media_home
from messaging.errors import MessagingError

LARGEST_MEDIA = 6 * 1024 * 1024  # bytes; Twilio takes 5 MB a message
_STORES = re.compile(
    r"https://(?:[a-z0-9-]+\.)*twiliocdn\.com/|https://s3-external-1\.amazonaws\.com/media\.twiliocdn\.com/"
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class NoMedia(MessagingError):
    """A picture could not be fetched. ``is_permanent`` is true when trying again cannot help."""

    def __init__(self, reason: str, *, is_permanent: bool) -> None:
        super().__init__(reason)
        self.is_permanent = is_permanent


class TwilioMedia:
    """Fetches media of one account. ``api_url`` is Twilio's, or that of a server that speaks its protocol."""

    def __init__(self, *, account_sid: str, auth_token: str, api_url: str | None, timeout_s: float) -> None:
        self._home = media_home(account_sid, api_url)
        self._base = self._home.base
        credentials = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}"}
        self._timeout = ClientTimeout(total=timeout_s)

    async def fetch(self, url: str) -> bytes:
        """Return the bytes of one picture. Raises ``NoMedia``."""
        if not self._home.holds(url):
            raise NoMedia("this is no address of our account's media", is_permanent=True)
        try:
            async with ClientSession(timeout=self._timeout) as http:
                return await self._fetch(http, self._base + urlsplit(url).path)
        except (ClientError, TimeoutError) as error:
            raise NoMedia(type(error).__name__, is_permanent=False) from None

    async def _fetch(self, http: ClientSession, url: str) -> bytes:
        async with http.get(url, headers=self._headers, allow_redirects=False) as answer:
            if answer.status not in _REDIRECTS:
                return await _body(answer)
            target = urljoin(url, answer.headers.get("Location", ""))
        if not self._may_follow(target):
            raise NoMedia("it was sent to a host we do not know", is_permanent=True)
        async with http.get(target, allow_redirects=False) as answer:
            return await _body(answer)

    def _may_follow(self, target: str) -> bool:
        if target.startswith(f"{self._base}/"):
            return True
        return self._base == REAL_URL and _STORES.match(target) is not None


async def _body(answer: ClientResponse) -> bytes:
    """Return the answer's bytes, read only as far as we take them."""
    if answer.status != 200:
        is_permanent = 400 <= answer.status < 500 and answer.status not in {401, 403, 408, 429}
        raise NoMedia(f"HTTP {answer.status}", is_permanent=is_permanent)
    if not answer.content_type.startswith("image/"):
        raise NoMedia("it is no picture", is_permanent=True)
    data = b""
    async for chunk in answer.content.iter_chunked(65_536):
        data += chunk
        if len(data) > LARGEST_MEDIA:
            raise NoMedia("it is larger than 6 MB", is_permanent=True)
    return data
