"""What Twilio says of the messages it has: one, or a list page by page (reference/messaging.md 1.4, 1.7).

Read here and not by Twilio's library: that gives a whole list up over one field it does not know, and hands a date that
is spelt in another way back as text. A look-up that fails for such a reason would leave messages in doubt for ever.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

from messaging.channels.base import CannotLook
from messaging.channels.twilio_http import BoundHttpClient
from messaging.channels.twilio_places import REAL_URL

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Resource:
    """One message as Twilio tells of it, in Twilio's words. What it leaves out or says as null is empty or None."""

    sid: str
    to: str
    body: str
    status: str
    error_code: str
    is_inbound: bool
    service: str
    created_at: datetime | None
    sent_at: datetime | None


class TwilioListing:
    """Reads messages of one account. ``url`` is that of its messages, without an ending."""

    def __init__(self, http: BoundHttpClient, url: str, login: tuple[str, str]) -> None:
        self._http, self._url, self._login = http, url, login

    async def one(self, sid: str) -> Resource | None:
        """Return one message; None where there is none. Raises ``CannotLook``, or what the client raises."""
        answer = await self._http.request("GET", f"{self._url}/{sid}.json", auth=self._login)
        if answer.status_code == NOT_FOUND:
            return None
        return _resource(_told(answer.status_code, answer.text))

    async def some(self, filters: Mapping[str, str | int], most: int | None = None) -> AsyncIterator[Resource]:
        """Yield messages in Twilio's order, newest first, at most ``most``. Raises as ``one`` does.

        A list that grows while it is read moves down: a message may come twice, none is left out.
        """
        answer = await self._http.request("GET", f"{self._url}.json", params=dict(filters), auth=self._login)
        seen = 0
        while True:
            told = _told(answer.status_code, answer.text)
            listed = told.get("messages")
            if not isinstance(listed, list):
                raise CannotLook("an answer that is no list of messages")
            for each in listed:
                if most is not None and seen >= most:
                    return
                seen += 1
                yield _resource(each)
            following = told.get("next_page_uri")
            if not isinstance(following, str) or not following or not listed:
                return
            answer = await self._http.request("GET", urljoin(REAL_URL, following), auth=self._login)


def _told(status: int, text: str) -> dict[str, Any]:
    """Return what an answer says in JSON. Raises ``CannotLook`` for any other."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not 200 <= status < 300 or not isinstance(told, dict):
        raise CannotLook(f"HTTP {status}")
    return told


def _resource(told: object) -> Resource:
    if not isinstance(told, dict) or not told.get("sid"):
        raise CannotLook("a message without an id")
    return Resource(
        sid=str(told["sid"]),
        to=str(told.get("to") or ""),
        body=str(told.get("body") or ""),
        status=str(told.get("status") or ""),
        error_code=str(told.get("error_code") or ""),
        is_inbound=str(told.get("direction") or "").startswith("inbound"),
        service=str(told.get("messaging_service_sid") or ""),
        created_at=_instant(told.get("date_created")),
        sent_at=_instant(told.get("date_sent")),
    )


def _instant(said: object) -> datetime | None:
    """Return a date of RFC 2822, in any of its zones, or of ISO 8601; None for no date. One without a zone is UTC."""
    if not isinstance(said, str):
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            at = read(said)
        except ValueError:
            continue
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return None
