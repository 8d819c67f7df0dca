"""How many SMS segments a text takes: 160/153 septets of GSM-7, or 70/67 units of UCS-2 (3GPP TS 23.038)."""

_BASIC = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = set("^{}\\[~]|€\f")


def segment_count(body: str) -> int:
    """Return the number of segments; an empty text still takes one."""
    if all(sign in _BASIC or sign in _EXTENDED for sign in body):
        units, alone, joined = sum(2 if sign in _EXTENDED else 1 for sign in body), 160, 153
    else:
        units, alone, joined = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if units <= alone else -(-units // joined)
