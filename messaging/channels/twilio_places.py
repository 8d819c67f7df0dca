"""Addresses of Twilio's that others may name to us: which are truly our account's."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

REAL_URL = "https://api.twilio.com"
_PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/Messages/(?:SM|MM)[0-9a-f]{32}/Media/ME[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class MediaHome:
    """Where media of one account are. ``base`` is the configured host, without a slash at its end."""

    account_sid: str
    base: str

    def holds(self, url: str) -> bool:
        """True for an address of this account's media, at Twilio or at the configured host."""
        parts = urlsplit(url)
        path = _PATH.fullmatch(parts.path)
        known = {REAL_URL, self.base}
        return path is not None and path[1] == self.account_sid and f"{parts.scheme}://{parts.netloc}" in known


def media_home(account_sid: str, api_url: str | None) -> MediaHome:
    """Return that of an account at ``api_url``, which is Twilio's own when it is None."""
    return MediaHome(account_sid, (api_url or REAL_URL).rstrip("/"))
