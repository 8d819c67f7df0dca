"""Letters: a notification as the bytes of a mail, text before HTML, with one recipient.

``email.message.EmailMessage`` takes 0.7 ms to write one, which is more than handing it over takes
(reference/performance.md 4). So it writes each header line that is not plain once, and the rest is put together here.
"""

import binascii
import re
import uuid
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from functools import lru_cache

from messaging.channels.base import Outgoing

NAMESPACE = uuid.UUID("6d1c0b52-9d1e-5c0e-9a55-0d6f2f2f7a11")  # ours, drawn once
ENCODED_WORD_BYTES = 42  # 56 letters of base64: an encoded word has at most 75 characters (RFC 2047 2)
LONGEST_LINE = 998  # characters without the line's end (RFC 5322 2.1.1)
# What needs no look by the email package: the usual characters of an address, in their usual places.
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+=~/-]+(\.[A-Za-z0-9_+=~/-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_URL = re.compile(r"[!-~]+")


@lru_cache(maxsize=256)  # a letter asks while it is written, and when it was taken
def message_id(reference: str, domain: str) -> str:
    """Return the Message-ID of a notification: the same for every attempt."""
    return f"<{uuid.uuid5(NAMESPACE, reference)}@{domain}>"


class LetterWriter:
    """Writes the mails of one sender. Raises ``ValueError`` for a sender that would break out of its line."""

    def __init__(self, sender: Address, reply_to: str) -> None:
        self._domain = sender.domain
        same: list[tuple[str, str | Address]] = [
            ("From", sender),
            ("Auto-Submitted", "auto-generated"),
            ("Feedback-ID", f"delivery:{sender.domain}"),
        ]
        if reply_to:
            same.append(("Reply-To", Address(addr_spec=reply_to)))
        self._same = b"".join(_header(name, value) for name, value in same) + b"MIME-Version: 1.0\r\n"

    def write(self, message: Outgoing, *, at: datetime, leave: str) -> bytes:
        """Return the mail as it goes over the wire. ``leave`` is the value of List-Unsubscribe; empty for none.

        Raises ``ValueError`` for an address or header that would break out of its line.
        """
        name = message_id(message.reference, self._domain)
        parts = [
            self._same,
            _to(message.to),
            _subject(message.subject),
            _date(int(at.timestamp())),
            f"Message-ID: {name}\r\n".encode(),
        ]
        if leave:
            parts.append(_leave(leave))
        text = _part("plain", message.body + "\n")
        if message.html:
            mark = f"=_{name[1:37]}".encode()  # 122 bits that nobody who wrote the texts could know
            parts.append(b'Content-Type: multipart/alternative; boundary="' + mark + b'"\r\n\r\n')
            parts += [b"--", mark, b"\r\n", text, b"\r\n--", mark, b"\r\n", _part("html", message.html)]
            parts += [b"\r\n--", mark, b"--\r\n"]
        else:
            parts.append(text)
        return b"".join(parts)


@lru_cache(maxsize=1024)  # many letters of one run have the same
def _subject(words: str) -> bytes:
    """Return the subject's line. Raises ``ValueError`` for words that break out of it.

    Words beyond ASCII are encoded here: Python 3.11 loses the spaces between some of them.
    """
    if words.isascii() or any(mark in words for mark in "\r\n\x0b\x0c\x85\u2028\u2029"):
        return _header("Subject", words)
    chunks, chunk = [], ""
    for letter in words:
        if len((chunk + letter).encode("utf-8", "replace")) > ENCODED_WORD_BYTES:
            chunks.append(chunk)
            chunk = ""
        chunk += letter
    encoded = (binascii.b2a_base64(one.encode("utf-8", "replace"), newline=False).decode() for one in [*chunks, chunk])
    return ("Subject: " + "\r\n ".join(f"=?utf-8?b?{one}?=" for one in encoded) + "\r\n").encode()


def _header(name: str, value: str | Address) -> bytes:
    """Return one header line as the email package writes it: encoded and folded. Raises ``ValueError``."""
    mail = EmailMessage(policy=SMTP_POLICY)
    try:
        mail[name] = value
        return mail.as_bytes().partition(b"\r\n\r\n")[0] + b"\r\n"
    except HeaderParseError as error:
        raise ValueError(f"this cannot be a {name}") from error


@lru_cache(maxsize=4)  # many letters of one second have the same
def _date(second: int) -> bytes:
    return f"Date: {format_datetime(datetime.fromtimestamp(second, UTC))}\r\n".encode()


def _to(address: str) -> bytes:
    if len(address) <= 254 and _PLAIN_ADDRESS.fullmatch(address):
        return f"To: {address}\r\n".encode()
    try:
        return _header("To", Address(addr_spec=address))
    except (HeaderParseError, IndexError) as error:
        raise ValueError("the address cannot be read") from error


def _leave(ways: str) -> bytes:
    """Return the two headers of RFC 8058. Raises ``ValueError`` for what is no list of addresses."""
    if not all(_URL.fullmatch(way) for way in ways.split(", ")):
        raise ValueError("a way to unsubscribe is no address")
    folded = ways.replace(", ", ",\r\n ")
    return f"List-Unsubscribe: {folded}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()


def _part(subtype: str, text: str) -> bytes:
    """Return one text with its own headers, in the plainest encoding that carries it."""
    raw = text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    how = b"7bit"
    if not raw.isascii() or b"\x00" in raw or max(map(len, raw.split(b"\n"))) > LONGEST_LINE:
        how, raw = b"quoted-printable", binascii.b2a_qp(raw, istext=True)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: '.encode()
    return head + how + b"\r\n\r\n" + raw.replace(b"\n", b"\r\n")
