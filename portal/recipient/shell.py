"""What every recipient's page shares: the blueprint, the way from a token to a view, and how a fragment answers."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, g, render_template, request, url_for
from sqlalchemy.orm import Session

from portal import i18n
from portal.recipient.recall import RECALL, Recall
from portal.recipient.view import RecipientView, read_view
from portal.services import Services, services
from tracking.ids import new_id
from tracking.links import Audience, live_link

blueprint = Blueprint("recipient", __name__)

_AGE = re.compile(rb'( data-age=")[^"]*("[^>]*>)[^<]*')


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came by which link. ``language`` is set when they chose one on the page."""

    token: str
    link_id: str
    delivery_id: str
    language: str | None
    now: datetime

    def url(self, view: str, **values: Any) -> str:
        """Return the address of another of this link's pages, in the same language."""
        return url_for(f"recipient.{view}", token=self.token, lang=self.language, **values)

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
    language = request.args.get("lang")
    return Visit(
        token=token,
        link_id=link_id,
        delivery_id=link.delivery_id or "",
        language=language if language in i18n.languages() else None,
        now=now,
    )


def rendered(template: str, view: RecipientView, here: Visit, **more: object) -> str:
    """Return one of the recipient's templates with what each of them needs, and ``more``."""
    return render_template(
        template, view=view, here=here, locale=view.locale, zone=view.zone, request_id=new_id(), **more
    )


def link_key() -> str:
    """Return what a link's POSTs are counted by: its id, which is the token's first part."""
    token: str = (request.view_args or {}).get("token", "")
    return f"link:{token.partition('.')[0][:11]}"


def tagged(body: str, *, content_type: str = "text/html; charset=utf-8") -> Response:
    """Return a fragment with its ETag, or 304. Ages of things do not count: the page's script counts them on."""
    data = body.encode()
    response = Response(data, content_type=content_type)
    response.set_etag(tag_of(data))
    response.make_conditional(request)
    return response


def tag_of(data: bytes) -> str:
    """Return a fragment's tag: the same for the same words, whatever their age."""
    return hashlib.blake2b(_AGE.sub(rb"\1\2", data), digest_size=12).hexdigest()


def reading(token: str, say: Callable[[RecipientView, Visit], Response | str]) -> Response | str:
    """Find the visit and its view, and let ``say`` answer with the record closed again."""
    mine = services()
    now, language = mine.clock.now(), request.args.get("lang")
    link_id = mine.links.link_id(token, Audience.RECIPIENT)
    chosen = language if language in i18n.languages() else None
    recall: Recall = current_app.extensions[RECALL]
    view = recall.look(link_id, chosen, now).view
    g.reader_locale = view.locale
    return say(view, Visit(token=token, link_id=link_id, delivery_id=view.delivery_id, language=chosen, now=now))
