"""The desk: everything of a link that is read, looked up and rendered outside of any web framework.

Flask's views and the asyncio half that stands before them (``front.py``) both ask here, so each page is made in one
way. What was rendered is kept as a stencil while what it was made from is the same; an answer fills in its nonce, the
id that its forms carry, and how old the promise is at that moment.
"""

import json
import secrets

from portal import i18n, map, rendering
from portal.recipient import fragments
from portal.recipient.addresses import Here
from portal.recipient.public_record import PublicRecord
from portal.recipient.recall import Recall, Seen, made
from portal.recipient.view import RecipientView
from portal.rendering import Company
from portal.services import Services
from portal.stencils import Stencil
from tracking.ids import new_id

DESK = "recipient.desk"  # the Flask application's extension
PAGES = {
    "track": "recipient/track.html",
    "messages": "recipient/messages.html",
    "rating": "recipient/rating_page.html",
}
FRAGMENTS = {"status", "chat", "place"}


class Desk:
    """One a process. Everything may be asked by many threads at once."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self.recall = Recall(services)
        self._settings = settings
        self._record = PublicRecord(services)
        self._company = Company(settings.company_name, settings.support_phone, settings.support_email)
        # Nobody sees them, so nobody's text holds them. They stay the same, so that where to cut is worked out once.
        self._marks = {name: secrets.token_hex(16) for name in ("age_s", "ago", "nonce", "request_id")}
        self._languages = [(code, i18n.endonym(code)) for code in i18n.languages()]

    def page(self, name: str, seen: Seen, here: Here, *, nonce: str) -> bytes:
        """Return one of ``PAGES`` as it is now. ``seen`` was looked up by the same link and language as ``here``."""
        record = self._record.line(seen.view.phase, i18n.tongue(seen.view.locale))
        stencil: Stencil = made(seen, f"{name} {record}", lambda view: self._page(name, view, here, record))
        return _filled(stencil, seen, nonce=nonce, request_id=new_id())

    def fragment(self, name: str, seen: Seen) -> bytes:
        """Return one of ``FRAGMENTS`` as it is now."""
        stencil: Stencil = made(seen, name, lambda view: self._cut(_fragment(name, view)))
        return _filled(stencil, seen)

    def tag(self, name: str, seen: Seen) -> str:
        """Return the fragment's tag: the same for the same words, whatever their age."""
        tag: str = made(seen, f"tag of {name}", lambda view: fragments.tag_of(_fragment(name, view)))
        return tag

    def rendered(self, template: str, view: RecipientView, here: Here, *, nonce: str, **more: object) -> str:
        """Return one of the recipient's templates with what each of them needs, and ``more``."""
        given = {"request_id": new_id(), **more}
        return rendering.page(
            template,
            locale=view.locale,
            zone=view.zone,
            company=self._company,
            csp_nonce=lambda: nonce,
            view=view,
            here=here,
            **given,
        )

    def _page(self, name: str, view: RecipientView, here: Here, record: str) -> Stencil:
        html = self.rendered(
            PAGES[name],
            view,
            here,
            nonce=self._marks["nonce"],
            request_id=self._marks["request_id"],
            settings=self._settings,
            map_script=map.address(self._settings),
            record=record,
            languages=self._languages,
        )
        return self._cut(html)

    def _cut(self, html: str) -> Stencil:
        return Stencil(fragments.with_age(html, self._marks["age_s"], self._marks["ago"]), self._marks)


def _fragment(name: str, view: RecipientView) -> str:
    if name == "place":
        return json.dumps({"place": view.place})
    return fragments.chat(view) if name == "chat" else fragments.status(view)


def _filled(stencil: Stencil, seen: Seen, **values: str) -> bytes:
    age_s, ago = fragments.age_of(seen.view, seen.now)
    return stencil.filled({"age_s": age_s, "ago": ago, **values})
