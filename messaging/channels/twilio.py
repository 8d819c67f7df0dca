"""SMS through Twilio's REST API. Its codes end here, its words in ``twilio_words`` (reference/messaging.md 1)."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ConnectionTimeoutError,
)
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from messaging.channels.base import CannotLook, Handed, Listed, OutcomeUnknown, Outgoing, Refused
from messaging.channels.names import TWILIO
from messaging.channels.twilio_http import LAST_BEGINNING, BoundHttpClient
from messaging.channels.twilio_listing import NOT_FOUND, Resource, TwilioListing
from messaging.channels.twilio_places import REAL_URL
from messaging.channels.twilio_words import OPTED_OUT, REASONS, STATUSES
from messaging.notifications import NotificationStatus
from messaging.receipts import Word
from messaging.segments import plain

LONGEST_VALIDITY_S = 36_000  # Twilio's limits for ValidityPeriod: 1 to 36,000 s
CLOCK_SKEW = timedelta(seconds=120)  # between our machine and theirs, when looking for what was taken
MOST_LOOKED_AT = 200  # messages to one number
AT_ONCE = 64  # sends on their way at the same time: 640 a second where each takes 0.1 s (our choice)

_QUEUE_FULL = "21611"
# Our fault, not the message's: the account or its keys. It must not cost the messages, so they wait.
_OUR_FAULT = frozenset({401, 403, 404})
OUR_FAULT_RETRY_S = 60.0
PAGE_SIZE = 500  # of a day's list; Twilio allows 1,000
_CANNOT = (TwilioException, Refused, OutcomeUnknown, ClientError, TimeoutError, OSError, ValueError)


def _told(text: str) -> dict[str, Any]:
    """Return what an answer says in JSON; nothing when it is none."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


class TwilioSms:
    """One account and sender. Build it inside a running event loop; ``close`` it there."""

    name = TWILIO
    at_once = AT_ONCE
    can_find = True

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        sender: str,
        messaging_service_sid: str | None,
        public_url: str,
        api_url: str | None,
        send_timeout_s: float,
    ) -> None:
        self._http = BoundHttpClient(api_url or REAL_URL, send_timeout_s)
        self._client = Client(account_sid, auth_token, http_client=self._http)
        self._callback = f"{public_url}/webhooks/twilio/status"
        self._service, self._number = messaging_service_sid, sender
        messages_url = f"{REAL_URL}/2010-04-01/Accounts/{account_sid}/Messages"
        self._create_url = f"{messages_url}.json"
        self._login = (account_sid, auth_token)
        self._listing = TwilioListing(self._http, messages_url, self._login)
        if messaging_service_sid:
            self._sender = {"MessagingServiceSid": messaging_service_sid}
        else:
            self._sender = {"From": sender}

    async def send(self, message: Outgoing) -> Handed:
        """Create the message. Raises ``Refused`` or ``OutcomeUnknown``.

        The form is written here and not by Twilio's library, which takes as long for it as sending takes.
        """
        LAST_BEGINNING.set(message.begin_by)
        form = {
            "To": message.to,
            "Body": message.body,
            "StatusCallback": f"{self._callback}?m={message.reference}",
            "ValidityPeriod": max(1, min(LONGEST_VALIDITY_S, message.useful_s)),
            **self._sender,
        }
        try:
            answer = await self._http.request("POST", self._create_url, data=form, auth=self._login)
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            raise Refused("connect", "Twilio could not be reached", permanent=False, is_down=True) from error
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            raise OutcomeUnknown(type(error).__name__) from error
        told = _told(answer.text)
        if not 200 <= answer.status_code < 300:
            raise _refusal(answer.status_code, told)
        sid = told.get("sid")
        if not isinstance(sid, str) or not sid:
            raise OutcomeUnknown("an answer without an id")
        return Handed(sid, STATUSES.get(str(told.get("status"))) or NotificationStatus.ACCEPTED)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Return texts to the same number with the same words, created since then by our machine's clock."""
        found: list[Handed] = []
        words = _words(message.body)
        try:
            async for text in self._listing.some({"To": message.to, "PageSize": 50}, MOST_LOOKED_AT):
                if text.created_at is not None and text.created_at < since - CLOCK_SKEW:
                    continue
                if _words(text.body) == words and not text.is_inbound:
                    found.append(Handed(text.sid, STATUSES.get(text.status) or NotificationStatus.ACCEPTED))
        except _CANNOT as error:
            raise CannotLook(type(error).__name__) from error
        return found[::-1]

    async def tell(self, provider_ref: str) -> Word | None:
        """Return Twilio's word on one message; None when it has no such message. Raises ``CannotLook``."""
        try:
            found = await self._listing.one(provider_ref)
        except _CANNOT as error:
            raise CannotLook(type(error).__name__) from error
        if found is None:
            return None
        text = _listed(found)
        return Word(TWILIO, provider_ref, text.raw_status, text.status, text.error_code, text.reason)

    async def day(self, on: date) -> AsyncIterator[Listed]:
        """Yield the texts our sender sent on a day (UTC, as Twilio counts), page by page. Raises ``CannotLook``.

        The next day is asked for too: a text made late is sent after midnight.
        """
        filters: dict[str, str | int] = {} if self._service else {"From": self._number}
        days = {"DateSent>": f"{on}", "DateSent<": f"{on + timedelta(days=1)}"}
        try:
            async for text in self._listing.some({**filters, **days, "PageSize": PAGE_SIZE}):
                at = text.created_at or text.sent_at
                is_other = self._service is not None and text.service != self._service
                if is_other or text.is_inbound or (at is not None and at.date() != on):
                    continue
                yield _listed(text)
        except _CANNOT as error:
            raise CannotLook(type(error).__name__) from error

    async def redact(self, provider_ref: str, *, is_whole: bool) -> None:
        """Empty a message's body, or delete it. One that is gone already is well. Raises ``CannotLook``."""
        message = self._client.messages(provider_ref)
        try:
            if is_whole:
                await message.delete_async()
            else:
                await message.update_async(body="")
        except TwilioRestException as error:
            if error.status != NOT_FOUND:
                raise CannotLook(str(error.code or error.status)) from error
        except _CANNOT as error:
            raise CannotLook(type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _listed(text: Resource) -> Listed:
    code, raw = text.error_code, text.status
    reason = REASONS.get(code, "")
    return Listed(text.sid, text.to, text.body, raw, STATUSES.get(raw), code, reason, text.created_at)


def _words(body: str) -> str:
    """Return what two spellings of one text have in common: Twilio may straighten quotes and trim the ends."""
    return plain(body).strip()


def _refusal(status: int, told: dict[str, Any]) -> Refused | OutcomeUnknown:
    """Return what a 3xx or 4xx answer means: first by HTTP status, then by code (messaging.md 1.2).

    One without Twilio's words is somebody's between us and Twilio, and says nothing of the message.
    """
    code = str(told.get("code") or "")
    if status in _OUR_FAULT or status < 400:
        reason = "Twilio does not accept our account, key or address"
        return Refused(code or str(status), reason, permanent=False, retry_after_s=OUR_FAULT_RETRY_S, is_down=True)
    if not told:
        return OutcomeUnknown(f"HTTP {status} without a word of Twilio's")
    if code == _QUEUE_FULL:
        return Refused(code, REASONS[code], permanent=False, is_too_many=True)
    reason = REASONS.get(code, "Twilio refused the text")
    return Refused(code or str(status), reason, permanent=True, opted_out=code == OPTED_OUT)
