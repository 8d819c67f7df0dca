"""Commands: the words a text can begin with, in English and Spanish, and what each one asks for. Pure.

Everything a recipient can do on the page has a word. A word counts only where nothing else could be meant: "LATE 20" is
a command, "late again!!" is chat; "SAFE behind the shed" is one, "safe travels!" is not.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from messaging.opt_out_words import word_set, words_of

MAX_LATE_MINUTES = 240  # our choice: beyond it another day is meant
MAX_NOTE_LENGTH = 300


class Command(StrEnum):
    """What a recipient can ask for by text."""

    STATUS = "status"
    ETA = "eta"
    NOTE = "note"
    LATE = "late"
    SAFE = "safe"
    NEIGHBOUR = "neighbour"
    DAY = "day"
    UNDO = "undo"
    CALL = "call"
    RATE = "rate"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and what stood behind its word.

    ``minutes`` is of LATE, None when missing or out of range; ``day`` of DAY: a weekday (Monday is 0), or None.
    """

    command: Command
    text: str = ""
    minutes: int | None = None
    day: int | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """One row of the table of commands: the words, an example, what it does, and where the page does it (for docs/).

    ``endpoint`` is the page's action with the same effect: a test looks whether it is there, and does both.
    """

    command: Command
    words: tuple[str, ...]
    example: str
    does: str
    on_the_page: str
    endpoint: str


WORDS: tuple[Word, ...] = (
    Word(
        Command.STATUS,
        ("STATUS", "ESTADO", "STATUT"),
        "STATUS",
        "tells how the delivery stands, with the link",
        "the page itself",
        "recipient.track",
    ),
    Word(
        Command.ETA,
        ("ETA", "HORA"),
        "ETA",
        "tells when the truck is expected",
        "the time at the top",
        "recipient.status",
    ),
    Word(
        Command.NOTE,
        ("NOTE", "NOTA"),
        "NOTE gate 4412",
        "leaves a note for the driver",
        "For the driver",
        "recipient.leave_note",
    ),
    Word(
        Command.LATE,
        ("LATE", "TARDE"),
        "LATE 20",
        "tells the driver how many minutes late you are",
        "Not home? I will be a little late",
        "recipient.be_late",
    ),
    Word(
        Command.SAFE,
        ("SAFE", "SEGURO"),
        "SAFE behind the shed",
        "asks to leave the goods in a safe place",
        "Not home? Leave it in a safe place",
        "recipient.ask_wish",
    ),
    Word(
        Command.NEIGHBOUR,
        ("NEIGHBOR", "NEIGHBOUR", "VECINO", "VECINA"),
        "NEIGHBOR Bo Li, number 14",
        "asks to give the goods to a neighbor",
        "Not home? Give it to a neighbor",
        "recipient.ask_wish",
    ),
    Word(
        Command.DAY,
        ("DAY", "DIA"),
        "DAY FRI",
        "asks for another day; DAY alone tells which are possible",
        "Not home? Choose another day",
        "recipient.ask_wish",
    ),
    Word(
        Command.UNDO,
        ("UNDO", "DESHACER"),
        "UNDO",
        "takes back what you asked for: it comes as planned",
        "Not home? Take it back",
        "recipient.take_wish_back",
    ),
    Word(
        Command.CALL,
        ("CALL", "LLAMAR"),
        "CALL",
        "asks to be called back, and tells our number",
        "Not home? Please call me back",
        "recipient.ask_call",
    ),
    Word(
        Command.RATE,
        ("RATE", "CALIFICAR"),
        "RATE 4 quick and kind",
        "rates a delivery that is there, 1 to 5",
        "How was it?",
        "recipient.give_rating",
    ),
    Word(
        Command.HELP,
        ("HELP", "AYUDA", "WORDS", "PALABRAS"),
        "HELP",
        "lists these words",
        "the foot of the page",
        "recipient.track",
    ),
)
_COMMAND_OF = {word: row.command for row in WORDS for word in row.words}
_POLITE = frozenset({"PLEASE", "PLS", "PLZ", "THANKS", "THX", "POR", "FAVOR", "GRACIAS", "SVP", "BITTE"})
_CALL_ME = frozenset(
    {
        *("CALL ME", "PLEASE CALL", "PLEASE CALL ME", "PLS CALL ME", "CALL ME BACK", "LLAMAME", "LLAMEME", "LLAMEN"),
        *("CAN YOU CALL ME", "CAN YOU CALL ME PLEASE", "POR FAVOR LLAMAME"),
    }
)
_OTHER_DAY = frozenset(
    {"OTHER DAY", "ANOTHER DAY", "NEW DAY", "A NEW DAY", "OTRO DIA", "OTHER DAY PLEASE", "ANOTHER DAY PLEASE"}
)
_WEEKDAYS = (
    ("MON", "MONDAY", "LUN", "LUNES"),
    ("TUE", "TUES", "TUESDAY", "MAR", "MARTES"),
    ("WED", "WEDS", "WEDNESDAY", "MIE", "MIERCOLES"),
    ("THU", "THUR", "THURS", "THURSDAY", "JUE", "JUEVES"),
    ("FRI", "FRIDAY", "VIE", "VIERNES"),
    ("SAT", "SATURDAY", "SAB", "SABADO"),
    ("SUN", "SUNDAY", "DOM", "DOMINGO"),
)
_DAY_OF = {word: number for number, names in enumerate(_WEEKDAYS) for word in names}
_SMALL = frozenset({"ON", "NEXT", "THIS", "EL", "PROXIMO"})
_TYPOS = {"STAUTS": Command.STATUS, "STATSU": Command.STATUS, "STATU": Command.STATUS, "SATUS": Command.STATUS}
_DOOR = re.compile(r"(?:(?:APT|APARTMENT|APARTAMENTO|DEPTO|UNIT|FLAT|NUMBER|NUMERO|HOUSE|CASA) )?\d{1,5}[A-Z]?\b")
_PLACES = word_set(
    """
    BEHIND UNDER BELOW BESIDE BY NEAR IN INSIDE AT ON NEXT WITH BETWEEN ROUND AROUND OUTSIDE OVER THE MY SHED GARAGE
    PORCH DETRAS DEBAJO BAJO JUNTO AL EN CON DENTRO ENTRE LA EL MI
    """
)


def words_table() -> str:
    """Return the table of words in Markdown, as docs/texting.md shows it."""
    rows = [f"| {', '.join(row.words)} | `{row.example}` | {row.does} | {row.on_the_page} |" for row in WORDS]
    return "\n".join(("| word | example | what it does | on the page |", "|---|---|---|---|", *rows))


def parse_command(text: str) -> Asked | None:
    """Return the command that ``text`` is, or None when it is chat."""
    said = unicodedata.normalize("NFKC", text).strip()
    spoken = words_of(said)
    polite = " ".join(word for word in spoken.split() if word not in _POLITE)
    if spoken in _CALL_ME or polite in _CALL_ME:
        return Asked(Command.CALL)
    if polite in _OTHER_DAY:
        return Asked(Command.DAY)
    if polite in _TYPOS:
        return Asked(_TYPOS[polite])
    match = re.match(r"([^\W\d_]+)(.*)$", said, re.DOTALL)
    if match is None:
        return None
    first, rest = match.group(1), match.group(2)
    command = _COMMAND_OF.get(words_of(first))
    return _READERS[command](first, rest) if command is not None else None


def _alone(command: Command, rest: str) -> Asked | None:
    others = [word for word in words_of(rest).split() if word not in _POLITE]
    return None if others else Asked(command)


def _body(rest: str) -> str:
    return re.sub(r"^[\s:;,.\-–—=]+", "", rest).strip()[:MAX_NOTE_LENGTH]


def _note(_first: str, rest: str) -> Asked | None:
    text = _body(rest)
    is_marked = bool(re.match(r"\s*[:\-–—=]", rest))
    if words_of(text).split(" ")[0] in {"BENE", "MENTAL", "THAT", "TO", "QUE"} and not is_marked:
        return None
    return Asked(Command.NOTE, text)


def _late(first: str, rest: str) -> Asked | None:
    spoken = " ".join(word for word in words_of(rest).split() if word not in _POLITE)
    match = re.fullmatch(
        r"(?:BY |ABOUT |UNOS )?(\d{1,4}) ?(?:M|MIN|MINS|MINUTE|MINUTES|MINUTO|MINUTOS)?(?: SORRY| PERDON)?", spoken
    )
    if match is not None and match.group(1).isascii():
        minutes = int(match.group(1))
        return Asked(Command.LATE, minutes=minutes if 1 <= minutes <= MAX_LATE_MINUTES else None)
    # Alone, or shouted as a command with something we cannot read: ask for the number.
    if not spoken or (first.isupper() and len(spoken.split()) == 1 and spoken not in {"AGAIN"} and "!" not in rest):
        return Asked(Command.LATE)
    return None


def _safe(first: str, rest: str) -> Asked | None:
    if not words_of(rest):
        return Asked(Command.SAFE)
    named = re.match(r"\s*(?:place|spot|lugar|sitio)\b(.*)$", rest, re.IGNORECASE | re.DOTALL)
    text = _body(named.group(1) if named else rest)
    if not words_of(text):
        return Asked(Command.SAFE)
    is_marked = named is not None or bool(re.match(r"\s*[:\-–—=]", rest))
    starts_a_place = words_of(text).split(" ")[0] in _PLACES
    return Asked(Command.SAFE, text) if first.isupper() or is_marked or starts_a_place else None


def _neighbour(first: str, rest: str) -> Asked | None:
    """Read it only shouted, marked or with a number of a door: "neighbor is home" is said to a person."""
    text = _body(rest)
    if not words_of(text):
        return Asked(Command.NEIGHBOUR)
    is_marked = bool(re.match(r"\s*[:\-–—=]", rest)) or bool(_DOOR.match(words_of(text)))
    return Asked(Command.NEIGHBOUR, text) if first.isupper() or is_marked else None


def _day(_first: str, rest: str) -> Asked | None:
    """Read DAY alone or with one day of the week; anything else is chat ("day off tomorrow")."""
    named = [word for word in words_of(rest).split() if word not in _POLITE | _SMALL]
    if not named:
        return Asked(Command.DAY)
    return Asked(Command.DAY, day=_DAY_OF[named[0]]) if len(named) == 1 and named[0] in _DAY_OF else None


def _rate(_first: str, rest: str) -> Asked | None:
    """Read RATE with a whole digit, or alone; "rate my driver" is chat."""
    text = _body(rest)
    if not words_of(text):
        return Asked(Command.RATE)
    return Asked(Command.RATE, text) if re.match(r"[1-5]\b", text) else None


def _bare(command: Command) -> Callable[[str, str], Asked | None]:
    return lambda _first, rest: _alone(command, rest)


_READERS: dict[Command, Callable[[str, str], Asked | None]] = {
    Command.STATUS: _bare(Command.STATUS),
    Command.ETA: _bare(Command.ETA),
    Command.NOTE: _note,
    Command.LATE: _late,
    Command.SAFE: _safe,
    Command.NEIGHBOUR: _neighbour,
    Command.DAY: _day,
    Command.UNDO: _bare(Command.UNDO),
    Command.CALL: _bare(Command.CALL),
    Command.RATE: _rate,
    Command.HELP: _bare(Command.HELP),
}
