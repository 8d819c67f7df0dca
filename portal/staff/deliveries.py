"""One delivery: everything known of it, and the changes of the day."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.kinds import Channel
from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.facts import Facts, facts_of
from portal.staff.links import send_to_recipient
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, me, note_view, offer_undo, refused, requires
from tracking import changes
from tracking.changes import Changed
from tracking.deliveries import MOVES, UNDER_WAY, Delivery, DeliveryStatus, load
from tracking.errors import NotFound, TrackingError
from tracking.facts import publish
from tracking.ids import new_id, new_link_id
from tracking.proofs import Proof
from tracking.routes import Route, RouteStatus

LINK_LASTS = timedelta(days=14)  # after the end of the window (reference/messaging.md 5.2)
CONTACTS = ("recipient_name", "phone", "email")


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was refused: which one, why, and what was typed, so that nothing is lost."""

    name: str = ""
    problem: str = ""
    typed: dict[str, str] | None = None

    def value(self, name: str, field: str, usual: str) -> str:
        """Return what a field shows: what was typed into this form, else what is on record."""
        return (self.typed or {}).get(field, usual) if name == self.name else usual


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What the page shows."""

    facts: Facts
    form: Form
    service_on: str
    window_start: str
    window_end: str
    routes: tuple[tuple[str, str], ...]
    can_change: bool
    can_reschedule: bool
    is_in_van: bool
    can_cancel: bool


@blueprint.get("/deliveries/<delivery_id>")
@requires(Role.AGENT)
def delivery(delivery_id: str) -> ResponseReturnValue:
    """Show one delivery; who looked goes on record."""
    mine = services()
    with mine.database.writing() as session:
        view = _view(session, delivery_id)
        note_view(session, "view", "delivery", delivery_id, mine.clock.now())
    return render_template("staff/delivery.html", view=view)


@blueprint.get("/deliveries/<delivery_id>/part")
@requires(Role.AGENT, counts_as_use=False)
def delivery_part(delivery_id: str) -> ResponseReturnValue:
    """The facts alone."""
    with services().database.reading() as session:
        return render_template("staff/_facts.html", view=_view(session, delivery_id))


@blueprint.post("/deliveries/<delivery_id>/reschedule")
@requires(Role.DISPATCHER)
def delivery_reschedule(delivery_id: str) -> ResponseReturnValue:
    """Move the delivery to another time, after showing what that does."""
    form = request.form
    try:
        on = date.fromisoformat(form.get("service_on", ""))
    except ValueError:
        return _again(delivery_id, "reschedule", "Choose a day.")
    start, end = form.get("window_start", ""), form.get("window_end", "")

    def act(session: Session, now: datetime) -> Changed:
        found = load(session, delivery_id)
        stays = found.stop.route_id if found.service_on == on else None
        return changes.reschedule(
            session,
            delivery_id,
            service_on=on,
            window_start=start,
            window_end=end,
            now=now,
            actor=me().actor,
            ids=new_id,
            route_id=form.get("route_id") or stays,
        )

    if not is_confirmed():
        problem = _try(act)
        if problem:
            return _again(delivery_id, "reschedule", problem)
        effects = [
            f"It comes on {words.day(on)} between {start} and {end}.",
            "The recipient is told at once, on all channels. The link stays the same.",
        ]
        back = url_for("staff.delivery", delivery_id=delivery_id)
        return ask_first(question="Move this delivery?", effects=effects, yes="Move it", back=back)
    problem = _change(delivery_id, "reschedule", act)
    if problem:
        return _again(delivery_id, "reschedule", problem)
    return done("staff.delivery", f"Moved to {words.day(on)}, {start}–{end}.", delivery_id=delivery_id)


@blueprint.post("/deliveries/<delivery_id>/cancel")
@requires(Role.DISPATCHER)
def delivery_cancel(delivery_id: str) -> ResponseReturnValue:
    """Cancel the delivery, after asking."""
    reason = request.form.get("reason", "")

    def act(session: Session, now: datetime) -> Changed:
        return changes.cancel(session, delivery_id, now=now, actor=me().actor, ids=new_id, reason=reason)

    if not is_confirmed():
        problem = _try(act)
        if problem:
            return _again(delivery_id, "cancel", problem)
        effects = ["The recipient is told at once.", "It leaves the driver's list. This cannot be taken back."]
        back = url_for("staff.delivery", delivery_id=delivery_id)
        return ask_first(question="Cancel this delivery?", effects=effects, yes="Cancel it", back=back)
    problem = _change(delivery_id, "cancel", act)
    if problem:
        return _again(delivery_id, "cancel", problem)
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

    problem = _change(delivery_id, "contacts", act)
    if problem:
        return _again(delivery_id, "contacts", problem)
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

    problem = _change(delivery_id, "instructions", act)
    if problem:
        return _again(delivery_id, "instructions", problem)
    if request.form.get("undone") != "yes" and wanted.strip() != old:
        action = url_for("staff.delivery_instructions", delivery_id=delivery_id)
        offer_undo("The driver sees that now.", action=action, fields={"instructions": old, "undone": "yes"})
    return done("staff.delivery", delivery_id=delivery_id)


@blueprint.post("/deliveries/<delivery_id>/link/<any('resend', 'renew', 'revoke'):step>")
@requires(Role.DISPATCHER)
def delivery_link(delivery_id: str, step: str) -> ResponseReturnValue:
    """Send the recipient's link again, replace it by a new one and send that, or end it. The last two ask first."""
    if step != "resend" and not is_confirmed():
        effects = ["Whoever has the page open by the old link is shut out at once."]
        effects += ["A new link goes to the recipient on all channels."] if step == "renew" else []
        question = "Replace the recipient's link?" if step == "renew" else "End the recipient's link?"
        back = url_for("staff.delivery", delivery_id=delivery_id)
        return ask_first(
            question=question, effects=effects, yes="Replace it" if step == "renew" else "End it", back=back
        )
    told: list[Channel] = []

    def act(session: Session, now: datetime) -> Changed:
        found = load(session, delivery_id)
        changed = Changed((delivery_id,))
        if step == "revoke":
            return changes.revoke_links(session, delivery_id, now=now)
        if step == "renew":
            lasts = max(found.window_end_at, now) + LINK_LASTS
            changed = changes.renew_link(session, delivery_id, expires_at=lasts, now=now, link_id=new_link_id())[1]
        told.extend(send_to_recipient(session, found, now=now, ids=new_id))
        return changed

    problem = _change(delivery_id, f"{step}_link", act)
    if problem:
        return refused("staff.delivery", problem, delivery_id=delivery_id)
    by = " and ".join(words.CHANNEL[channel] for channel in told)
    said = "The link has ended." if step == "revoke" else f"The link goes out by {by} now."
    return done("staff.delivery", said, delivery_id=delivery_id)


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


class _Rehearsed(Exception):
    """A change would work; it was only tried, and is rolled back."""


def _try(act: Callable[[Session, datetime], Changed]) -> str:
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


def _change(delivery_id: str, action: str, act: Callable[[Session, datetime], Changed]) -> str:
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


def _again(delivery_id: str, name: str, problem: str) -> tuple[str, int]:
    """Return the page with the form that was refused as it was typed."""
    with services().database.reading() as session:
        view = _view(session, delivery_id, Form(name, problem, request.form.to_dict()))
    return render_template("staff/delivery.html", view=view), 422


def _view(session: Session, delivery_id: str, form: Form = Form()) -> DeliveryView:
    now = services().clock.now()
    found = load(session, delivery_id)
    moves = MOVES[found.status]
    can_change = me().may("dispatcher")
    return DeliveryView(
        facts=facts_of(session, found, now),
        form=form,
        service_on=found.service_on.isoformat(),
        window_start=_typed_time(found.window_start_at, found.zone),
        window_end=_typed_time(found.window_end_at, found.zone),
        routes=_routes(session, found),
        can_change=can_change,
        can_reschedule=can_change and DeliveryStatus.RESCHEDULED in moves,
        is_in_van=found.status in UNDER_WAY,
        can_cancel=can_change and DeliveryStatus.CANCELLED in moves,
    )


def _routes(session: Session, found: Delivery) -> tuple[tuple[str, str], ...]:
    """Return the routes of the coming week that it could move to."""
    until = found.service_on + timedelta(days=7)
    statement = select(Route).where(
        Route.service_on >= found.service_on,
        Route.service_on <= until,
        Route.status.in_((RouteStatus.PLANNED, RouteStatus.STARTED)),
    )
    coming = session.scalars(statement.order_by(Route.service_on, Route.name).limit(60))
    return tuple((route.id, f"{words.day(route.service_on)}: {route.name}") for route in coming)


def _typed_time(at: datetime, zone: str) -> str:
    """Return a local time as a form's field holds it."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M}"
