"""A phone's browser, as far as the players need one: cookies, pages, forms. HTTP only."""

from urllib.parse import urljoin, urlsplit

import aiohttp

from sandbox.pages import Form, Page, read_page

TIMEOUT = aiohttp.ClientTimeout(total=20)
AGENT = "Mozilla/5.0 (Linux; Android 15; sandbox) Mobile"


SHUT_OUT = frozenset({401, 403, 410})  # another phone has the link, or it has ended


class PortalAway(Exception):
    """Raised when the portal does not answer, or answers 5xx. Trying later can help."""


class ShutOut(Exception):
    """Raised when the portal does not let this phone in any more. Trying later does not help."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status


class Visitor:
    """One phone. It connects when it is first used; close it after."""

    def __init__(self) -> None:
        self._opened: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The phone's browser with its cookies, for whoever looks over its shoulder."""
        if self._opened is None:
            jar = aiohttp.CookieJar(unsafe=True)  # the demo's portal is an IP address
            self._opened = aiohttp.ClientSession(cookie_jar=jar, timeout=TIMEOUT, headers={"User-Agent": AGENT})
        return self._opened

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def open(self, url: str) -> Page:
        """Return the page at ``url``, redirects followed. Raises ``PortalAway``."""
        return await self._page("GET", url)

    async def submit(
        self, page: Page, form: Form, values: dict[str, str] | None = None, *, photo: bytes | None = None
    ) -> Page:
        """Send ``form`` with ``values`` over its own; return the page that follows. Raises ``PortalAway``.

        As a browser does, a form with a file field goes as multipart, everything else urlencoded.
        """
        fields = {**form.fields, **(values or {})}
        data: aiohttp.FormData | dict[str, str] = fields
        if form.has_file:
            data = aiohttp.FormData(default_to_multipart=True)
            for name, value in fields.items():
                data.add_field(name, value)
            name = "doorstep.jpg" if photo else ""
            data.add_field("photo", photo or b"", filename=name, content_type="image/jpeg")
        url = urljoin(page.url, form.action)
        address = urlsplit(url)
        origin = {"Origin": f"{address.scheme}://{address.netloc}", "Sec-Fetch-Site": "same-origin"}
        return await self._page("POST", url, data=data, headers=origin)

    async def post_json(self, url: str, payload: object, token: str) -> int:
        """Post ``payload`` with a bearer token and return the status. Raises ``PortalAway``."""
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self.session.post(url, json=payload, headers=headers) as response:
                await response.read()
                if response.status >= 500:
                    raise PortalAway(f"{response.status} for positions")
                return response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PortalAway(type(error).__name__) from error

    async def _page(
        self,
        method: str,
        url: str,
        data: aiohttp.FormData | dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Page:
        try:
            async with self.session.request(method, url, data=data, headers=headers) as response:
                html = await response.text()
                status, final = response.status, str(response.url)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PortalAway(type(error).__name__) from error
        if status >= 500:
            raise PortalAway(f"{status} from {urlsplit(final).path.split('/')[1]}")
        return read_page(url=final, status=status, html=html)
