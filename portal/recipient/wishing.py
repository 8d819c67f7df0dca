"""What a recipient who will not be home can do: ask for something, take it back, be late, ask to be called."""

from collections.abc import Callable
from datetime import date, datetime

from flask import redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.chat_lines import Origin
from messaging.errors import MessagingError
from messaging.recipient_acts import NoMinutes, ask_for_call, come_late
from messaging.wish_actions import ask_for, possible_days, take_back
from messaging.wish_texts import days_words, wish_text
from messaging.wishes import WishKind, WishRefused
from portal.guards import is_counted, limiter
from portal.htmx import htmx
from portal.i18n import tongue
from portal.recipient.shell import Visit, blueprint, link_key, rendered, visit
from portal.recipient.view import RecipientView
from portal.services import services
from tracking.deliveries import load
from tracking.facts import Fact, chat_changed, delivery_changed, inbox_changed, publish, route_changed

Act = Callable[[Session, Visit, datetime], object]


@blueprint.post("/t/<token>/wish")
@limiter.limit("10/minute;40/hour", key_func=link_key, deduct_when=is_counted)
def ask_wish(token: str) -> ResponseReturnValue:
    """Ask for a safe place, a neighbour or another day."""
    kind, day = _kind(request.form.get("kind", "")), _day(request.form.get("day", ""))

    def act(session: Session, here: Visit, now: datetime) -> None:
        ask_for(
            session,
            here.delivery_id,
            kind,
            what=request.form.get("what", ""),
            wanted_on=day,
            origin=Origin.PAGE,
            now=now,
            request_id=request.form.get("request_id") or None,
        )

    return _take(token, act)


@blueprint.post("/t/<token>/wish/back")
@limiter.limit("10/minute;40/hour", key_func=link_key, deduct_when=is_counted)
def take_wish_back(token: str) -> ResponseReturnValue:
    """Take back what was asked for or agreed."""
    return _take(token, lambda session, here, now: take_back(session, here.delivery_id, now=now))


@blueprint.post("/t/<token>/late")
@limiter.limit("10/minute;40/hour", key_func=link_key, deduct_when=is_counted)
def be_late(token: str) -> ResponseReturnValue:
    """Tell the driver by how many minutes the recipient is late."""
    minutes, request_id = request.form.get("minutes", type=int), request.form.get("request_id") or None

    def act(session: Session, here: Visit, now: datetime) -> None:
        come_late(session, here.delivery_id, minutes, origin=Origin.PAGE, now=now, request_id=request_id)

    return _take(token, act, said="The driver is told.")


@blueprint.post("/t/<token>/call")
@limiter.limit("5/minute;20/hour", key_func=link_key, deduct_when=is_counted)
def ask_call(token: str) -> ResponseReturnValue:
    """Ask to be called back."""
    request_id = request.form.get("request_id") or None

    def act(session: Session, here: Visit, now: datetime) -> None:
        ask_for_call(session, here.delivery_id, origin=Origin.PAGE, now=now, request_id=request_id)

    return _take(token, act, said="We will call you as soon as we can.")


def _take(token: str, act: Act, said: str = "") -> ResponseReturnValue:
    """Do it, or say in the recipient's language why not; htmx gets the card, a plain form a page."""
    mine = services()
    refusal = ""
    with mine.database.writing() as session:
        here = visit(session, token, mine)
        delivery = load(session, here.delivery_id)
        locale = here.language or delivery.locale
        try:
            act(session, here, here.now)
        except WishRefused as error:
            days = days_words(possible_days(session, delivery, here.now), locale)
            refusal = wish_text(error.code, locale, days=days) if error.code in _SAID else str(error)
        except (NoMinutes, MessagingError) as error:
            refusal = tongue(locale).say(str(error))
        session.flush()
        view = here.read(session, mine)
    if refusal:
        return _refused(view, here, refusal)
    publish(mine.redis, _facts(view))
    mine.wake.reconcile()
    if htmx:
        return _card(view, here, said=said)
    return redirect(here.url("messages") + "#away", 303)


_SAID = {"nothing", "nothing_asked", "too_long", "over", "at_door", "on_its_way", "not_handed_over", "no_such_day"}


def _facts(view: RecipientView) -> list[Fact]:
    told = [delivery_changed(view.delivery_id), chat_changed(view.delivery_id), route_changed(view.route_id)]
    return [*told, inbox_changed()]


def _refused(view: RecipientView, here: Visit, refusal: str) -> ResponseReturnValue:
    if htmx:
        return _card(view, here, refusal=refusal), 422
    return rendered("recipient/messages.html", view, here, away_refusal=refusal), 422


def _card(view: RecipientView, here: Visit, *, said: str = "", refusal: str = "") -> str:
    return rendered("recipient/away.html", view, here, away_said=said, away_refusal=refusal)


def _kind(text: str) -> WishKind:
    try:
        return WishKind(text)
    except ValueError:
        return WishKind.SAFE_PLACE  # without words it is refused with a sentence


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
