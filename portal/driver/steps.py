"""What the driver taps: each view takes one step in one transaction, tells the others and leads on."""

from collections.abc import Callable
from datetime import timedelta

from flask import redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.driver.day import load_day
from portal.driver.missing import list_missing, settle_missing
from portal.driver.proofs import taken_proofs
from portal.driver.routing import blueprint
from portal.driver.shift import Shift, current_shift
from portal.services import services
from tracking import driver_day
from tracking.actors import Actor, ActorKind
from tracking.facts import inbox_changed, publish
from tracking.geo import is_place
from tracking.ids import new_id
from tracking.taps import FailureReason, MissingReason, Step, Tap

LONGEST_REQUEST_ID = 64
TOLD_FROM_S = 5.0  # less is the time a request takes
LONGEST_WAIT_S = 12 * 3600.0  # a shift; a phone's clock that says more is wrong (our choice)
DoStep = Callable[[Session, Shift, Tap], Step]


@blueprint.post("/deliveries/<delivery_id>/loaded")
def loaded(delivery_id: str) -> Response:
    """Tick one off as in the van."""

    def step(session: Session, _shift: Shift, tap: Tap) -> Step:
        done = driver_day.load(session, delivery_id, tap)
        if not done.is_repeat:
            settle_missing(session, delivery_id, tap)
        return done

    _take(step, delivery_id=delivery_id)
    publish(services().redis, [inbox_changed()])
    return _to_day("loaded", delivery_id)


@blueprint.post("/deliveries/<delivery_id>/not-loaded")
def not_loaded(delivery_id: str) -> Response:
    """Say that one is missing, and why; staff get a task."""
    reason = request.form.get("reason", "").strip() or request.form.get("usual_reason", "")

    def step(session: Session, _shift: Shift, tap: Tap) -> Step:
        done = driver_day.mark_not_loaded(session, delivery_id, tap, reason=reason)
        if not done.is_repeat:
            list_missing(session, delivery_id, tap, reason)
        return done

    _take(step, delivery_id=delivery_id)
    publish(services().redis, [inbox_changed()])
    return _to_day("not-loaded", delivery_id)


@blueprint.post("/scan")
def scan() -> Response:
    """Tick off by what the label says, from the camera or typed."""
    wanted = request.form.get("reference", "").strip().casefold()
    mine = services()
    with mine.database.reading() as session:
        day = load_day(session, current_shift(session).route_id, mine.clock.now())
    found = next((delivery for delivery in day.deliveries if delivery.reference.casefold() == wanted), None)
    if found is None:
        return _to_day("unknown", None)
    if not found.is_waiting:
        return _to_day("already-loaded", found.id)
    return loaded(found.id)


@blueprint.post("/start")
def start() -> Response:
    """Start the route."""
    _take(lambda session, shift, tap: driver_day.start_route(session, shift.route_id, tap))
    return _to_day("started", None)


@blueprint.post("/stops/<stop_id>/arrived")
def arrived(stop_id: str) -> Response:
    """Say that the driver is at the door."""
    _take(lambda session, _shift, tap: driver_day.arrive(session, stop_id, tap), stop_id=stop_id)
    return redirect(url_for("driver.stop", stop_id=stop_id), 303)


@blueprint.post("/deliveries/<delivery_id>/delivered")
def delivered(delivery_id: str) -> Response:
    """Hand over, with photo, signature and the receiver's name as far as they were taken."""
    with services().database.reading() as session:
        _require_own(session, current_shift(session), delivery_id, None)
    proofs = taken_proofs(request, services().files)
    step = _take(
        lambda session, _shift, tap: driver_day.deliver(session, delivery_id, tap, proofs=proofs),
        delivery_id=delivery_id,
    )
    return _onward(step)


@blueprint.post("/deliveries/<delivery_id>/failed")
def failed(delivery_id: str) -> Response:
    """Say that it could not be handed over, and why."""
    reason, note = _failure_reason(request.form.get("reason", "")), request.form.get("note", "")

    def step(session: Session, _shift: Shift, tap: Tap) -> Step:
        if reason is None:
            raise MissingReason
        return driver_day.fail(session, delivery_id, tap, reason=reason, note=note)

    return _onward(_take(step, delivery_id=delivery_id))


@blueprint.post("/deliveries/<delivery_id>/undo")
def undo(delivery_id: str) -> Response:
    """Take the last step on this delivery back."""
    step = _take(lambda session, _shift, tap: driver_day.undo(session, delivery_id, tap), delivery_id=delivery_id)
    with services().database.reading() as session:
        day = load_day(session, step.route_id, services().clock.now())
    if day.is_planned:
        return _to_day("unloaded", delivery_id)
    return redirect(url_for("driver.stop", stop_id=step.stop_id, said="undone", about=delivery_id), 303)


@blueprint.post("/finish")
def finish() -> Response:
    """Finish the route; what is left fails with the reason chosen."""
    rest_reason = _failure_reason(request.form.get("rest_reason", ""))
    _take(lambda session, shift, tap: driver_day.finish_route(session, shift.route_id, tap, rest_reason=rest_reason))
    return redirect(url_for("driver.day"), 303)


@blueprint.post("/reopen")
def reopen() -> Response:
    """Take a finish back."""
    _take(lambda session, shift, tap: driver_day.reopen_route(session, shift.route_id, tap))
    return _to_day("reopened", None)


def _take(step: DoStep, *, delivery_id: str | None = None, stop_id: str | None = None) -> Step:
    """Take a step on something of this shift's route; tell pages and the planner after the commit."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        shift = current_shift(session)
        _require_own(session, shift, delivery_id, stop_id)
        tap = Tap(
            now=now - _waited(),
            heard_at=now,
            actor=Actor(ActorKind.DRIVER, shift.driver_id),
            ids=new_id,
            request_id=request.form.get("request_id", "")[:LONGEST_REQUEST_ID] or new_id(),
            where=_where(),
        )
        done = step(session, shift, tap)
    publish(mine.redis, done.facts())
    if not done.is_repeat:
        mine.wake.reconcile()
    return done


def _require_own(session: Session, shift: Shift, delivery_id: str | None, stop_id: str | None) -> None:
    """Raise ``NotFound`` for anything that is not on this shift's route."""
    day = load_day(session, shift.route_id, services().clock.now())
    if delivery_id is not None:
        day.delivery(delivery_id)
    if stop_id is not None:
        day.stop(stop_id)


def _waited() -> timedelta:
    """Return how long a tap waited on the phone for signal; what makes no sense counts as no time."""
    try:
        waited_s = float(request.form.get("tapped_s_ago", "0"))
    except ValueError:
        return timedelta()
    return timedelta(seconds=waited_s) if TOLD_FROM_S <= waited_s <= LONGEST_WAIT_S else timedelta()


def _where() -> tuple[float, float] | None:
    """Return where the phone says it is, when it said so with the form."""
    try:
        lat, lon = float(request.form.get("lat", "")), float(request.form.get("lon", ""))
    except ValueError:
        return None
    return (lat, lon) if is_place(lat, lon) else None


def _failure_reason(text: str) -> FailureReason | None:
    try:
        return FailureReason(text)
    except ValueError:
        return None


def _onward(step: Step) -> Response:
    """Lead back to the stop while something else is open there, else to the day with its undo."""
    mine = services()
    with mine.database.reading() as session:
        day = load_day(session, step.route_id, mine.clock.now())
    assert step.stop_id is not None
    if day.stop(step.stop_id).is_open:
        return redirect(url_for("driver.stop", stop_id=step.stop_id), 303)
    return redirect(url_for("driver.day"), 303)


def _to_day(said: str, about: str | None) -> Response:
    return redirect(url_for("driver.day", said=said, about=about), 303)
