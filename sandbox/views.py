"""What the phones page shows, as plain values: people, their messages, what happened, the clock."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from sandbox.day import Day
from sandbox.ground import ZONE
from sandbox.journal import Entry

URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
TOWN_TIME = ZoneInfo(ZONE)
COMPANY = "Alder Deliveries"  # left out where there is little room
TOLD = 60  # so many lines of what happened are shown


@dataclass
class Item:
    """One message in a phone: ``kind`` is text, reply (sent from this phone) or mail; ``state`` is its status."""

    id: str
    kind: str
    at: str
    body: Markup
    state: str = ""
    subject: str = ""
    mail: int = 0


@dataclass
class Phone:
    """One person's phone and mailbox. ``key`` is the number, or the address where there is no number."""

    key: str
    name: str
    role: str
    number: str = ""
    email: str = ""
    detail: str = ""
    items: list[Item] = field(default_factory=list)
    seen_at: str = ""

    @property
    def initials(self) -> str:
        words = [word for word in re.split(r"[^\w]+", self.name) if word]
        return "".join(word[0] for word in words[:2]).upper() or "?"

    @property
    def last(self) -> str:
        """The beginning of the last message, for the list."""
        if not self.items:
            return ""
        item = self.items[-1]
        return item.subject or item.body.striptags().removeprefix(f"{COMPANY}: ")


@dataclass(frozen=True)
class Happening:
    """One line of what happened."""

    id: str
    at: str
    who: str
    what: str
    tone: str


def phones_of(day: Day, entries: Iterable[Entry]) -> dict[str, Phone]:
    """Return everybody's phone by key, drivers first, strangers last."""
    phones = {phone.key: phone for phone in _people(day)}
    by_address = {address: phone for phone in phones.values() for address in (phone.number, phone.email) if address}
    by_sid: dict[str, Item] = {}
    for entry in entries:
        match entry["event"]:
            case "accepted" | "inbound":
                own = entry["sender"] if entry["event"] == "inbound" else entry["to"]
                item = _text_item(entry)
                by_sid[entry["sid"]] = item
                _add(phones, by_address, own, item)
            case "status" if entry["sid"] in by_sid:
                code = entry.get("error_code")
                by_sid[entry["sid"]].state = entry["status"] + (f" ({code})" if code else "")
            case "mail":
                item = Item(f"m{entry['n']}", "mail", town_time(entry), linked(entry["text"]), mail=entry["n"])
                item.subject = entry["subject"]
                _add(phones, by_address, entry["to"], item)
            case _:
                continue
    return phones


def _people(day: Day) -> Iterable[Phone]:
    for route in day.routes:
        detail = f"Route {route.name}, {route.vehicle}"
        yield Phone(route.driver_phone, route.driver, "driver", number=route.driver_phone, detail=detail)
    for route in day.routes:
        for stop in route.stops:
            for drop in stop.drops:
                detail = f"{stop.house.address} · {drop.items}"
                yield Phone(drop.phone or drop.email, drop.person.name, "recipient", drop.phone, drop.email, detail)


def _add(phones: dict[str, Phone], by_address: dict[str, Phone], address: str, item: Item) -> None:
    if address not in by_address:
        stranger = Phone(address, address, "other", email=address if "@" in address else "")
        stranger.number = "" if stranger.email else address
        phones[address] = by_address[address] = stranger
    by_address[address].items.append(item)


def _text_item(entry: Entry) -> Item:
    kind = "reply" if entry["event"] == "inbound" else "text"
    return Item(f"t{entry['n']}", kind, town_time(entry), linked(entry["body"]), state=entry["status"])


def town_time(entry: Entry) -> str:
    """Return the day time of an entry as people in town read it."""
    instant = entry.get("day_at") or entry["at"]
    return f"{datetime.fromisoformat(instant).astimezone(TOWN_TIME):%a %H:%M}"


def linked(text: str) -> Markup:
    """Return ``text`` escaped, its addresses as links that open a new tab."""
    parts, end = [], 0
    for found in URL.finditer(text):
        url = found.group()
        parts.append(escape(text[end : found.start()]))
        parts.append(Markup('<a href="{0}" target="_blank" rel="noopener">{0}</a>').format(url))
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def happenings_of(day: Day, entries: Iterable[Entry]) -> list[Happening]:
    """Return what happened, newest first."""
    names = {address: phone.name for phone in _people(day) for address in (phone.number, phone.email) if address}
    told = [line for entry in entries if (line := _line(entry, names)) is not None]
    return told[: -TOLD - 1 : -1]


def _line(entry: Entry, names: dict[str, str]) -> Happening | None:
    def who(address: str) -> str:
        return names.get(address, address)

    def line(person: str, what: str, tone: str) -> Happening:
        return Happening(f"e{entry['n']}", town_time(entry), person, what, tone)

    match entry["event"]:
        case "accepted":
            return line(who(entry["to"]), f"gets a text: {_short(entry['body'])}", "text")
        case "inbound":
            return line(who(entry["sender"]), f"writes: {_short(entry['body'])}", "reply")
        case "mail":
            return line(who(entry["to"]), f"gets a mail: {entry['subject']}", "mail")
        case "driver" | "recipient":
            return line(entry["who"], entry["what"], "driver" if entry["event"] == "driver" else "reply")
        case "status" if entry["status"] == "undelivered":
            return line(who(entry["to"]), f"text not delivered ({entry['error_code']})", "trouble")
        case "refused" | "mail_refused":
            return line(who(entry["to"]), f"message refused ({entry['code']})", "trouble")
        case "fault":
            return line("Fault", str(entry["kind"]).replace("_", " "), "trouble")
        case "tap_refused" | "fixes_refused":
            return line(str(entry.get("who") or entry.get("truck")), f"was refused ({entry['answer']})", "trouble")
        case "day":
            return line("The day", entry["what"], "day")
        case _:
            return None


def _short(body: str) -> str:
    plain = " ".join(URL.sub("", body).split()).removeprefix(f"{COMPANY}: ")
    return plain if len(plain) <= 90 else plain[:87] + "..."
