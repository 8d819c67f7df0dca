"""Twilio's words for "no": error bodies, and the published magic numbers that provoke them.

Codes and magic numbers are those of Twilio's error dictionary and its test-credentials page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_BODY = 1600
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_HTTP_URL = re.compile(r"https?://[^/_]+(/.*)?")


@dataclass(frozen=True)
class Refusal:
    """One error answer. ``status`` is the HTTP status."""

    status: int
    code: int
    message: str

    def body(self) -> dict[str, object]:
        """Return Twilio's JSON error body."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


UNAUTHORIZED = Refusal(401, 20003, "Authenticate")
NOT_FOUND = Refusal(404, 20404, "The requested resource was not found")
TOO_MANY = Refusal(429, 20429, "Too Many Requests")
SERVER_ERROR = Refusal(500, 20500, "An internal server error has occurred")
OPTED_OUT = Refusal(400, 21610, "Attempt to send to unsubscribed recipient")
NO_SENDER = Refusal(400, 21603, "A 'From' phone number is required.")
NO_TO = Refusal(400, 21604, "A 'To' phone number is required.")
NO_BODY = Refusal(400, 21602, "Message body is required.")
TOO_LONG = Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
BAD_TO = Refusal(400, 21211, "Invalid 'To' Phone Number")
BAD_FROM = Refusal(400, 21212, "Invalid 'From' Phone Number")
SAME = Refusal(400, 21266, "'To' and 'From' number cannot be the same")
BAD_CALLBACK = Refusal(400, 21609, "The 'StatusCallback' URL is not a valid URL.")

MAGIC_TO = {
    "+15005550001": BAD_TO,
    "+15005550002": Refusal(400, 21612, "The 'To' phone number is not currently reachable using the 'From' number"),
    "+15005550003": Refusal(400, 21408, "Permission to send an SMS has not been enabled for the region"),
    "+15005550004": OPTED_OUT,
    "+15005550009": Refusal(400, 21614, "'To' number is not a valid mobile number"),
}
MAGIC_FROM = {
    "+15005550001": BAD_FROM,
    "+15005550007": Refusal(400, 21606, "The 'From' phone number is not a valid, SMS-capable Twilio number"),
    "+15005550008": Refusal(400, 21611, "This 'From' number has exceeded the maximum number of queued messages"),
}


def refusal_of(form: Mapping[str, str]) -> Refusal | None:
    """Return why a create request is refused, or None. Looks at the form alone, in Twilio's order: To, From, Body."""
    to, sender = form.get("To", ""), form.get("From", "")
    return _address_refusal(to, sender, form.get("MessagingServiceSid", "")) or _content_refusal(form)


def _address_refusal(to: str, sender: str, service: str) -> Refusal | None:
    if not to:
        return NO_TO
    if to in MAGIC_TO:
        return MAGIC_TO[to]
    if not _E164.fullmatch(to):
        return BAD_TO
    if not sender and not service:
        return NO_SENDER
    if sender in MAGIC_FROM:
        return MAGIC_FROM[sender]
    if sender and not _E164.fullmatch(sender):
        return BAD_FROM
    return SAME if sender == to else None


def _content_refusal(form: Mapping[str, str]) -> Refusal | None:
    body, callback = form.get("Body", ""), form.get("StatusCallback", "")
    if not body and "MediaUrl" not in form and "ContentSid" not in form:
        return NO_BODY
    if len(body) > MAX_BODY:
        return TOO_LONG
    if callback and not _HTTP_URL.fullmatch(callback):
        return BAD_CALLBACK
    return None
