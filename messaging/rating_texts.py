"""Rating texts: which answers to "Reply 1 to 5" are a rating, which are not, and which we ask about. Pure.

A rating is a whole digit 1-5, "/5" or stars, alone or followed by words (DESIGN 8). A digit with a unit, a place or a
count behind it is doubtful. Only read while we asked for a rating.
"""

import re
import unicodedata
from dataclasses import dataclass

from messaging.opt_out_words import word_set

MAX_COMMENT_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class ParsedRating:
    """What was said: 1 to 5, and the words behind it."""

    score: int
    comment: str


@dataclass(frozen=True, slots=True)
class RatingReading:
    """``rating`` when it is one; ``is_doubtful`` when we ask, with the score it might be."""

    rating: ParsedRating | None = None
    is_doubtful: bool = False
    maybe: int | None = None


_NOT_A_RATING = RatingReading()
_SCALE = (
    r"(?:\s*/\s*5\b|\s+(?:out\s+of|von|de|sur|su|of)\s+5\b"
    r"|[\s-]*(?:stars?\b|estrellas?\b|sterne?\b|[ée]toiles?\b|stelle?\b|estrelas?\b|\*+|★+|⭐+))"
)
_PLAIN = re.compile(rf"^[\s(\"'“]*([1-5])(?![\d])({_SCALE})?(.*)$", re.IGNORECASE | re.DOTALL)
_STARS = re.compile(r"^\s*((?:★|⭐|🌟)+)\s*(.*)$", re.DOTALL)
# What counts something else than satisfaction, right behind the digit.
_UNITS = word_set(
    """
    m min mins minute minutes minuto minutos minuten hr hrs h hour hours hora horas stunde stunden heure heures am
    pm oclock uhr day days dia dias tag tage jour jours week weeks semana semanas woche wochen month months year
    years st nd rd th er ra do da floor floors piso pisos stock etage etages story storey door doors puerta puertas
    gate apt apartment flat unit suite room rooms house houses block street road lane stop stops km kms mile miles
    meters metres feet ft kg lb lbs box boxes caja cajas parcel parcels paquete paquetes package packages paket
    pakete packet packets item items thing things bag bags piece pieces pc pcs bottle bottles chair chairs people
    persons person men guys drivers times time x more less missing damaged broken dollars dollar bucks euro euros
    eur usd pounds pound quid percent degrees thumbs of or and to till until y o u oder und bis ou et a
    """
)
# Behind "2." only what German writes so: "2. Stock" is a floor, "2. Box was crushed" a rating with its reason.
_ORDINALS = word_set("stock etage og obergeschoss geschoss eingang tür tuer haus hof stiege stunde uhr min mins pm am")
_STREET = re.compile(
    r"^\s+\w+\s+(?:street|st|lane|ln|road|rd|avenue|ave|drive|dr|court|ct|boulevard|blvd|way|place)\b", re.I
)
# A second score behind the first: which one is meant?
_SECOND_SCORE = re.compile(
    r"\b(?:wait|no|mean|meant|actually|make\s+it|sorry|correction|or)\W+[1-5]\b(?![:.,]?\d)|\bfor\b.*\b[1-5]\s+for\b",
    re.IGNORECASE,
)
_WORDED = re.compile(
    r"^\W*(?:one|two|three|four|five|uno|dos|tres|cuatro|cinco|eins|zwei|drei|vier|fünf)(?:\s+(?:stars?|estrellas?|sterne?))?\W*$",
    re.IGNORECASE,
)
_RATED_SOMEWHERE = re.compile(
    r"(?:^|\s)([1-5])\s*/\s*5\b|(?:^|\s)([1-5])\s*stars?\b|[\s,.:;-]([1-5])\s*[!.]*\s*$", re.IGNORECASE
)
_LONG_SPACES = re.compile(r"(\s\s)\s+")
_OTHER_SCALE = re.compile(r"^\s*\d{1,3}(?:[.,]\d)?\s*/\s*(?:5|10|100)\b")


def parse_rating(text: str) -> ParsedRating | None:
    """Return the rating that ``text`` clearly is, or None."""
    return read_rating(text).rating


def read_rating(text: str) -> RatingReading:
    """Tell a rating, a doubtful one and everything else apart."""
    said = _normal(text)
    stars = _STARS.match(said)
    if stars is not None:
        return _by_stars(len(stars.group(1)), stars.group(2))
    plain = _PLAIN.match(said)
    if plain is not None:
        return _by_digit(int(plain.group(1)), has_scale=plain.group(2) is not None, rest=plain.group(3))
    if _OTHER_SCALE.match(said) or _WORDED.match(said):
        return RatingReading(is_doubtful=True)
    if said[:1].isdigit():
        return _NOT_A_RATING
    somewhere = _RATED_SOMEWHERE.search(said)
    if somewhere is not None:
        digit = next(group for group in somewhere.groups() if group)
        return RatingReading(is_doubtful=True, maybe=int(digit))
    return _NOT_A_RATING


def _normal(text: str) -> str:
    """Return ``text`` with full-width and keycap digits as plain ones; digits of other scripts stay what they are.

    Long runs of spaces are cut: patterns that skip spaces twice take the square of a run's length.
    """
    shown = text.replace("½", " 1/2").replace("\ufe0f", "").replace("\u20e3", "")
    kept = unicodedata.normalize("NFKC", shown)
    told = "".join(letter for letter in kept if unicodedata.category(letter) not in {"Cf", "Cs"} or letter == "\u200d")
    return _LONG_SPACES.sub(r"\1", told).strip()


def _by_stars(count: int, rest: str) -> RatingReading:
    if count > 5:
        return RatingReading(is_doubtful=True)
    return RatingReading(ParsedRating(count, _comment(rest)))


def _by_digit(score: int, *, has_scale: bool, rest: str) -> RatingReading:
    doubt = RatingReading(is_doubtful=True, maybe=score)
    if _SECOND_SCORE.search(rest[:MAX_COMMENT_LENGTH]):
        return doubt
    if has_scale:
        return RatingReading(ParsedRating(score, _comment(rest)))
    if re.match(r"\s*(?:[-–/+x&~:]|\.|,)?\s*\d", rest) or re.match(r"\s*[/%$€£°#º]", rest):
        return doubt  # 4.5, 4-5, 3/4, 1 2 3, 5%
    if re.match(r"^['’]?[a-z]", rest, re.IGNORECASE):
        return doubt  # 3rd, 5min, 2nd, 5pm
    if _STREET.match(rest):
        return doubt
    first = re.match(r"([\s.,:;!?)\"'”-]*)([^\W\d_]+(?:['’][^\W\d_]+)?)", rest)
    if first is not None:
        units = _ORDINALS if re.match(r"[.!]\s", first.group(1)) else _UNITS
        if first.group(2).lower().replace("'", "").replace("’", "") in units:
            return doubt
    return RatingReading(ParsedRating(score, _comment(rest)))


def _comment(rest: str) -> str:
    return rest.strip().lstrip(".,:;!)\"”'-– ").strip()[:MAX_COMMENT_LENGTH]
