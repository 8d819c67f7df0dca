"""The closed list of words that texts may use, as ``((name))``: what each means, and which kind may use which."""

from dataclasses import dataclass

from messaging.kinds import Channel, Kind


@dataclass(frozen=True, slots=True)
class TextWord:
    """One word. ``meaning`` is for staff; an example comes with the samples."""

    name: str
    meaning: str


_WORDS = (
    TextWord("company", "your company's name"),
    TextWord("name", "the recipient's first name"),
    TextWord("day", "the day it comes: today, tomorrow with its weekday, or the date"),
    TextWord("window", "the hours that were booked"),
    TextWord("expected", "the hours the page shows now; the booked ones until the truck is on its way"),
    TextWord("driver", "the driver's first name"),
    TextWord("reference", "your number of the delivery"),
    TextWord("support", "your support phone, else your support email"),
    TextWord("link", "the address of their page; in a mail on a line of its own it becomes a button"),
    TextWord("turn", "how many stops come before theirs"),
    TextWord("soon", "in about how many minutes"),
    TextWord("reason", "why it is late, with the colon before it; empty when nobody knows"),
    TextWord("failure", "why it could not be handed over, with the colon before it; may be empty"),
    TextWord("question", "the question how it was; empty in the quiet hours of “How was it?”, then it is asked apart"),
    TextWord("delivered_at", "when it was handed over"),
    TextWord("correction", "what was wrong and what is true; it differs with what is corrected"),
    TextWord("text", "what was written to them"),
    TextWord("route", "the route's name"),
    TextWord("stops", "how many stops the route has"),
    TextWord("start", "when the route starts"),
)
BY_NAME = {word.name: word for word in _WORDS}

_EVERYWHERE = frozenset({"company", "name", "day", "window", "expected", "driver", "reference", "support", "link"})
_OWN: dict[Kind, frozenset[str]] = {
    Kind.OUT_FOR_DELIVERY: frozenset({"turn"}),
    Kind.NEXT_STOP: frozenset({"turn", "soon"}),
    Kind.DELAYED: frozenset({"reason", "turn"}),
    Kind.ATTEMPT_FAILED: frozenset({"failure"}),
    Kind.DELIVERED: frozenset({"question", "delivered_at"}),
    Kind.RATING_REQUEST: frozenset({"delivered_at"}),
    Kind.CORRECTION: frozenset({"correction"}),
    Kind.CASE_FOLLOW_UP: frozenset({"text"}),
    Kind.CHAT: frozenset({"text"}),
}
# Messages that are not about one delivery know fewer words.
_ONLY: dict[Kind, frozenset[str]] = {
    Kind.REPLY: frozenset({"text", "company", "support"}),
    Kind.DRIVER_LINK: frozenset({"company", "name", "driver", "route", "stops", "start", "support", "link"}),
}
# What a text must hold, and what is lost without it.
_WITHOUT_LINK = "without it they cannot open their page"
_NEEDED: dict[Kind, dict[str, str]] = {
    Kind.DRIVER_LINK: {"link": "without it the driver cannot open the route"},
    Kind.REPLY: {"text": "it is the answer itself"},
    Kind.CHAT: {"text": "it is what was written", "link": _WITHOUT_LINK},
    Kind.CASE_FOLLOW_UP: {"text": "it is what was written", "link": _WITHOUT_LINK},
    Kind.CORRECTION: {"correction": "it says what is true now", "link": _WITHOUT_LINK},
    Kind.RESCHEDULED: {"day": "it is the news", "link": _WITHOUT_LINK},
}


def allowed(kind: Kind) -> frozenset[str]:
    """Return the words a text of this kind may use."""
    return _ONLY.get(kind) or _EVERYWHERE | _OWN.get(kind, frozenset())


def words_for(kind: Kind) -> list[TextWord]:
    """Return those words with their meanings, the kind's own first."""
    own = _OWN.get(kind, frozenset())
    return sorted((word for word in _WORDS if word.name in allowed(kind)), key=lambda word: word.name not in own)


def needed(kind: Kind, channel: Channel) -> dict[str, str]:
    """Return the words a text must hold, each with what is lost without it."""
    found = dict(_NEEDED.get(kind, {"link": _WITHOUT_LINK}))
    if kind is Kind.DELIVERED and channel is Channel.SMS:
        found["question"] = "without it nobody is asked how it was"
    return found
