"""Who took the goods: what a driver taps, and how it is said to others. In English; templates translate."""

_SENTENCES = {
    "The recipient": "Handed to the recipient",
    "Somebody at home": "Handed to somebody at home",
    "A neighbor": "Handed to a neighbor",
    "Left in a safe place": "Left in a safe place",
}
RECEIVERS = tuple(_SENTENCES)
_ONCE = {"A neighbour": "A neighbor"}  # as older proofs have it


def handed_over(name: str) -> str:
    """Return the sentence for a receiver that was tapped; empty for a name that was typed."""
    return _SENTENCES.get(_ONCE.get(name, name), "")
