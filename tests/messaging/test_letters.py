import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import pytest

from messaging.channels.base import Outgoing
from messaging.channels.letters import LetterWriter, message_id

AT = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
REFERENCE = "0" * 31 + "7"
LEAVE = "<https://track.example.com/u/token>, <mailto:u+7@example.net>"


def written(leave: str = LEAVE, **fields: str) -> bytes:
    plain = Outgoing(REFERENCE, "anna@example.org", "Hello", 60, subject="Your delivery", html="<p>Hello</p>")
    given: dict[str, Any] = dict(fields)
    writer = LetterWriter(Address("Jörg & Söhne", addr_spec="d@example.net"), "help@example.net")
    return writer.write(replace(plain, **given), at=AT, leave=leave)


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_a_letter_says_who_to_whom_and_what() -> None:
    mail = read(written())

    assert mail["From"] == "Jörg & Söhne <d@example.net>"
    assert (mail["To"], mail["Reply-To"]) == ("anna@example.org", "help@example.net")
    assert (mail["Subject"], mail["Date"].datetime) == ("Your delivery", AT)
    assert mail["Message-ID"] == message_id(REFERENCE, "example.net")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == LEAVE
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.defects == []


@pytest.mark.parametrize(
    "words",
    [
        "plain",
        "Zoë und 配達 🚚",
        ".\n..\n.dots",
        "x" * 3_000,
        "ends with blank \nand = and =3D",
        "a\r\nb\rc\n\n\nd",
        "nul\x00",
        "",
        "--=_boundary\n--\n",
    ],
)
def test_words_come_out_as_they_went_in(words: str) -> None:
    raw = written(body=words, html=f"<p>{words}</p>")
    text, html = read(raw).iter_parts()
    lines = words.replace("\r\n", "\n").replace("\r", "\n")

    assert text.get_content().replace("\r\n", "\n") == lines + "\n"
    assert html.get_content().replace("\r\n", "\n") == f"<p>{lines}</p>"
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()


@pytest.mark.parametrize("subject", ["Tomorrow, Thursday", "Mañana, jueves: su envío", "x " * 200, "配達 " * 40])
def test_subjects_are_encoded_and_folded(subject: str) -> None:
    assert read(written(subject=subject))["Subject"].strip() == subject.strip()


@pytest.mark.parametrize("address", ["a@example.net", "a.b+c=d@mail.example.co.uk", '"odd name"@example.net'])
def test_addresses_are_written_as_they_are(address: str) -> None:
    assert read(written(to=address))["To"].addresses[0].addr_spec == address


@pytest.mark.parametrize("address", ["a@b\r\nBcc: x@y", "a b", "", "a@b, c@d", "a@b\n", "<a@b>"])
def test_an_address_that_would_break_out_of_its_line_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        written(to=address)


@pytest.mark.parametrize("words", [{"subject": "a\r\nBcc: x@y"}, {"leave": "<https://x>\r\nBcc: y"}])
def test_a_header_that_would_break_out_of_its_line_is_refused(words: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        written(**words)


def test_without_html_it_is_plain_text() -> None:
    assert read(written(html="", leave="")).get_content_type() == "text/plain"
