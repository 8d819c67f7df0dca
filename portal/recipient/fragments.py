"""The two fragments of the page, rendered outside Flask: the same bytes for page, poll and stream."""

import hashlib
import re
from datetime import datetime

from markupsafe import escape

from portal import rendering
from portal.i18n import tongue
from portal.recipient.view import RecipientView

# What differs with age alone: the seconds, and the same in words.
_AGE = re.compile(r'( data-age=")[^"]*("[^>]*>)[^<]*')


def status(view: RecipientView) -> str:
    """Return ``<section id="status">``: promise, progress and how fresh it is."""
    return rendering.fragment("recipient/_status.html", locale=view.locale, zone=view.zone, view=view)


def chat(view: RecipientView) -> str:
    """Return ``<div id="chat">``: the lines and who reads them."""
    return rendering.fragment("recipient/_chat.html", locale=view.locale, zone=view.zone, view=view)


def with_age(html: str, age_s: str, ago: str) -> str:
    """Return a fragment, or a page around it, that says another age: in seconds, and in words (which are markup)."""
    return _AGE.sub(rf"\g<1>{age_s}\g<2>{ago}", html)


def age_of(view: RecipientView, now: datetime) -> tuple[str, str]:
    """Return the age that the view's fragment says ``now``, in seconds and in words; empty where it says none."""
    if view.signal_at is None:
        return "", ""
    age = now - view.signal_at
    return str(int(age.total_seconds())), str(escape(tongue(view.locale).ago(age)))


def tag_of(html: str) -> str:
    """Return a fragment's tag: the same for the same words, whatever their age (the page's script counts it on)."""
    return hashlib.blake2b(with_age(html, "", "").encode(), digest_size=12).hexdigest()
