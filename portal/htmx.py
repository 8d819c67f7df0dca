"""Whether htmx asks: only its truth value is used, htmx 4 changed the other headers (reference/live-page.md)."""

from flask_htmx import HTMX

htmx = HTMX()
