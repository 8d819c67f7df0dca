"""Stencils: a text that is rendered once, with gaps for what differs from one answer to the next."""

import re
from collections.abc import Mapping


class Stencil:
    """Cut once, filled for every answer; filling is a join of bytes, and safe in any thread."""

    def __init__(self, text: str, gaps: Mapping[str, str]) -> None:
        """Cut ``text`` wherever it holds the value of one of ``gaps``, by name.

        The values must stand nowhere else: whoever cuts takes random marks, or text that holds markup of ours.
        """
        names = {value: name for name, value in gaps.items()}
        pattern = "|".join(re.escape(value) for value in sorted(names, key=len, reverse=True))
        pieces = re.split(f"({pattern})", text)
        self._said = [piece.encode() for piece in pieces[::2]]
        self._gaps = [names[piece] for piece in pieces[1::2]]

    def filled(self, values: Mapping[str, str]) -> bytes:
        """Return the text with each gap filled by the value of its name. Values are markup: nothing is escaped."""
        parts = [self._said[0]]
        for name, said in zip(self._gaps, self._said[1:], strict=True):
            parts += (values[name].encode(), said)
        return b"".join(parts)
