"""A change of one delivery: tried, done and told, or shown again with why not."""

from collections.abc import Callable
from datetime import datetime

from flask import render_template, request
from sqlalchemy.orm import Session

from portal.services import services
from portal.staff.changing import carry_out
from portal.staff.delivery_views import Form, view_of
from tracking.changes import Changed
from tracking.errors import NotFound, TrackingError


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
    """Carry a change out; return why not, or nothing. Raises ``NotFound``."""
    try:
        carry_out("delivery", delivery_id, action, act)
    except NotFound:
        raise
    except TrackingError as error:
        return str(error)
    return ""


def again(delivery_id: str, name: str, problem: str) -> tuple[str, int]:
    """Return the page with the form that was refused as it was typed."""
    with services().database.reading() as session:
        view = view_of(session, delivery_id, Form(name, problem, request.form.to_dict()))
    return render_template("staff/delivery.html", view=view), 422
