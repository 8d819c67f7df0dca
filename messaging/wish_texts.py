"""Wish texts: what is said about a wish to recipient, driver and thread, in English and Spanish. Pure.

Pages show them as they are; in a text message our own words lose the accents that GSM-7 lacks.
"""

import re
from collections.abc import Sequence
from datetime import date

from babel import Locale
from babel.dates import format_skeleton

from messaging.chat_lines import first_name
from messaging.reply_texts import ECHO_LENGTH, language_of, short
from messaging.segments import folded
from messaging.wishes import Wish, WishKind
from tracking.deliveries import Delivery

_EN: dict[str, str] = {
    "safe_place": "leave it in a safe place: {what}",
    "neighbour": "give it to a neighbor: {what}",
    "other_day": "another day: {what}",
    "asked": "We have your wish: {wish}. We will tell you what we can do.",
    "accepted": "Agreed: {wish}.",
    "declined": "Sorry, we cannot do this: {wish}. {words}",
    "withdrawn": "Done. It comes as planned.",
    "nothing": "There is nothing to take back.",
    "nothing_asked": "Say where, or to whom.",
    "too_long": "Please say it in fewer words, 200 letters at most.",
    "over": "It is too late for this: the delivery is over.",
    "at_door": "The driver is at your door now. Please write to the driver.",
    "on_its_way": "It is on its way, so another day is not possible now. A safe place or a neighbor is.",
    "not_handed_over": "Nothing is on its way now. Please choose another day.",
    "no_such_day": "Please choose one of these days: {days}.",
    "neighbour_how": "Text NEIGHBOR, their name and their door, for example: NEIGHBOR Bo Li, number 14",
    "day_how": "Which day? Text for example DAY {first}. Possible: {days}.",
    "driver_accepted": "Stop {stop} {name}: {wish}",
    "driver_withdrawn": "Stop {stop} {name}: no longer: {wish}. Hand it over as usual.",
}
_ES: dict[str, str] = {
    "safe_place": "dejarlo en un lugar seguro: {what}",
    "neighbour": "entregarlo a un vecino: {what}",
    "other_day": "otro día: {what}",
    "asked": "Tenemos su deseo: {wish}. Le diremos qué podemos hacer.",
    "accepted": "De acuerdo: {wish}.",
    "declined": "Lo sentimos, no podemos: {wish}. {words}",
    "withdrawn": "Hecho. Llega como estaba previsto.",
    "nothing": "No hay nada que retirar.",
    "nothing_asked": "Diga dónde, o a quién.",
    "too_long": "Dígalo con menos palabras, 200 letras como máximo.",
    "over": "Ya es tarde para esto: la entrega terminó.",
    "at_door": "El conductor está en su puerta. Escriba al conductor, por favor.",
    "on_its_way": "Ya está en camino; otro día no es posible. Un lugar seguro o un vecino sí.",
    "not_handed_over": "Nada está en camino ahora. Elija otro día, por favor.",
    "no_such_day": "Elija uno de estos días, por favor: {days}.",
    "neighbour_how": "Escriba VECINO, su nombre y su puerta, por ejemplo: VECINO Bo Li, numero 14",
    "day_how": "¿Qué día? Escriba por ejemplo DIA {first}. Posibles: {days}.",
    "driver_accepted": "Parada {stop} {name}: {wish}",
    "driver_withdrawn": "Parada {stop} {name}: ya no: {wish}. Entregue como siempre.",
}
_TEXTS = {"en": _EN, "es": _ES}
KEYS = frozenset(_EN)

# The lines of the thread, kept in English; ``told`` gives them in a reader's language.
ASKED_LINE = "The recipient asks: "
ACCEPTED_LINE = "Agreed: "
DECLINED_LINE = "Not possible: "
WITHDRAWN_LINE = "The recipient took it back: "
UNDECIDED_LINE = "Decided anew: "
_LINES_ES = {
    ASKED_LINE: "El destinatario pide: ",
    ACCEPTED_LINE: "De acuerdo: ",
    DECLINED_LINE: "No es posible: ",
    WITHDRAWN_LINE: "El destinatario lo retiró: ",
    UNDECIDED_LINE: "Se decide de nuevo: ",
}
_WISHES = tuple((kind.value, _EN[kind.value].partition("{")[0]) for kind in WishKind)
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def wish_text(key: str, locale: str, **values: object) -> str:
    """Return a text in the language of ``locale``; people's own words are put on one line and cut short."""
    shown = {name: short(str(value), 200) for name, value in values.items()}
    return _TEXTS[language_of(locale)][key].format(**shown).strip()


def sms_text(key: str, locale: str, **values: object) -> str:
    """Return a text fit for SMS: our own words without the accents that GSM-7 lacks, people's words as they are."""
    shown = {name: short(str(value), 200) for name, value in values.items()}
    return folded(_TEXTS[language_of(locale)][key]).format(**shown).strip()


def wish_words(wish: Wish, locale: str) -> str:
    """Return the wish in words: ``leave it in a safe place: behind the shed``."""
    return _wish(wish.kind.value, wish.what, locale)


def short_wish(wish: Wish, locale: str) -> str:
    """Return the wish in words that fit a text message."""
    what = folded(day_words(wish.wanted_on, locale)) if wish.wanted_on else short(wish.place, ECHO_LENGTH)
    return sms_text(wish.kind.value, locale, what=what)


def line_of(prefix: str, wish: Wish, words: str = "") -> str:
    """Return the line that tells the thread about a wish, in the form that is kept."""
    more = f" ({short(words, 200)})" if words else ""
    return f"{prefix}{_EN[wish.kind.value].format(what=wish.what)}{more}"


# The same to the one who asked.
_TO_RECIPIENT = {
    "en": {ASKED_LINE: "You asked: ", WITHDRAWN_LINE: "You took it back: "},
    "es": {ASKED_LINE: "Usted pidió: ", WITHDRAWN_LINE: "Usted lo retiró: "},
}


def told(line: str, locale: str, *, is_recipient: bool = False) -> str:
    """Return a kept line about a wish in the language of ``locale``, with its day by name; any other line as it is.

    ``is_recipient`` says it to the one who asked.
    """
    prefix = next((known for known in _LINES_ES if line.startswith(known)), None)
    if prefix is None:
        return line
    rest = line.removeprefix(prefix)
    for kind, words in _WISHES:
        if rest.startswith(words):
            said = prefix if language_of(locale) == "en" else _LINES_ES[prefix]
            said = _TO_RECIPIENT[language_of(locale)].get(prefix, said) if is_recipient else said
            return said + _wish(kind, rest.removeprefix(words), locale)
    return line


def day_words(on: date, locale: str) -> str:
    """Return a day as people say it: ``Fri, Mar 6``."""
    return format_skeleton("MMMEd", on, locale=Locale(language_of(locale))).replace("\u202f", " ").replace("\xa0", " ")


def days_words(days: Sequence[date], locale: str) -> str:
    """Return days side by side, as a text names them."""
    return folded("; ".join(day_words(day, locale) for day in days))


def driver_words(key: str, wish: Wish, delivery: Delivery) -> str:
    """Return what the driver is texted about a wish, in the driver's language."""
    locale = delivery.stop.route.driver.locale
    name = first_name(delivery.recipient_name)
    return sms_text(key, locale, stop=delivery.stop.sequence, name=name, wish=short_wish(wish, locale))


def _wish(kind: str, what: str, locale: str) -> str:
    named = _ISO_DAY.sub(lambda found: day_words(date.fromisoformat(found[0]), locale), what, count=1)
    return _TEXTS[language_of(locale)][kind].format(what=named if kind == WishKind.OTHER_DAY else what)
