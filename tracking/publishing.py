"""From fresh estimates to what pages and messages read: stops' times, promises, marks; each only when it changes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tracking.breaks import Breaks
from tracking.deliveries import Delivery, DeliveryStatus, EstimateMade, PromiseChange
from tracking.eta import Cause, Estimate
from tracking.promise import Promise, next_promise
from tracking.routes import RouteStatus
from tracking.stops import Stop
from tracking.under_way import UnderWay

MODEL = "shrunk-pace-1"
NEXT_STOP_S = 900.0  # DESIGN 4: "no stop before, or median ETA <= 15 min"
# A stop's estimate is written again when it moved by this much; pages round to five minutes anyway (our choice).
WORTH_WRITING_S = 15.0
# How often an estimate is kept for staff: each minute close by, seldom far off (at most one a minute and stop).
KEEP_EVERY = ((900.0, timedelta(minutes=1)), (4500.0, timedelta(minutes=5)), (float("inf"), timedelta(minutes=15)))
# Whom an estimate is promised to: before the start everybody, then those whose goods are in the van.
_PROMISED = {
    RouteStatus.PLANNED: frozenset({DeliveryStatus.SCHEDULED, DeliveryStatus.LOADED}),
    RouteStatus.STARTED: frozenset({DeliveryStatus.OUT_FOR_DELIVERY}),
}


@dataclass(slots=True)
class Shown:
    """What a look at a route changed. ``is_dirty``: a message may have to be planned, moved or withdrawn."""

    delivery_ids: list[str] = field(default_factory=list)
    is_dirty: bool = False


class Publisher:
    """Writes estimates and promises. Remembers when it last kept an estimate of each stop."""

    def __init__(self) -> None:
        self._kept_at: dict[str, datetime] = {}
        self._known_routes: set[str] = set()
        self._breaks = Breaks()

    def write(self, session: Session, seen: UnderWay, *, now: datetime) -> Shown:
        """Write what the route's engine expects ``now``, deliveries before stops: the order that taps lock in."""
        estimates = seen.progress.estimates(now)
        shown = Shown()
        counted = {stop.id: stop.stops_before for stop in seen.stops}
        for delivery in seen.deliveries:
            estimate = estimates.get(delivery.stop_id)
            if estimate is None or delivery.status not in _PROMISED.get(seen.route.status, frozenset()):
                continue
            changes = self._changes(delivery, estimate, seen.route.status, now=now)
            if changes:
                shown.is_dirty |= "plan_dirty_at" in changes
                self._change(session, delivery, changes, now=now)
            if changes or counted[delivery.stop_id] != estimate.stops_before:
                shown.delivery_ids.append(delivery.id)
        self._learn_what_was_kept(session, seen)
        for stop in seen.stops:
            estimate = estimates.get(stop.id)
            if estimate is not None:
                _write_stop(stop, estimate, now=now)
                self._keep(session, stop.id, estimate, now=now)
            elif stop.eta_at is not None and stop.arrived_at is None:
                _clear(stop)
        return shown

    def _changes(self, delivery: Delivery, estimate: Estimate, status: RouteStatus, *, now: datetime) -> dict[str, Any]:
        """Return the columns of the delivery that ``estimate`` changes; none when nothing a person reads changes."""
        window = (delivery.window_start_at, delivery.window_end_at)
        current = promise_of(delivery)
        promise = next_promise(current, estimate, now=now, window=window)
        changes: dict[str, Any] = {}
        if current is None or _shown(promise) != _shown(current):
            changes = {
                "promise_lo_at": promise.lo_at,
                "promise_hi_at": promise.hi_at,
                "promise_point_at": promise.point_at,
                "promise_cause": promise.cause.value if promise.cause else None,
                "promise_made_at": promise.made_at,
                "promise_is_now": promise.is_now,
            }
        is_told = delivery.promise_broken_at is not None
        if not is_told and self._breaks.is_broken(delivery.id, window, estimate, now=now):
            changes |= {"promise_broken_at": now, "plan_dirty_at": now}
        elif is_told and changes:
            changes["plan_dirty_at"] = now  # a later `delayed` says the new time
        is_close = estimate.stops_before == 0 or (estimate.eta_at - now).total_seconds() <= NEXT_STOP_S
        if delivery.next_stop_at is None and status is RouteStatus.STARTED and is_close and estimate.basis == "live":
            changes |= {"next_stop_at": now, "plan_dirty_at": now}
        return changes

    def _change(self, session: Session, delivery: Delivery, changes: dict[str, Any], *, now: datetime) -> None:
        before = (delivery.promise_lo_at, delivery.promise_hi_at, delivery.promise_point_at)
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery.id)
            .values(version=Delivery.version + 1, **changes)
            .execution_options(synchronize_session="fetch")
        )
        after = (changes.get("promise_lo_at"), changes.get("promise_hi_at"), changes.get("promise_point_at"))
        if before[2] is None or after[2] is None or after == before:
            return
        session.add(
            PromiseChange(
                delivery_id=delivery.id,
                at=now,
                cause=changes["promise_cause"],
                from_lo_at=before[0],
                from_hi_at=before[1],
                lo_at=after[0],
                hi_at=after[1],
            )
        )

    def _learn_what_was_kept(self, session: Session, seen: UnderWay) -> None:
        """After a restart, read once when estimates of this route were last kept."""
        if seen.route.id in self._known_routes:
            return
        self._known_routes.add(seen.route.id)
        newest = select(EstimateMade.stop_id, func.max(EstimateMade.made_at)).join(
            Stop, EstimateMade.stop_id == Stop.id
        )
        for stop_id, made_at in session.execute(
            newest.where(Stop.route_id == seen.route.id).group_by(EstimateMade.stop_id)
        ):
            self._kept_at[stop_id] = made_at

    def _keep(self, session: Session, stop_id: str, estimate: Estimate, *, now: datetime) -> None:
        ahead_s = (estimate.eta_at - now).total_seconds()
        every = next(pause for horizon_s, pause in KEEP_EVERY if ahead_s <= horizon_s)
        last = self._kept_at.get(stop_id)
        if estimate.is_inside_fence or (last is not None and last <= now < last + every):
            return
        self._kept_at[stop_id] = now
        session.add(
            EstimateMade(
                stop_id=stop_id,
                made_at=now,
                eta_at=estimate.eta_at,
                lo_at=estimate.lo_at,
                hi_at=estimate.hi_at,
                model=MODEL,
            )
        )


def _shown(promise: Promise) -> tuple[datetime, datetime, datetime, bool]:
    return promise.lo_at, promise.hi_at, promise.point_at, promise.is_now


def promise_of(delivery: Delivery) -> Promise | None:
    """Return what the recipient is shown now, or None before anything was promised."""
    lo_at, hi_at = delivery.promise_lo_at, delivery.promise_hi_at
    point_at, made_at = delivery.promise_point_at, delivery.promise_made_at
    if lo_at is None or hi_at is None or point_at is None or made_at is None:
        return None
    cause = Cause(delivery.promise_cause) if delivery.promise_cause else None
    return Promise(lo_at, hi_at, point_at, cause, made_at, delivery.promise_is_now)


def _write_stop(stop: Stop, estimate: Estimate, *, now: datetime) -> None:
    is_same = (
        stop.stops_before == estimate.stops_before
        and stop.eta_basis == estimate.basis
        and stop.eta_at is not None
        and abs((stop.eta_at - estimate.eta_at).total_seconds()) < WORTH_WRITING_S
    )
    if is_same:
        return
    stop.eta_at, stop.eta_lo_at, stop.eta_hi_at = estimate.eta_at, estimate.lo_at, estimate.hi_at
    stop.stops_before = estimate.stops_before
    stop.eta_cause = estimate.cause.value if estimate.cause else None
    stop.eta_basis = estimate.basis
    stop.eta_made_at = now


def _clear(stop: Stop) -> None:
    """Forget the estimate of a stop where nothing is left to do."""
    stop.eta_at = stop.eta_lo_at = stop.eta_hi_at = stop.eta_made_at = None
    stop.stops_before = stop.eta_cause = stop.eta_basis = None
