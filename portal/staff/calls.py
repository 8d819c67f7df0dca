"""Calling who could not be reached: the number, which is masked everywhere else on the list, and what to tell them."""

from dataclasses import dataclass
from datetime import datetime

from flask import render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.unreached import Unreached
from portal.accounts import Role
from portal.rendering import spaced
from portal.services import services
from portal.staff import words
from portal.staff.day import route_name
from portal.staff.shell import blueprint, note_view, refused, requires
from portal.staff.unreached import line_of, number_of
from tracking.deliveries import Delivery
from tracking.drivers import Driver
from tracking.routes import Route


@dataclass(frozen=True, slots=True)
class CallView:
    """What the page shows. ``facts`` are what to tell them, as (name, words)."""

    task_id: str
    name: str
    phone: str
    phone_text: str
    facts: tuple[tuple[str, str], ...]
    delivery_id: str


@blueprint.get("/unreached/<task_id>/call")
@requires(Role.AGENT)
def unreached_call(task_id: str) -> ResponseReturnValue:
    """Show the number of somebody who could not be reached; who looked goes on record."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        line = line_of(session, task_id, now)
        view = _view(session, line, now)
        if view.phone:
            kind, subject = ("delivery", view.delivery_id) if view.delivery_id else ("task", task_id)
            note_view(session, "show_number", kind, subject, now)
    if not view.phone:
        return refused("staff.unreached_page", "There is no number to call.", _anchor=f"task-{task_id}")
    return render_template("staff/call.html", view=view)


def _view(session: Session, line: Unreached, now: datetime) -> CallView:
    delivery, phone = line.delivery, number_of(line)
    return CallView(
        task_id=line.task.id,
        name=delivery.recipient_name if delivery else _driver_name(session, line),
        phone=phone,
        phone_text=spaced(phone),
        facts=_facts(line, delivery, now) if delivery else (),
        delivery_id=delivery.id if delivery else "",
    )


def _driver_name(session: Session, line: Unreached) -> str:
    route = session.get(Route, line.failed.route_id) if line.failed and line.failed.route_id else None
    driver = session.get(Driver, route.driver_id) if route else None
    return driver.name if driver else "them"


def _facts(line: Unreached, delivery: Delivery, now: datetime) -> tuple[tuple[str, str], ...]:
    window = words.window(delivery.window_start_at, delivery.window_end_at, delivery.zone)
    told = (
        ("They did not get", words.KIND[line.failed.kind] if line.failed else ""),
        ("Delivery", " · ".join(text for text in (delivery.reference, delivery.items) if text)),
        ("Is now", words.DELIVERY[delivery.status].word),
        ("Promised", f"{words.day(delivery.service_on, now)}, {window}"),
        ("Route", route_name(delivery.stop.route)),
        ("Address", delivery.stop.address),
        ("Language", delivery.locale),
    )
    return tuple((name, text) for name, text in told if text)
