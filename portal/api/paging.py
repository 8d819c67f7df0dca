"""Pages of a list: how many, and after which."""

from collections.abc import Mapping
from typing import NamedTuple

from portal.api.answers import Refused
from portal.api.shapes import Trouble

MOST = 200
USUAL = 50
LONGEST_CURSOR = 200


class Page(NamedTuple):
    """At most ``limit`` rows whose key comes after ``after``."""

    limit: int
    after: str | None


def page_of(arguments: Mapping[str, str]) -> Page:
    """Return the page asked for; raises ``Refused`` for a limit that is none."""
    text = arguments.get("limit", str(USUAL))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise Refused(422, "", [Trouble(path="limit", reason=f"is a whole number from 1 to {MOST}")])
    after = arguments.get("after")
    if after is not None and (len(after) > LONGEST_CURSOR or "\x00" in after):
        raise Refused(422, "", [Trouble(path="after", reason="is not one that was given")])
    return Page(int(text), after)
