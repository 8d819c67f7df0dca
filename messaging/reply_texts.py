"""Reply texts: what we answer to an inbound text, in English and Spanish, all of it GSM-7. Pure."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from messaging.chat_lines import plain_line
from messaging.clock_words import clock_words, formats_of, span_words
from messaging.segments import plain
from tracking.deliveries import UNDER_WAY, Delivery, DeliveryStatus

_EN: dict[str, str] = {
    "help": "{company}: text STATUS, ETA, NOTE and a note, LATE and minutes, SAFE and a place, NEIGHBOR and "
    "a name, DAY, UNDO, CALL or RATE 1-5. Anything else goes to us. {contact}. STOP ends messages.",
    "opted_out": "{company}: you will get no more messages from us. Text START to get them again.",
    "opted_in": "{company}: you will get messages about your deliveries again. Text STOP to end them.",
    "unknown": "{company}: we found no delivery for your number. {contact}.",
    "which": "{company}: which delivery is this about? {choices}?",
    "did_you_mean": "{company}: did you mean a rating? Then reply just the number, 1 (bad) to 5 (great).",
    "thanks": "{company}: thank you for rating us!",
    "sorry": "{company}: we are sorry. A person looks at this and gets back to you.",
    "sorry_why": "{company}: we are sorry. What went wrong? A person reads your answer.",
    "follow_up": "{company}: thank you, we added this. A person gets back to you.",
    "cannot_rate": "{company}: {sentence}",
    "noted": 'Noted for the driver: "{text}"',
    "note_how": "Text NOTE and what the driver should know, for example: NOTE gate 4412",
    "late": "The driver knows that you are {minutes} minutes late.",
    "late_how": "How many minutes? Text for example: LATE 20 (at most 240)",
    "safe": 'We asked the driver to leave it here: "{text}"',
    "safe_how": "Text SAFE and the place, for example: SAFE behind the shed",
    "driving": "{name} is driving and will see it at the next stop.",
    "rate_how": "Text RATE and 1 (bad) to 5 (great), for example: RATE 5",
    "rate_early": "You can rate the delivery once it is there.",
    "call": "{company}: we were asked to call you back. {contact}.",
    "too_late": "{company}: {state} {contact}.",
    "late_reply": "{company}: the driver is done, so support reads your message. {contact}.",
    "maybe_cancel": "{company}: we read your message. Nothing is cancelled yet, a person gets back to you.",
    "driver_sent": "Sent to stop {stop}, {name}.",
    "driver_which": "Which stop? Begin with its number, for example: 5: I am at the gate",
    "driver_closed": "Not sent: the delivery to stop {stop}, {name}, is over. Support has been told.",
    "driver_help": "Your text goes to the recipient who wrote last. For another, begin with the stop: 5: I am here. "
    "{contact}.",
    "contact": "You reach us at {reach}",
    "no_contact": "We answer here",
    "at_door": "{what}: the driver is at the door.",
    "on_way": "{what}: on its way, expected {when}.",
    "stops_one": "1 stop before you.",
    "stops_many": "{count} stops before you.",
    "next": "You are next.",
    "planned": "{what}: planned for {when}.",
    "delivered": "{what}: delivered {when}.",
    "failed": "{what}: we could not hand it over. We will write about a new day.",
    "moved": "{what}: it is being moved to another day. We will write to you.",
    "cancelled": "{what}: this delivery is cancelled.",
    "returned": "{what}: it went back to the depot.",
    "or": "or",
    "delivery": "Your delivery",
    "today": "today",
}
_ES: dict[str, str] = {
    "help": "{company}: escriba ESTADO, HORA, NOTA y la nota, TARDE y minutos, SEGURO y el lugar, VECINO y "
    "el nombre, DIA, DESHACER, LLAMAR o CALIFICAR 1-5. Lo demas nos llega. {contact}. STOP termina los mensajes.",
    "opted_out": "{company}: ya no recibe mensajes nuestros. Escriba START para recibirlos otra vez.",
    "opted_in": "{company}: recibe de nuevo mensajes sobre sus entregas. Escriba STOP para no recibirlos.",
    "unknown": "{company}: no encontramos una entrega para su numero. {contact}.",
    "which": "{company}: ¿de qué entrega se trata? {choices}?",
    "did_you_mean": "{company}: ¿queria calificarnos? Responda solo el numero, de 1 (mal) a 5 (muy bien).",
    "thanks": "{company}: ¡gracias por calificarnos!",
    "sorry": "{company}: lo sentimos. Una persona lo revisa y le responde.",
    "sorry_why": "{company}: lo sentimos. ¿Qué paso? Una persona lee su respuesta.",
    "follow_up": "{company}: gracias, lo anotamos. Una persona le responde.",
    "cannot_rate": "{company}: {sentence}",
    "noted": 'Anotado para el conductor: "{text}"',
    "note_how": "Escriba NOTA y lo que el conductor debe saber, por ejemplo: NOTA puerta 4412",
    "late": "El conductor sabe que usted llega {minutes} minutos tarde.",
    "late_how": "¿Cuantos minutos? Escriba por ejemplo: TARDE 20 (240 como maximo)",
    "safe": 'Pedimos al conductor que lo deje aqui: "{text}"',
    "safe_how": "Escriba SEGURO y el lugar, por ejemplo: SEGURO en el garaje",
    "driving": "{name} conduce ahora y lo ve en la proxima parada.",
    "rate_how": "Escriba CALIFICAR y de 1 (mal) a 5 (muy bien), por ejemplo: CALIFICAR 5",
    "rate_early": "Puede calificar la entrega cuando haya llegado.",
    "call": "{company}: pedimos que le llamen. {contact}.",
    "too_late": "{company}: {state} {contact}.",
    "late_reply": "{company}: el conductor ya termino; su mensaje lo lee una persona. {contact}.",
    "maybe_cancel": "{company}: leimos su mensaje. Nada se ha cancelado; una persona le responde.",
    "driver_sent": "Enviado a la parada {stop}, {name}.",
    "driver_which": "¿Qué parada? Empiece con su numero, por ejemplo: 5: estoy en la puerta",
    "driver_closed": "No enviado: la entrega de la parada {stop}, {name}, ya termino. Avisamos a soporte.",
    "driver_help": "Su texto va a quien le escribio de ultimo. Para otra parada, empiece con su numero: 5: ya llegue. "
    "{contact}.",
    "contact": "Nos encuentra en {reach}",
    "no_contact": "Le respondemos aqui",
    "at_door": "{what}: el conductor esta en la puerta.",
    "on_way": "{what}: en camino, llega {when}.",
    "stops_one": "1 parada antes.",
    "stops_many": "{count} paradas antes.",
    "next": "Usted sigue.",
    "planned": "{what}: prevista para {when}.",
    "delivered": "{what}: entregada {when}.",
    "failed": "{what}: no pudimos entregarla. Le escribiremos sobre otro dia.",
    "moved": "{what}: pasa a otro dia. Le escribiremos.",
    "cancelled": "{what}: esta entrega esta cancelada.",
    "returned": "{what}: volvio al almacen.",
    "or": "o",
    "delivery": "Su entrega",
    "today": "hoy",
}
_DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "es": ("lun", "mar", "mie", "jue", "vie", "sab", "dom"),
}
_TEXTS = {"en": _EN, "es": _ES}
KEYS = frozenset(_EN)
COURTESIES = frozenset({"thanks"})  # tell nothing that anybody has to know
WHAT_LENGTH = 24  # characters of the goods' name in a text
ECHO_LENGTH = 60  # characters of a person's own words said back


def language_of(locale: str) -> str:
    """Return the language we answer in: the locale's when we have it, else English."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return language if language in _TEXTS else "en"


def reply_text(key: str, locale: str, **values: object) -> str:
    """Return a text in the language of ``locale``; people's own words are put on one line and cut short."""
    shown = {name: short(str(value), 160) for name, value in values.items()}
    return _TEXTS[language_of(locale)][key].format(**shown)


def short(text: str, length: int) -> str:
    """Return ``text`` on one line, cut at ``length`` characters with dots."""
    line = plain_line(text)
    return line if len(line) <= length else f"{line[: length - 3].rstrip()}..."


def contact_text(locale: str, *, phone: str, email: str) -> str:
    """Return the sentence that tells how to reach the company."""
    reach = phone or email
    return reply_text("contact", locale, reach=reach) if reach else reply_text("no_contact", locale)


def what_of(delivery: Delivery, locale: str) -> str:
    """Return the goods by name, short, or "your delivery" where the file named none."""
    return short(delivery.items, WHAT_LENGTH) or reply_text("delivery", locale)


def hours(start_at: datetime, end_at: datetime, zone: str, today: date, locale: str) -> str:
    """Return ``10:00 am-12:00 pm`` or ``10:00-12:00``, with the weekday before it on another day than ``today``."""
    span = plain(span_words(start_at, end_at, zone, formats_of(locale, language_of(locale))))
    start = start_at.astimezone(ZoneInfo(zone))
    return span if start.date() == today else f"{_day(start, locale)} {span}"


def choices_text(deliveries: list[Delivery], locale: str, now: datetime) -> str:
    """Return "A sofa 10-12, or B lamp 14-16", in the order given."""
    parts = []
    for letter, one in zip("ABCD", deliveries, strict=False):
        today = now.astimezone(ZoneInfo(one.zone)).date()
        when = hours(one.window_start_at, one.window_end_at, one.zone, today, locale)
        parts.append(f"{letter} {what_of(one, locale)} {when}")
    either = f", {reply_text('or', locale)} "
    return ", ".join(parts[:-1]) + either + parts[-1] if len(parts) > 1 else parts[0]


def status_text(delivery: Delivery, locale: str, now: datetime) -> str:
    """Return how the delivery stands in one or two sentences, with times where the parcel goes."""
    what = what_of(delivery, locale)
    today = now.astimezone(ZoneInfo(delivery.zone)).date()
    if delivery.status is DeliveryStatus.ARRIVED:
        return reply_text("at_door", locale, what=what)
    if delivery.status in UNDER_WAY:
        said = reply_text("on_way", locale, what=what, when=expected(delivery, locale, today))
        return " ".join(part for part in (said, _before(delivery.stop.stops_before, locale)) if part)
    if delivery.status is DeliveryStatus.DELIVERED:
        at = (delivery.delivered_at or delivery.status_at).astimezone(ZoneInfo(delivery.zone))
        clock = plain(clock_words(at, delivery.zone, formats_of(locale, language_of(locale))))
        when = clock if at.date() == today else f"{_day(at, locale)} {clock}"
        return reply_text("delivered", locale, what=what, when=when)
    if delivery.status in _ENDINGS:
        return reply_text(_ENDINGS[delivery.status], locale, what=what)
    when = expected(delivery, locale, today)
    return reply_text("planned", locale, what=what, when=when)


def expected(delivery: Delivery, locale: str, today: date) -> str:
    """Return what the recipient is promised now: the promise where there is one, else the window."""
    start = delivery.promise_lo_at or delivery.window_start_at
    end = delivery.promise_hi_at or delivery.window_end_at
    return hours(start, end, delivery.zone, today, locale)


_ENDINGS = {
    DeliveryStatus.ATTEMPT_FAILED: "failed",
    DeliveryStatus.RESCHEDULED: "moved",
    DeliveryStatus.CANCELLED: "cancelled",
    DeliveryStatus.RETURNED: "returned",
}


def _before(stops: int | None, locale: str) -> str:
    if stops is None:
        return ""
    if stops == 0:
        return reply_text("next", locale)
    return reply_text("stops_one", locale) if stops == 1 else reply_text("stops_many", locale, count=stops)


def _day(at: datetime, locale: str) -> str:
    return _DAYS[language_of(locale)][at.weekday()]
