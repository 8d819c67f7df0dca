"""Deliveries over HTTP: look at them, change them."""

from datetime import date, datetime

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.api.answers import Refused, body_of, told
from portal.api.gate import api_key_id, blueprint, caller
from portal.api.idempotency import once
from portal.api.paging import page_of
from portal.api.shapes import DeliveryPage, DeliveryPatch, DeliveryWhole, Trouble
from portal.api.views_of import delivery_out, delivery_whole, live_link_id
from portal.audit import audit
from portal.services import services
from tracking import changes
from tracking.changes import Changed
from tracking.deliveries import Delivery, DeliveryStatus, load, load_many
from tracking.facts import Fact, publish
from tracking.ids import new_id
from tracking.links import Audience


@blueprint.get("/deliveries")
def list_deliveries() -> Response:
    """Return deliveries, all or those with a reference, of a day or in a status; by id."""
    page = page_of(request.args)
    statement = select(Delivery.id).order_by(Delivery.id).limit(page.limit + 1)
    if page.after is not None:
        statement = statement.where(Delivery.id > page.after)
    reference = request.args.get("reference")
    if reference is not None:
        statement = statement.where(Delivery.reference == reference.replace("\x00", ""))
    if "date" in request.args:
        statement = statement.where(Delivery.service_on == _day(request.args["date"]))
    if "status" in request.args:
        statement = statement.where(Delivery.status == _status(request.args["status"]))
    with services().database.reading() as session:
        ids = list(session.scalars(statement))
        whole = load_many(session, ids[: page.limit])
    shown = [delivery_out(whole[delivery_id]) for delivery_id in ids[: page.limit]]
    return told(DeliveryPage(deliveries=shown, next=shown[-1].id if len(ids) > page.limit else None))


@blueprint.get("/deliveries/<delivery_id>")
def show_delivery(delivery_id: str) -> Response:
    """Return one delivery with its custody."""
    with services().database.reading() as session:
        return told(_whole(session, delivery_id))


@blueprint.patch("/deliveries/<delivery_id>")
def change_delivery(delivery_id: str) -> Response:
    """Change a delivery: all of it or, when one part is refused, nothing."""
    mine = services()
    patch = DeliveryPatch.model_validate(body_of(request))
    if not patch.model_fields_set - {"reason"}:
        raise Refused(422, "There is nothing to change.")
    if patch.status is not None and patch.reschedule is not None:
        raise Refused(422, "A delivery cannot be cancelled and rescheduled at once.")
    published: list[Fact] = []

    def work(session: Session, now: datetime) -> Response:
        for action, changed in _apply(session, delivery_id, patch, now=now):
            audit(session, caller(), action, "delivery", delivery_id, now)
            published.extend(changed.facts())
        session.flush()
        session.expire_all()
        return told(_whole(session, delivery_id))

    response, is_first = once(mine, request, api_key_id(), work)
    if is_first and published:
        publish(mine.redis, published)
        mine.wake.reconcile()
    return response


def _apply(session: Session, delivery_id: str, patch: DeliveryPatch, *, now: datetime) -> list[tuple[str, Changed]]:
    """Do each part of the patch; return what was done under the name it is audited by."""
    done: list[tuple[str, Changed]] = []
    given = patch.model_fields_set
    load(session, delivery_id)
    if given & {"phone", "email", "recipient"}:
        changed = changes.correct_contact(
            session,
            delivery_id,
            now=now,
            region=services().settings.default_region,
            phone=(patch.phone or "") if "phone" in given else None,
            email=(patch.email or "") if "email" in given else None,
            recipient_name=patch.recipient,
        )
        done.append(("correct_contact", changed))
    if "instructions" in given:
        changed = changes.set_instructions(session, delivery_id, instructions=patch.instructions or "", now=now)
        done.append(("set_instructions", changed))
    if "note" in given:
        done.append(("set_note", changes.set_note(session, delivery_id, note=patch.note or "", now=now)))
    if patch.reschedule is not None:
        wanted = patch.reschedule
        changed = changes.reschedule(
            session,
            delivery_id,
            service_on=wanted.date,
            window_start=wanted.window_start,
            window_end=wanted.window_end,
            route_id=wanted.route_id,
            now=now,
            actor=caller(),
            ids=new_id,
        )
        done.append(("reschedule", changed))
    if patch.status is not None:
        changed = changes.cancel(session, delivery_id, now=now, actor=caller(), ids=new_id, reason=patch.reason)
        done.append(("cancel", changed))
    return done


def _whole(session: Session, delivery_id: str) -> DeliveryWhole:
    delivery = load(session, delivery_id)
    link_id = live_link_id(session, delivery_id)
    mine = services()
    url = None
    if link_id is not None:
        url = f"{mine.settings.public_url}/t/{mine.links.token(link_id, Audience.RECIPIENT)}"
    return delivery_whole(session, delivery, url)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(422, "", [Trouble(path="date", reason="write it as 2026-01-31")]) from None


def _status(text: str) -> DeliveryStatus:
    try:
        return DeliveryStatus(text)
    except ValueError:
        known = ", ".join(status.value for status in DeliveryStatus)
        raise Refused(422, "", [Trouble(path="status", reason=f"is one of {known}")]) from None
