"""SMS segments: how many a text takes, and its plainest spelling that still says the same.

The tables are GSM 03.38's default alphabet and extension (3GPP TS 23.038). A text of GSM-7 letters holds 160 septets
alone and 153 in each part of a longer one; any other letter makes the whole text UCS-2: 70 and 67 units.
"""

import unicodedata
from enum import StrEnum

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
_GSM7 = _BASIC | _EXTENDED

_ZWJ = "\u200d"
_JOINERS = frozenset({_ZWJ, "\u200c"})
_MARKS = frozenset({"Mn", "Me", "Mc"})

# Typography that has a plain spelling. Letters of names stay as they are: dignity beats a cent (messaging.md 1.5).
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "‛": "'",
        "′": "'",
        "`": "'",
        "´": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "−": "-",
        "…": "...",
        "•": "-",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u200b": "",
        "\ufeff": "",
        "\t": " ",
    }
)
# Lower-case letters whose upper-case twin, but not they, is GSM-7; a template in Spanish or French needs them.
_FOLDED = str.maketrans("áíóúâêîôûçÁÍÓÚ", "aiouaeiouçAIOU")


class Encoding(StrEnum):
    """How the letters of a text travel."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


def encoding_of(text: str) -> Encoding:
    """Return GSM-7 when every letter has a place in it."""
    return Encoding.GSM7 if _GSM7.issuperset(text) else Encoding.UCS2


def forcing(text: str) -> tuple[str, ...]:
    """Return the letters, each once, that make ``text`` travel as UCS-2; none when it is GSM-7."""
    return tuple(dict.fromkeys(sign for sign in text if sign not in _BASIC and sign not in _EXTENDED))


def width(text: str) -> int:
    """Return how much room ``text`` takes: septets in GSM-7, else UTF-16 units."""
    if encoding_of(text) is Encoding.GSM7:
        return sum(2 if sign in _EXTENDED else 1 for sign in text)
    return len(text.encode("utf-16-be")) // 2


def room(encoding: Encoding, segments: int) -> int:
    """Return how much fits into so many segments, in the unit of ``width``."""
    if encoding is Encoding.GSM7:
        return 160 if segments == 1 else 153 * segments
    return 70 if segments == 1 else 67 * segments


def segment_count(text: str) -> int:
    """Return how many segments ``text`` takes; an empty text takes one. Agrees with Twilio's own calculator."""
    if encoding_of(text) is Encoding.GSM7:
        if _EXTENDED.isdisjoint(text):  # nearly every text: letters of one septet fill each part
            return 1 if len(text) <= room(Encoding.GSM7, 1) else -(-len(text) // 153)
        return _parts([2 if sign in _EXTENDED else 1 for sign in text], alone=160, joined=153)
    return _parts([len(cluster.encode("utf-16-be")) // 2 for cluster in _clusters(text)], alone=70, joined=67)


def _parts(widths: list[int], *, alone: int, joined: int) -> int:
    """Return the number of parts. What is seen as one letter is never cut, so a part may stay short."""
    if sum(widths) <= alone:
        return 1
    parts, used = 1, 0
    for width in widths:
        if used + width > joined:
            parts, used = parts + 1, 0
        used += width
    return parts


def _clusters(text: str) -> list[str]:
    """Return what readers see as single letters: the rules of UAX 29 that matter in texts, not all of them."""
    found: list[str] = []
    for sign in text:
        if found and _joins(found[-1], sign):
            found[-1] += sign
        else:
            found.append(sign)
    return found


def _joins(cluster: str, sign: str) -> bool:
    if cluster[-1] in "\r\n\0":
        return False
    if sign in _JOINERS or unicodedata.category(sign) in _MARKS or "\U0001f3fb" <= sign <= "\U0001f3ff":
        return True
    if cluster[-1] == _ZWJ and unicodedata.category(sign) == "So":
        return True
    flags = "\U0001f1e6" <= sign <= "\U0001f1ff" and all("\U0001f1e6" <= other <= "\U0001f1ff" for other in cluster)
    return flags and len(cluster) % 2 == 1


def plain(text: str) -> str:
    """Return ``text`` with typographic quotes, dashes and spaces in their GSM-7 spelling."""
    return text.translate(_PLAIN)


def folded(text: str) -> str:
    """Return ``text`` without those accents that GSM-7 lacks: for our own words, never for names."""
    return plain(text).translate(_FOLDED)
