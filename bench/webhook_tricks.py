"""What can be done to a webhook's request: ways to break it, and ways to forge it."""

import base64
import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from bench.webhook_requests import Request

LETTERS = "abc XYZ 019 &=+%;# éñß 配達 🚚 \x00\x07\u202e\ud7ff\n\r\t'\"<>\\"
TYPES = (
    None,
    "",
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=no-such",
    "APPLICATION/X-WWW-FORM-URLENCODED",
    ";;;",
    "application/x-www-form-urlencoded\x00",
)
STRANGE = ("%", "%zz", "%00", "%ff%fe", "%ed%a0%80", "&&&", "===", "=", "a[]=1", "\x00", "%u1234", "+" * 50)
METHODS = ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "P\x00ST", "post")
LENGTHS = ("", "0", "1", "-1", "99999999999", "abc", "1e3", "0x10", " 5 ", "٥")
FIELDS = ("MessageSid", "AccountSid", "From", "To", "Body", "MessageStatus", "ErrorCode", "OptOutType", "NumMedia")


def words(rng: random.Random, most: int = 60) -> str:
    """Return some characters in any order."""
    return "".join(rng.choices(LETTERS, k=rng.randint(0, most)))


def _flip(request: Request, rng: random.Random) -> Request:
    body = bytearray(request.body or b"x")
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return replace(request, body=bytes(body))


def _cut(request: Request, rng: random.Random) -> Request:
    return replace(request, body=request.body[: rng.randrange(len(request.body) + 1)])


def _insert(request: Request, rng: random.Random) -> Request:
    at = rng.randrange(len(request.body) + 1)
    added = rng.choice((rng.randbytes(rng.randint(1, 30)), rng.choice(STRANGE).encode()))
    return replace(request, body=request.body[:at] + added + request.body[at:])


def _field(request: Request, rng: random.Random) -> Request:
    """One field has another value, comes twice, or has gone."""
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    name = rng.choice(FIELDS)
    rest = [pair for pair in pairs if pair[0] != name]
    values = rng.choice(([], [words(rng)], [words(rng), words(rng)], ["x" * rng.choice((0, 1, 33, 500, 5_000))]))
    return replace(request, body=urlencode([*rest, *((name, value) for value in values)]).encode())


def _swell(request: Request, rng: random.Random) -> Request:
    many = rng.choice(
        (b"&x=1" * rng.choice((100, 1_001, 5_000)), b"&Big=" + b"y" * rng.choice((1_000, 64_000, 70_000)))
    )
    return replace(request, body=request.body + many)


def _query(request: Request, rng: random.Random) -> Request:
    added = rng.choice((words(rng, 20), "bodySHA256=" + "0" * 64, "m=", "m=" + "f" * 400, rng.choice(STRANGE)))
    return replace(request, query=rng.choice((added, f"{request.query}&{added}")))


def _path(request: Request, rng: random.Random) -> Request:
    return replace(request, path=request.path + rng.choice(("/", "//", "/..", "\x00", "%2f", words(rng, 10), "\udc80")))


def _header(request: Request, rng: random.Random) -> Request:
    name = rng.choice(("X-Twilio-Signature", "X-Twilio-Webhooks-Signature-Settings", "Transfer-Encoding", "Host"))
    value = rng.choice(("", words(rng, 40), "é" * 9, "=" * 28, "chunked", "key=x,algorithm=HMAC_SHA256", "x" * 9_000))
    return replace(request, headers={**request.headers, name: value})


BREAKS: tuple[Callable[[Request, random.Random], Request], ...] = (
    _flip,
    _flip,
    _cut,
    _insert,
    _insert,
    _field,
    _field,
    _field,
    _swell,
    _query,
    _path,
    _header,
    lambda request, rng: replace(request, content_type=rng.choice(TYPES)),
    lambda request, rng: replace(request, method=rng.choice(METHODS)),
    lambda request, rng: replace(request, length=rng.choice(LENGTHS)),
    lambda request, rng: replace(request, body=rng.randbytes(rng.randint(0, 300))),
)


def broken(request: Request, rng: random.Random) -> Request:
    """Return a request with one more thing wrong."""
    return rng.choice(BREAKS)(request, rng)


def _flipped_signature(request: Request, rng: random.Random) -> Request:
    raw = bytearray(base64.b64decode(request.signed().headers["X-Twilio-Signature"]))
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return replace(request, headers={"X-Twilio-Signature": base64.b64encode(bytes(raw)).decode()})


def _changed(request: Request, rng: random.Random) -> Request:
    """The signature is true, one field is not what was signed."""
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    name = rng.choice(sorted(fields))
    fields[name] += "1"
    return replace(request.signed(), body=urlencode(fields).encode())


def _recut(request: Request, rng: random.Random) -> Request:
    """Two fields become one under the same signature: boundaries are not in it (reference/messaging.md 1.3)."""
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    names = sorted(fields)
    at = rng.randrange(len(names) - 1)
    swallowed = names[at + 1]
    recut = {name: value for name, value in fields.items() if name != swallowed}
    recut[names[at]] += swallowed + fields[swallowed]
    return replace(request.signed(), body=urlencode(recut).encode())


def _as_json(request: Request, _rng: random.Random) -> Request:
    """A JSON body whose form is empty: a validator that is given the form finds the signature true."""
    body = b'{"MessageStatus":"failed"}'
    query = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    empty = replace(request, query=query, body=b"").signed()
    return replace(empty, body=body, content_type="application/json")


def _doubled(request: Request, _rng: random.Random) -> Request:
    """A field that comes twice with the same value signs as if it came once."""
    to = dict(parse_qsl(request.body.decode()))["To"]
    return replace(request.signed(), body=request.body + b"&" + urlencode({"To": to}).encode())


def _other_url(request: Request, rng: random.Random) -> Request:
    others = (
        "http://track.example.com",
        "https://evil.example.com",
        "https://TRACK.example.com",
        "https://track.example.com.",
    )
    return request.signed(url=request.url.replace("https://track.example.com", rng.choice(others)))


def _other_query(request: Request, _rng: random.Random) -> Request:
    return replace(request.signed(), query=f"{request.query}&m={'e' * 32}")


def _sha256(request: Request, _rng: random.Random) -> Request:
    """The request chooses another algorithm and signs with nothing."""
    settings = {"X-Twilio-Webhooks-Signature-Settings": "key=none,algorithm=HMAC_SHA256"}
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    return replace(request, headers={**settings, "X-Twilio-Signature": digest})


FORGERIES: tuple[tuple[str, Callable[[Request, random.Random], Request]], ...] = (
    ("no signature", lambda request, _rng: request),
    ("empty signature", lambda request, _rng: replace(request, headers={"X-Twilio-Signature": ""})),
    ("bit flipped in signature", _flipped_signature),
    ("bit flipped in field", _changed),
    ("other host or scheme", _other_url),
    ("other query", _other_query),
    ("fields cut anew", _recut),
    ("field doubled", _doubled),
    ("JSON trick", _as_json),
    ("other algorithm", _sha256),
    ("retired secret", lambda request, _rng: request.signed("twilio-token-retired")),
    ("replay", lambda request, _rng: request.signed()),
)
