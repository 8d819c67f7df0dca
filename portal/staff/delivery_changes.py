"""A change of one delivery: tried, done and told, or shown again with why not."""

from collections.abc import Callable
from datetime import datetime

from flask import render_template, request
from sqlalchemy.orm import Session

from messaging.kinds import Channel
from portal.services import services
from portal.staff.delivery_views import Form, view_of
from portal.staff.shell import note_view
from tracking.changes import Changed
from tracking.errors import NotFound, TrackingError
from tracking.facts import publish


class _Rehearsed(Exception):
    """A change would work; it was only tried, and is rolled back."""


def try_change(act: Callable[[Session, datetime], Changed]) -> str:
    """Return why a change would be refused, changing nothing."""
    mine = services()
    try:
        with mine.database.writing() as session:
            act(session, mine.clock.now())
            raise _Rehearsed
    except _Rehearsed:
        return ""
    except NotFound:
        raise
    except TrackingError as error:
        return str(error)


def change_delivery(delivery_id: str, action: str, act: Callable[[Session, datetime], Changed]) -> str:
    """Do one change in one transaction, put it on record, tell the live pages; return why not, or nothing."""
    mine = services()
    now = mine.clock.now()
    try:
        with mine.database.writing() as session:
            changed = act(session, now)
            note_view(session, action, "delivery", delivery_id, now)
    except NotFound:
        raise
    except TrackingError as error:
        return str(error)
    publish(mine.redis, changed.facts())
    mine.wake.reconcile()
    mine.wake.send(Channel.SMS)
    return ""


def again(delivery_id: str, name: str, problem: str) -> tuple[str, int]:
    """Return the page with the form that was refused as it was typed."""
    with services().database.reading() as session:
        view = view_of(session, delivery_id, Form(name, problem, request.form.to_dict()))
    return render_template("staff/delivery.html", view=view), 422
