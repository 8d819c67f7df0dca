"""Twilio's words for what became of a text, and ours (reference/messaging.md 1). Without its client, which is heavy."""

from messaging.notifications import NotificationStatus

_S = NotificationStatus
# None: says nothing about where our message is. A word that is not here does the same and is logged.
STATUSES: dict[str, NotificationStatus | None] = {
    "accepted": _S.ACCEPTED,
    "scheduled": _S.ACCEPTED,
    "queued": _S.ACCEPTED,
    "sending": _S.ACCEPTED,
    "sent": _S.SENT,
    "partially_delivered": _S.SENT,
    "delivered": _S.DELIVERED,
    "read": _S.DELIVERED,
    "undelivered": _S.UNDELIVERED,
    "failed": _S.FAILED,
    "canceled": _S.FAILED,
    "receiving": None,
    "received": None,
}
REASONS = {
    "21211": "the number is not valid",
    "21408": "texts to this country are not switched on",
    "21610": "this person has opted out of texts",
    "21611": "too many texts are waiting at Twilio",
    "21612": "the number cannot be reached from ours",
    "21614": "the number cannot get texts",
    "30001": "too many texts were waiting at Twilio",
    "30003": "the phone was off or out of reach",
    "30004": "the phone blocks our texts",
    "30005": "the number is not in use",
    "30006": "the number is a landline",
    "30007": "the carrier filtered the text",
    "30008": "the carrier gave no reason",
    "30034": "our number is not registered with the carriers",
}
OPTED_OUT, FILTERED = "21610", "30007"
# However often it is sent, no text of ours arrives at this number.
NO_TEXTS = frozenset({"21211", "21610", "21612", "21614", "30004", "30005", "30006"})
