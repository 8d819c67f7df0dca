"""Ending emails: the link in every mail's foot, and the mail program's one-click button (RFC 8058)."""

from flask import render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.consent import ConsentAction, contact_hash, note_consent, pepper_of
from messaging.kinds import Channel
from portal.recipient.shell import blueprint
from portal.services import Services, services
from tracking.actors import Actor, ActorKind
from tracking.deliveries import Delivery, load, mark_plan_dirty
from tracking.links import Audience, Link, UnknownLink


@blueprint.get("/u/<token>")
def unsubscribe(token: str) -> ResponseReturnValue:
    """Ask first: programs that look at links must not end anybody's mail."""
    mine = services()
    with mine.database.reading() as session:
        _, delivery = _who(session, token, mine)
    return _page(delivery, is_done=False)


@blueprint.post("/u/<token>")
def end_mail(token: str) -> ResponseReturnValue:
    """End mail to this delivery's address. Doing it twice is the same."""
    mine = services()
    with mine.database.writing() as session:
        link, delivery = _who(session, token, mine)
        if delivery.email:
            now = mine.clock.now()
            note_consent(
                session,
                contact=contact_hash(delivery.email, pepper_of(mine.settings.secret_keys)),
                channel=Channel.EMAIL,
                action=ConsentAction.OPT_OUT,
                source="email_one_click",
                actor=Actor(ActorKind.RECIPIENT, link.id),
                now=now,
                evidence=link.id,
            )
            mark_plan_dirty(session, [delivery.id], now)
    mine.wake.reconcile()
    return _page(delivery, is_done=True)


def _who(session: Session, token: str, mine: Services) -> tuple[Link, Delivery]:
    """Return whose mail this is. An old link still ends mail: only its signature counts."""
    link = session.get(Link, mine.links.link_id(token, Audience.UNSUBSCRIBE))
    if link is None or link.delivery_id is None:
        raise UnknownLink
    return link, load(session, link.delivery_id)


def _page(delivery: Delivery, *, is_done: bool) -> str:
    return render_template("recipient/unsubscribe.html", locale=delivery.locale, zone=delivery.zone, is_done=is_done)
