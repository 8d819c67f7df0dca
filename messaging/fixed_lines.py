"""Fixed lines: sentences of ours that people send by a tap or a word, known in every language we speak. Pure."""

from functools import cache

from messaging.reply_texts import language_of

LANGUAGES = ("en", "es")
MOST_MINUTES = 240


class FixedLine:
    """One sentence in every language."""

    def __init__(self, english: str, spanish: str) -> None:
        self.texts = {"en": english, "es": spanish}

    def text(self, locale: str) -> str:
        """Return the sentence in the language of ``locale``."""
        return self.texts[language_of(locale)]


PICTURE = FixedLine("(a picture)", "(una imagen)")
CALL_ME = FixedLine("Please call me.", "Llámenme, por favor.")


def late_line(minutes: int, locale: str) -> str:
    """Return how a recipient says to be late."""
    return _late(minutes).text(locale)


def fixed_in(body: str, locale: str) -> str | None:
    """Return a fixed line in the language of ``locale``; None when ``body`` is somebody's own words."""
    known = _known().get(body)
    return known.text(locale) if known else None


def _late(minutes: int) -> FixedLine:
    return FixedLine(f"I will be {minutes} minutes late.", f"Llegaré {minutes} minutos tarde.")


@cache
def _known() -> dict[str, FixedLine]:
    lines = [PICTURE, CALL_ME, *(_late(minutes) for minutes in range(1, MOST_MINUTES + 1))]
    return {text: line for line in lines for text in line.texts.values()}
