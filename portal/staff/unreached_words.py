"""What to do about a message that failed, in plain words, by the code it failed with. No Flask, no database."""

from messaging.cases import TaskKind
from messaging.kinds import Channel
from portal.staff import words

_CORRECT = "Correct the number. Then the message goes out again by itself."
_OURS = "This is about our account, not about them: tell whoever looks after it. Call when it matters now."
_BY_CODE: dict[str, str] = {
    "21211": _CORRECT,
    "21614": _CORRECT,
    "30005": _CORRECT,
    "30006": "A landline gets no texts: call them, or correct it to a mobile number.",
    "21612": "No text gets there from our number: call them, or ask for an email address.",
    "21408": _OURS,
    "21611": _OURS,
    "30001": _OURS,
    "30007": _OURS,
    "30034": _OURS,
    "30003": "The phone was off. Send it again later, or call.",
    "30004": "They block our texts: call them, or ask for an email address.",
    "21610": "They want no texts from us. Call only when it cannot wait.",
    "30008": "Nobody says why. Send it again once, or call.",
}
# Mail, by the beginning of its enhanced status code (RFC 3463).
_BY_START: tuple[tuple[str, str], ...] = (
    ("5.1", "Correct the email address. Then the message goes out again by itself."),
    ("5.2.2", "Their mailbox is full: call them, or send it again later."),
    ("5.7", "Their mail server refuses ours: tell whoever looks after our mail. Call when it matters now."),
)


def what_to_do(kind: TaskKind, channel: Channel | None, code: str) -> str:
    """Return what helps now."""
    if kind is TaskKind.COULD_NOT_REACH:
        if code in _BY_CODE:
            return _BY_CODE[code]
        if channel is Channel.EMAIL:
            for start, told in _BY_START:
                if code.startswith(start):
                    return told
    return words.WHAT_TO_DO[kind]
