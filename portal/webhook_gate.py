"""The gate of Twilio's webhooks: who does not prove to be Twilio gets 403, a wrong content type 415, never a 500.

The signature covers the public URL, not the one this process was reached by behind a proxy, and not the boundaries
between fields (reference/messaging.md 1.3): so every field that is used must come once and have its own shape.
"""

import re
from collections.abc import Mapping, Sequence

from flask import Request, abort
from twilio.request_validator import RequestValidator

LARGEST_BODY = 64 * 1024  # bytes; reference/messaging.md 5.2
FORM = "application/x-www-form-urlencoded"
SIGNATURE = "X-Twilio-Signature"
_ADDRESS = re.compile(r"(\+[1-9][0-9]{6,14}|[0-9]{3,8})")  # E.164, or a short code
# Whom a text came from: also a name, which a Messaging Service may send under.
_SENDER = re.compile(r"(\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11})")
SHAPES: dict[str, re.Pattern[str]] = {
    "MessageSid": re.compile(r"(SM|MM)[0-9a-fA-F]{32}"),  # as Twilio's OpenAPI document has it
    "From": _SENDER,
    "To": _ADDRESS,
    "MessageStatus": re.compile(r"[A-Za-z_-]{1,32}"),
    "ErrorCode": re.compile(r"[0-9]{0,10}"),
    "OptOutType": re.compile(r"[A-Za-z]{0,16}"),
}
SINGLE = (*SHAPES, "AccountSid", "Body")
# Names Twilio gives its fields. One of them inside another field's value, and not a field itself, was swallowed: the
# request was cut anew, under a signature that stays true.
NAMES = frozenset(
    {*SINGLE, "ApiVersion", "ErrorMessage", "MessagingServiceSid", "NumMedia", "NumSegments", "RawDlrDoneDate"}
    | {"SmsMessageSid", "SmsSid", "SmsStatus"}
    | {f"{side}{part}" for side in ("From", "To") for part in ("City", "Country", "State", "Zip")}
)


def verified_form(
    request: Request, *, public_url: str, auth_tokens: Sequence[str], account_sid: str, required: Sequence[str]
) -> dict[str, str]:
    """Return the fields of a form that Twilio signed for this account; aborts with 403, 413 or 415.

    ``required`` names the fields that must be there; any of ``SHAPES`` that is there and not empty must fit.
    ``auth_tokens`` may hold the old and the new secret of a rotation. The algorithm is ours to choose, never the
    request's: HMAC-SHA1.
    """
    request.max_content_length = LARGEST_BODY
    if request.mimetype != FORM:
        abort(415)
    signature = request.headers.get(SIGNATURE)
    if not signature or not signature.isascii():
        abort(403)
    fields = request.form.to_dict(flat=False)
    if not _is_signed(_signed_url(request, public_url), fields, signature, auth_tokens):
        abort(403)
    form = {name: values[0] for name, values in fields.items()}
    if any(len(fields[name]) != 1 for name in SINGLE if name in fields) or not _fits(form, account_sid, required):
        abort(403)
    if any(name in value for name in NAMES - fields.keys() for values in fields.values() for value in values):
        abort(403)
    return form


def _signed_url(request: Request, public_url: str) -> str:
    query = request.query_string.decode("latin-1")
    return f"{public_url}{request.path}{'?' if query else ''}{query}"


class _Fields:
    """The fields as the validator wants to read them: by ``getlist``, without a request."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def __iter__(self) -> object:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def getlist(self, name: str) -> list[str]:
        """Return every value of one field."""
        return self._fields[name]


def _is_signed(url: str, fields: Mapping[str, list[str]], signature: str, auth_tokens: Sequence[str]) -> bool:
    try:
        return any(RequestValidator(token).validate(url, _Fields(fields), signature) for token in auth_tokens)
    except (ValueError, TypeError):  # text that cannot be encoded, or a URL that cannot be read: nobody signed that
        return False


def _fits(form: Mapping[str, str], account_sid: str, required: Sequence[str]) -> bool:
    if form.get("AccountSid") != account_sid or any(name not in form for name in required):
        return False
    given = {name for name in SHAPES if form.get(name) or name in required}
    return all(SHAPES[name].fullmatch(form[name]) for name in given)
