"""SMS through Twilio's REST API. Its statuses and error codes end in this file (reference/messaging.md 1)."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ConnectionTimeoutError,
)
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from messaging.channels.base import CannotLook, Handed, Listed, OutcomeUnknown, Outgoing, Refused
from messaging.channels.twilio_http import LAST_BEGINNING, REAL_URL, BoundHttpClient
from messaging.notifications import NotificationStatus
from messaging.receipts import Word

NAME = "twilio"
LONGEST_VALIDITY_S = 36_000  # Twilio's limits for ValidityPeriod: 1 to 36,000 s
CLOCK_SKEW = timedelta(seconds=120)  # between our machine and theirs, when looking for what was taken
MOST_LOOKED_AT = 200  # messages to one number
AT_ONCE = 50  # sends on their way at the same time (reference/performance.md 4)

_S = NotificationStatus
# None: says nothing about where our message is. A word that is not here does the same and is logged.
STATUSES: dict[str, NotificationStatus | None] = {
    "accepted": _S.ACCEPTED,
    "scheduled": _S.ACCEPTED,
    "queued": _S.ACCEPTED,
    "sending": _S.ACCEPTED,
    "sent": _S.SENT,
    "partially_delivered": _S.SENT,
    "delivered": _S.DELIVERED,
    "read": _S.DELIVERED,
    "undelivered": _S.UNDELIVERED,
    "failed": _S.FAILED,
    "canceled": _S.FAILED,
    "receiving": None,
    "received": None,
}
REASONS = {
    "21211": "the number is not valid",
    "21408": "texts to this country are not switched on",
    "21610": "this person has opted out of texts",
    "21611": "too many texts are waiting at Twilio",
    "21612": "the number cannot be reached from ours",
    "21614": "the number cannot get texts",
    "30001": "too many texts were waiting at Twilio",
    "30003": "the phone was off or out of reach",
    "30004": "the phone blocks our texts",
    "30005": "the number is not in use",
    "30006": "the number is a landline",
    "30007": "the carrier filtered the text",
    "30008": "the carrier gave no reason",
    "30034": "our number is not registered with the carriers",
}
OPTED_OUT = "21610"
_QUEUE_FULL = "21611"
# Our fault, not the message's: the account or its keys. It must not cost the messages, so they wait.
_OUR_FAULT = frozenset({401, 403, 404})
OUR_FAULT_RETRY_S = 60.0
PAGE_SIZE = 500  # of a day's list; Twilio allows 1,000
NOT_FOUND = 404
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

    name = NAME
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
        self._create_url = f"{REAL_URL}/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._login = (account_sid, auth_token)
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
            raise _refusal(answer.status_code, str(told.get("code") or ""))
        sid = told.get("sid")
        if not isinstance(sid, str) or not sid:
            raise OutcomeUnknown("an answer without an id")
        return Handed(sid, STATUSES.get(str(told.get("status"))) or _S.ACCEPTED)

    async def find(self, message: Outgoing, since: datetime) -> Sequence[Handed]:
        """Return texts to the same number with the same body, created since then by our machine's clock."""
        found: list[Handed] = []
        try:
            stream = await self._client.messages.stream_async(to=message.to, page_size=50, limit=MOST_LOOKED_AT)
            async for text in stream:
                if text.date_created is not None and text.date_created < since - CLOCK_SKEW:
                    continue
                if text.body == message.body and not str(text.direction).startswith("inbound"):
                    found.append(Handed(text.sid, STATUSES.get(str(text.status)) or _S.ACCEPTED))
        except _CANNOT as error:
            raise CannotLook(type(error).__name__) from error
        return found[::-1]

    async def tell(self, provider_ref: str) -> Word | None:
        """Return Twilio's word on one message; None when it has no such message. Raises ``CannotLook``."""
        try:
            text = _listed(await self._client.messages(provider_ref).fetch_async())
        except TwilioRestException as error:
            if error.status == NOT_FOUND:
                return None
            raise CannotLook(str(error.code or error.status)) from error
        except _CANNOT as error:
            raise CannotLook(type(error).__name__) from error
        return Word(NAME, provider_ref, text.raw_status, text.status, text.error_code, text.reason)

    async def day(self, on: date) -> AsyncIterator[Listed]:
        """Yield the texts our sender sent on a day (UTC, as Twilio counts), page by page. Raises ``CannotLook``.

        The next day is asked for too: a text made late is sent after midnight.
        """
        filters: dict[str, Any] = {} if self._service else {"from_": self._number}
        begin = datetime.combine(on, time(0), UTC)
        try:
            stream = await self._client.messages.stream_async(
                date_sent_after=begin, date_sent_before=begin + timedelta(days=1), page_size=PAGE_SIZE, **filters
            )
            async for text in stream:
                day = text.date_created or text.date_sent
                is_other = self._service is not None and text.messaging_service_sid != self._service
                if is_other or str(text.direction).startswith("inbound") or (day is not None and day.date() != on):
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


def _listed(text: Any) -> Listed:
    code, raw = "" if text.error_code is None else str(text.error_code), str(text.status)
    reason = REASONS.get(code, "")
    return Listed(text.sid, str(text.to), text.body or "", raw, STATUSES.get(raw), code, reason, text.date_created)


def _refusal(status: int, code: str) -> Refused:
    """Return what a 4xx answer means: first by HTTP status, then by code (messaging.md 1.2)."""
    if status in _OUR_FAULT or status < 400:
        reason = "Twilio does not accept our account, key or address"
        return Refused(code or str(status), reason, permanent=False, retry_after_s=OUR_FAULT_RETRY_S, is_down=True)
    if code == _QUEUE_FULL:
        return Refused(code, REASONS[code], permanent=False, is_too_many=True)
    reason = REASONS.get(code, "Twilio refused the text")
    return Refused(code or str(status), reason, permanent=True, opted_out=code == OPTED_OUT)
