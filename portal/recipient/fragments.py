"""The two fragments of the page, rendered outside Flask: the same bytes for page, poll and stream."""

from portal import rendering
from portal.recipient.view import RecipientView


def status(view: RecipientView) -> str:
    """Return ``<section id="status">``: promise, progress and how fresh it is."""
    return rendering.fragment("recipient/_status.html", locale=view.locale, zone=view.zone, view=view)


def chat(view: RecipientView) -> str:
    """Return ``<div id="chat">``: the lines and who reads them."""
    return rendering.fragment("recipient/_chat.html", locale=view.locale, zone=view.zone, view=view)
