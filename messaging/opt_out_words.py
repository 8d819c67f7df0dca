"""Opt-out words: which texts say "stop", "start" or "help", before anything else is read (messaging.md 4.2). Pure."""

import re
import unicodedata
from enum import StrEnum


class ConsentWord(StrEnum):
    """What a text says about being written to."""

    STOP = "stop"  # one of the exact words
    STOP_PHRASE = "stop_phrase"  # wording a reasonable person would understand; staff look at it
    START = "start"
    YES = "yes"  # an opt-in only from somebody who had opted out
    HELP = "help"


# Twilio's default set, AWS's, the FCC's list, and the same words in the languages we meet.
# What Twilio itself acts on and answers: the whole text, in any case, with nothing around it (messaging.md 4.2).
TWILIO_STOP = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
TWILIO_HELP = frozenset({"HELP", "INFO"})
_STOP = TWILIO_STOP | {
    *("ARRET", "REMOVE", "TD", "STOPP", "ALTO", "PARAR", "PARE", "BAJA", "ABMELDEN", "DESINSCRIRE", "CANCELAR"),
    *("STOP ALL", "OPT OUT", "STOP PLEASE", "PLEASE STOP", "STOP IT", "STOP NOW", "STOP THANKS", "STOP THANK YOU"),
    *("STOP PLS", "PLS STOP", "S T O P", "ALTO POR FAVOR", "STOP SVP", "BITTE STOPP", "STOPP BITTE"),
    *("СТОП", "ОТПИСАТЬСЯ", "退订", "退訂", "停止", "توقف", "ايقاف"),
}
_START = frozenset({"START", "UNSTOP"})
_YES = frozenset({"YES"})
_HELP = TWILIO_HELP | {"AYUDA"}
MAYBE_THE_DELIVERY = frozenset({"CANCEL", "END", "QUIT", "CANCELAR"})

# No text that a phone sends is longer (messaging.md 1.1). A phrase is not looked for beyond it: some patterns take the
# square of what they read.
LONGEST_TEXT = 1600

_WRITE = r"(?:text|txt|texting|txting|message|messaging|messages|msg|msgs|messaging|sms|texts|contact|contacting)"
_MESSAGES = r"(?:texts?|messages?|sms|msgs?)"
_NEVER = r"\b(?:do not|don t|dont|never)\s+(?:ever\s+)?"
_PHRASES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:stop|stpo|sotp|quit|cease)\s+(?:spamming|{_WRITE})\b",
        rf"\b(?:stop|stpo|sotp|quit|cease)\s+sending\s+(?:\w+\s+){{0,4}}{_MESSAGES}\b",
        r"\b(?:stop|stpo|sotp|quit|cease)\s+sending(?:\s+(?:me|us|this|these|those|them|stuff|anything|it))*$",
        rf"\b(?:not|never|no\s+longer|don\s+t|dont)\s+(?:wish|want|like|care)\s+to\s+(?:receive|get)\s+(?:\w+\s+){{0,3}}"
        rf"{_MESSAGES}\b",
        rf"\bstop\s+(?:the|these|those|all|your)\s+{_MESSAGES}\b",
        rf"{_NEVER}(?:text|txt|message|msg|sms|contact)\s+(?:me|us|this)\b(?!\s+(?:when|if|until|before|about)\b)",
        rf"{_NEVER}send\s+(?:me\s+)?(?:any\s+)?(?:more\s+)?{_MESSAGES}\b",
        rf"{_NEVER}want\s+(?:to\s+get\s+)?(?:these|those|any|your|more|any more)\s+(?:more\s+)?{_MESSAGES}\b",
        rf"\bno\s+more\s+(?:\w+\s+)?{_MESSAGES}\b",
        r"\b(?:take|remove|delete)\s+(?:me|my number|this number)\b(?:.*\b(?:list|number|database|system|records)\b|$)",
        r"\bremove\s+my\s+(?:phone\s+)?number\b",
        r"(?<!don t )(?<!dont )(?<!not )(?<!never )(?:\bunsubscribe\s+me\b|\bopt(?:ing)?\s+(?:me\s+)?out\b)",
        r"\blose\s+(?:my|this)\s+number\b",
        r"\bno\s+(?:me\s+)?(?:mande[ns]?|envie[ns]?|escriba[ns]?)\s+(?:mas|mensajes)\b|\bya\s+no\s+me\s+escriba[ns]?\b",
        r"\bno\s+quiero\s+(?:recibir\s+)?(?:(?:mas|sus|estos|tus|ningun)\s+){1,2}(?:mensajes?|sms|textos?)\b",
        r"\bno\s+quiero\s+(?:recibir\s+)(?:mensajes|sms|textos)\b",
        r"\bnao\s+quero\s+(?:(?:mais|receber)\s+){1,3}(?:mensagens|sms)\b|\bparem\s+de\s+(?:enviar|mandar)\b",
        r"\b(?:dejen|deje|deja|paren|pare)\s+de\s+(?:enviar|mandar|escribir)",
        r"^no\s+mas(?:\s+(?:mensajes|sms|textos|por favor|gracias))*$",
        r"\barret\w*\s+(?:de\s+)?(?:m\s+)?(?:envoyer|ecrire|les\s+sms)|\bne\s+m\s+envoyez\s+plus\b",
        r"\bne\s+m\s+ecrivez\s+plus\b|\bne\s+veux\s+plus\s+(?:recevoir\s+)?(?:de|vos)\s+(?:sms|messages|textos)\b",
        r"\bkeine\s+(?:sms|nachrichten)\s+mehr\b|\bkeine\s+weiteren\s+(?:sms|nachrichten)\b",
        r"\bnie\s+(?:wysy[lł]\w*|pisz\w*|pisa[cć]|przysy[lł]\w*)\b.*\b(?:sms|wiadomosci|smsow)\b",
        r"(?:不要|别|別|请勿|請勿).{0,4}(?:发|發|传|傳|寄).{0,4}(?:短信|簡訊|消息|信息)",
        r"\bلا\s+ترسل\w*\b.*رسا[يئ]ل",
    )
)


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text`` as a set: for lists that would fill pages as literals."""
    return frozenset(text.split())


def words_of(text: str) -> str:
    """Return ``text`` in NFKC, upper case, without accents, marks and emoji, its words apart by one space."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text))
    kept = "".join(
        letter if letter.isalnum() else " "
        for letter in plain
        if not unicodedata.category(letter).startswith("M") and unicodedata.category(letter) != "Cf"
    )
    return " ".join(kept.upper().split())


def is_answered_by_twilio(text: str) -> bool:
    """Tell whether Twilio's own opt-out handling answers ``text``: "STOP" it does, "Stop." it does not."""
    return text.strip().upper() in TWILIO_STOP | TWILIO_HELP


def consent_word(text: str) -> ConsentWord | None:
    """Return what ``text`` says about consent; None for everything else: "don't stop at the gate" is chat.

    An exact word counts alone, whatever stands around it in marks. A phrase counts anywhere, and is looked at by staff.
    """
    said = words_of(text)
    if set(said.split()) == {"STOP"}:
        return ConsentWord.STOP
    exact = {ConsentWord.STOP: _STOP, ConsentWord.START: _START, ConsentWord.YES: _YES, ConsentWord.HELP: _HELP}
    for word, spellings in exact.items():
        if said in spellings:
            return word
    lowered = said.lower()[:LONGEST_TEXT]
    return ConsentWord.STOP_PHRASE if any(phrase.search(lowered) for phrase in _PHRASES) else None


def may_mean_the_delivery(text: str) -> bool:
    """True for CANCEL, END and QUIT: the carrier read them as an opt-out, the person may have meant the delivery."""
    return words_of(text) in MAYBE_THE_DELIVERY


def asks_to_cancel(text: str) -> bool:
    """True for chat that seems to call the delivery off; staff are asked to look."""
    lowered = words_of(text).lower()
    return re.search(r"\b(?:cancel|cancelar|cancela|annuler|stornieren)\b", lowered) is not None
