"""Every text the stand-in has taken, in both directions, and Twilio's picture of each."""

import secrets
import threading
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from email.utils import format_datetime
from typing import Any

from sandbox.journal import Entry, Journal
from sandbox.segments import segment_count

API_VERSION = "2010-04-01"
FINAL = {"delivered", "undelivered", "failed", "canceled", "received"}


@dataclass
class Text:
    """One message. ``created_at`` is machine time; ``listed_at`` is when lists begin to show it."""

    sid: str
    account_sid: str
    to: str
    sender: str
    body: str
    direction: str
    status: str
    created_at: datetime
    status_callback: str = ""
    messaging_service_sid: str = ""
    media: list[str] = field(default_factory=list)
    validity_s: int = 36000
    error_code: int | None = None
    sent_at: datetime | None = None
    updated_at: datetime | None = None
    listed_at: datetime | None = None
    day_at: datetime | None = None

    def resource(self) -> dict[str, Any]:
        """Return the message as Twilio's REST API shows it."""
        uri = f"/{API_VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}"
        waiting = bool(self.messaging_service_sid) and self.status == "accepted"
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": format_datetime(self.created_at),
            "date_sent": None if self.sent_at is None else format_datetime(self.sent_at),
            "date_updated": format_datetime(self.updated_at or self.created_at),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": None,
            "from": None if waiting else self.sender,
            "messaging_service_sid": self.messaging_service_sid or None,
            "num_media": str(len(self.media)),
            "num_segments": "0" if waiting else str(segment_count(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


@dataclass(frozen=True)
class Query:
    """What a list request asks for. Dates are UTC days: Twilio's DateSent filters know no finer grain."""

    to: str = ""
    sender: str = ""
    on: date | None = None
    since: date | None = None
    until: date | None = None

    def fits(self, text: Text, now: datetime) -> bool:
        """Return whether ``text`` belongs into the answer given at ``now``."""
        day = (text.sent_at or text.created_at).date()
        return (
            (not self.to or text.to == self.to)
            and (not self.sender or text.sender == self.sender)
            and (self.on is None or day == self.on)
            and (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
            and (text.listed_at is None or now >= text.listed_at)
        )


def new_sid(prefix: str) -> str:
    """Return an id of Twilio's shape: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


class Texts:
    """The texts by sid, oldest first. The journal is their memory: building this reads it back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._texts: dict[str, Text] = {}
        self._lock = threading.Lock()
        for entry in journal.entries():
            self._replay(entry)

    def add(self, text: Text) -> None:
        """Take ``text`` and write it down: ``accepted`` when it goes to a phone, ``inbound`` when it comes from one."""
        with self._lock:
            self._texts[text.sid] = text
        event = "inbound" if text.direction == "inbound" else "accepted"
        facts = {name: _plain(value) for name, value in asdict(text).items() if name != "day_at"}
        entry = self._journal.add(event, **facts)
        text.day_at = _instant(entry.get("day_at"))

    def move(self, text: Text, status: str, *, now: datetime, error_code: int | None = None) -> None:
        """Set the status of ``text`` and write that down."""
        text.status, text.error_code, text.updated_at = status, error_code, now
        if status == "sent":
            text.sent_at = now
        self._journal.add("status", sid=text.sid, to=text.to, status=status, error_code=error_code)

    def redact(self, text: Text) -> None:
        """Empty the body, as Twilio does on request."""
        text.body = ""
        self._journal.add("redacted", sid=text.sid)

    def delete(self, text: Text) -> None:
        with self._lock:
            del self._texts[text.sid]
        self._journal.add("deleted", sid=text.sid)

    def get(self, sid: str) -> Text | None:
        with self._lock:
            return self._texts.get(sid)

    def all(self) -> list[Text]:
        """Return every text, oldest first."""
        with self._lock:
            return list(self._texts.values())

    def newest_first(self, query: Query, *, now: datetime) -> list[Text]:
        """Return what ``query`` asks for, as lists show it at ``now``."""
        return [text for text in reversed(self.all()) if query.fits(text, now)]

    def _replay(self, entry: Entry) -> None:
        match entry["event"]:
            case "accepted" | "inbound":
                self._texts[entry["sid"]] = _text_of(entry)
            case "status" if entry["sid"] in self._texts:
                text = self._texts[entry["sid"]]
                at = datetime.fromisoformat(entry["at"])
                text.status, text.error_code, text.updated_at = entry["status"], entry["error_code"], at
                if text.status == "sent":
                    text.sent_at = at
            case "redacted" if entry["sid"] in self._texts:
                self._texts[entry["sid"]].body = ""
            case "deleted":
                self._texts.pop(entry["sid"], None)
            case _:
                return


def _text_of(entry: Entry) -> Text:
    instants = {"created_at", "sent_at", "updated_at", "listed_at", "day_at"}
    facts: dict[str, Any] = {name: entry[name] for name in Text.__dataclass_fields__ if name in entry}
    for name in instants & facts.keys():
        facts[name] = _instant(facts[name])
    return Text(**facts)


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
