"""What every recipient's view in Flask shares: the blueprint, the way from a token to what may be seen, and answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flask import Blueprint, Response, current_app, g, request
from sqlalchemy.orm import Session

from portal import i18n
from portal.recipient.addresses import Here
from portal.recipient.desk import DESK, Desk
from portal.recipient.recall import Seen
from portal.recipient.view import RecipientView, read_view
from portal.security import csp_nonce
from portal.services import Services, services
from tracking.links import Audience, live_link

blueprint = Blueprint("recipient", __name__)


@dataclass(frozen=True, slots=True)
class Visit(Here):
    """Who came by which link, to change something. ``language`` is set when they chose one on the page."""

    link_id: str
    delivery_id: str
    now: datetime

    def read(self, session: Session, mine: Services) -> RecipientView:
        """Return what this visitor may see."""
        view = read_view(session, self.delivery_id, now=self.now, settings=mine.settings, locale=self.language)
        g.reader_locale = view.locale  # of an error that comes later in this request
        return view


def visit(session: Session, token: str, mine: Services) -> Visit:
    """Return the visit a token stands for; raises ``UnknownLink`` or ``ClosedLink``."""
    now = mine.clock.now()
    link_id = mine.links.link_id(token, Audience.RECIPIENT)
    link = live_link(session, link_id, Audience.RECIPIENT, now)
    return Visit(token=token, language=_language(), link_id=link_id, delivery_id=link.delivery_id or "", now=now)


def look(token: str) -> Seen:
    """Return what may be seen now by a token, past the record's ORM where it can; raises as ``visit`` does."""
    mine = services()
    link_id = mine.links.link_id(token, Audience.RECIPIENT)
    seen = desk().recall.look(link_id, _language(), mine.clock.now())
    g.reader_locale = seen.view.locale
    return seen


def page(name: str, token: str) -> Response:
    """Answer with one of the desk's pages."""
    return Response(
        desk().page(name, look(token), Here(token, _language()), nonce=csp_nonce()),
        content_type="text/html; charset=utf-8",
    )


def fragment(name: str, token: str) -> Response:
    """Answer with one of the desk's fragments and its tag, or 304."""
    seen = look(token)
    kind = "application/json" if name == "place" else "text/html; charset=utf-8"
    response = Response(desk().fragment(name, seen), content_type=kind)
    response.set_etag(desk().tag(name, seen))
    response.make_conditional(request)
    return response


def rendered(template: str, view: RecipientView, here: Visit, **more: object) -> str:
    """Return one of the recipient's templates with what each of them needs, and ``more``."""
    return desk().rendered(template, view, here, nonce=csp_nonce(), **more)


def desk() -> Desk:
    """Return the desk of the current application."""
    return cast(Desk, current_app.extensions[DESK])


def link_key() -> str:
    """Return what a link's POSTs are counted by: its id, which is the token's first part."""
    token: str = (request.view_args or {}).get("token", "")
    return f"link:{token.partition('.')[0][:11]}"


def _language() -> str | None:
    chosen = request.args.get("lang")
    return chosen if chosen in i18n.languages() else None
