"""One delivery: everything known of it, and what dispatch may correct."""

from datetime import datetime

from flask import render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.accounts import Role
from portal.services import services
from portal.staff.delivery_changes import again, change_delivery, try_change
from portal.staff.delivery_views import view_of
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, me, note_view, offer_undo, requires
from tracking import changes
from tracking.changes import Changed
from tracking.deliveries import load
from tracking.errors import NotFound
from tracking.ids import new_id
from tracking.proofs import Proof

CONTACTS = ("recipient_name", "phone", "email")


@blueprint.get("/deliveries/<delivery_id>")
@requires(Role.AGENT)
def delivery(delivery_id: str) -> ResponseReturnValue:
    """Show one delivery; who looked goes on record."""
    mine = services()
    with mine.database.writing() as session:
        view = view_of(session, delivery_id)
        note_view(session, "view", "delivery", delivery_id, mine.clock.now())
    return render_template("staff/delivery.html", view=view)


@blueprint.get("/deliveries/<delivery_id>/part")
@requires(Role.AGENT, counts_as_use=False)
def delivery_part(delivery_id: str) -> ResponseReturnValue:
    """The facts alone."""
    with services().database.reading() as session:
        return render_template("staff/_facts.html", view=view_of(session, delivery_id))


@blueprint.post("/deliveries/<delivery_id>/cancel")
@requires(Role.DISPATCHER)
def delivery_cancel(delivery_id: str) -> ResponseReturnValue:
    """Cancel the delivery, after asking."""
    reason = request.form.get("reason", "")

    def act(session: Session, now: datetime) -> Changed:
        return changes.cancel(session, delivery_id, now=now, actor=me().actor, ids=new_id, reason=reason)

    if not is_confirmed():
        problem = try_change(act)
        if problem:
            return again(delivery_id, "cancel", problem)
        effects = ["The recipient is told at once.", "It leaves the driver's list. This cannot be taken back."]
        back = url_for("staff.delivery", delivery_id=delivery_id)
        return ask_first(question="Cancel this delivery?", effects=effects, yes="Cancel it", back=back)
    problem = change_delivery(delivery_id, "cancel", act)
    if problem:
        return again(delivery_id, "cancel", problem)
    return done("staff.delivery", "Cancelled. The recipient is told.", delivery_id=delivery_id)


@blueprint.post("/deliveries/<delivery_id>/contacts")
@requires(Role.DISPATCHER)
def delivery_contacts(delivery_id: str) -> ResponseReturnValue:
    """Correct name, phone or email; it can be taken back on the next page."""
    mine = services()
    typed = {name: request.form.get(name, "") for name in CONTACTS}
    with mine.database.reading() as session:
        before = load(session, delivery_id)
        old = {name: getattr(before, name) or "" for name in CONTACTS}

    def act(session: Session, now: datetime) -> Changed:
        region = mine.settings.default_region
        return changes.correct_contact(session, delivery_id, now=now, region=region, **typed)

    problem = change_delivery(delivery_id, "contacts", act)
    if problem:
        return again(delivery_id, "contacts", problem)
    if request.form.get("undone") != "yes" and typed != old:
        action = url_for("staff.delivery_contacts", delivery_id=delivery_id)
        offer_undo("Corrected. What is still to be sent goes there.", action=action, fields=old | {"undone": "yes"})
    return done("staff.delivery", delivery_id=delivery_id)


@blueprint.post("/deliveries/<delivery_id>/instructions")
@requires(Role.DISPATCHER)
def delivery_instructions(delivery_id: str) -> ResponseReturnValue:
    """Change what the company tells the driver; it can be taken back on the next page."""
    wanted = request.form.get("instructions", "")
    with services().database.reading() as session:
        old = load(session, delivery_id).instructions

    def act(session: Session, now: datetime) -> Changed:
        return changes.set_instructions(session, delivery_id, instructions=wanted, now=now)

    problem = change_delivery(delivery_id, "instructions", act)
    if problem:
        return again(delivery_id, "instructions", problem)
    if request.form.get("undone") != "yes" and wanted.strip() != old:
        action = url_for("staff.delivery_instructions", delivery_id=delivery_id)
        offer_undo("The driver sees that now.", action=action, fields={"instructions": old, "undone": "yes"})
    return done("staff.delivery", delivery_id=delivery_id)


@blueprint.get("/proofs/<proof_id>")
@requires(Role.AGENT)
def proof(proof_id: str) -> ResponseReturnValue:
    """A photo or signature, in the copy without camera data; who looked goes on record."""
    mine = services()
    with mine.database.writing() as session:
        found = session.get(Proof, proof_id)
        if found is None or found.public_sha256 is None:
            raise NotFound("proof", proof_id)
        path = mine.files.path(found.public_sha256)
        note_view(session, "view", "proof", proof_id, mine.clock.now())
    if not path.exists():
        raise NotFound("proof", proof_id)
    return send_file(path, mimetype=found.content_type or "image/jpeg", max_age=0)
