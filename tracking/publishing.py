"""From fresh estimates to what pages and messages read: stops' times, promises, marks; each only when it changes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from tracking.breaks import Breaks
from tracking.deliveries import Delivery, DeliveryStatus, EstimateMade, PromiseChange
from tracking.eta import Estimate
from tracking.nearness import Nearness
from tracking.promise import Promise, next_promise, promise_from
from tracking.route_rows import DeliveryRow, StopRow
from tracking.routes import RouteStatus
from tracking.stops import Stop
from tracking.under_way import UnderWay

MODEL = "shrunk-pace-2"
# A stop's estimate is written again when it moved by so much, or by this share of what remains, up to a limit: pages
# round to a minute, further off to five (our choice).
WORTH_WRITING_S, WORTH_WRITING_SHARE, ALWAYS_WORTH_S = 15.0, 0.02, 90.0
# How often an estimate is kept for staff: each minute close by, seldom far off (at most one a minute and stop).
KEEP_EVERY = ((900.0, timedelta(minutes=1)), (4500.0, timedelta(minutes=5)), (float("inf"), timedelta(minutes=15)))
# Whom an estimate is promised to: before the start everybody, then those whose goods are in the van.
_PROMISED = {
    RouteStatus.PLANNED: frozenset({DeliveryStatus.SCHEDULED, DeliveryStatus.LOADED}),
    RouteStatus.STARTED: frozenset({DeliveryStatus.OUT_FOR_DELIVERY}),
}
# Core, in bulk: this is written for every fix. A mark that somebody else set or cleared meanwhile stays as it is.
_CHANGE = (
    update(Delivery)
    .where(Delivery.id == bindparam("of"))
    .values(
        version=Delivery.version + 1,
        promise_lo_at=bindparam("lo_at"),
        promise_hi_at=bindparam("hi_at"),
        promise_point_at=bindparam("point_at"),
        promise_cause=bindparam("cause"),
        promise_made_at=bindparam("made_at"),
        promise_is_now=bindparam("is_now"),
        promise_broken_at=func.coalesce(Delivery.promise_broken_at, bindparam("broken_at", type_=Stop.eta_at.type)),
        next_stop_at=func.coalesce(Delivery.next_stop_at, bindparam("next_at", type_=Stop.eta_at.type)),
        plan_dirty_at=func.coalesce(bindparam("dirty_at", type_=Stop.eta_at.type), Delivery.plan_dirty_at),
    )
)
_ESTIMATE = (
    update(Stop)
    .where(Stop.id == bindparam("of"))
    .values(
        eta_at=bindparam("at"),
        eta_lo_at=bindparam("lo_at"),
        eta_hi_at=bindparam("hi_at"),
        stops_before=bindparam("before"),
        eta_cause=bindparam("cause"),
        eta_basis=bindparam("basis"),
        eta_made_at=bindparam("made_at"),
    )
)


@dataclass(slots=True)
class Shown:
    """What a look at a route changed. ``is_dirty``: a message may have to be planned, moved or withdrawn."""

    delivery_ids: list[str] = field(default_factory=list)
    is_dirty: bool = False


class Publisher:
    """Writes estimates and promises. Remembers when it last kept an estimate of each stop, and who seems late."""

    def __init__(self, nearness: Nearness) -> None:
        self._nearness = nearness
        self._kept_at: dict[str, datetime] = {}
        self._known_routes: set[str] = set()
        self._breaks = Breaks()

    def use(self, nearness: Nearness) -> None:
        """Tell recipients that the truck is near by this from the next look on."""
        self._nearness = nearness

    def write(self, session: Session, seen: UnderWay, *, now: datetime) -> Shown:
        """Write what the route's engine expects ``now``, deliveries before stops: the order that taps lock in."""
        estimates = seen.progress.estimates(now)
        shown = self._promise(session, seen, estimates, now=now)
        self._learn_what_was_kept(session, seen)
        kept = []
        told = []
        for stop in seen.stops:
            estimate = estimates.get(stop.id)
            if estimate is not None:
                if not _is_told(stop, estimate, now=now):
                    told.append(_told(stop, estimate, now=now))
                if self._is_to_keep(stop.id, estimate, now=now):
                    kept.append(_kept(stop.id, estimate, now=now))
            elif stop.eta_at is not None and stop.arrived_at is None:
                told.append(_forgotten(stop))
        connection = session.connection()
        if told:
            connection.execute(_ESTIMATE, told)
        if kept:
            connection.execute(insert(EstimateMade), kept)
        return shown

    def _promise(self, session: Session, seen: UnderWay, estimates: dict[str, Estimate], *, now: datetime) -> Shown:
        shown = Shown()
        changes: list[dict[str, Any]] = []
        ledger: list[dict[str, Any]] = []
        promised = _PROMISED.get(seen.status, frozenset())
        for delivery in seen.deliveries:
            estimate = estimates.get(delivery.stop.id)
            if estimate is None or delivery.status not in promised:
                continue
            before = delivery.promise
            change = self._change(delivery, estimate, seen.status, now=now)
            if change is not None:
                changes.append(change)
                shown.is_dirty |= change["dirty_at"] is not None
                ledger += _ledger(delivery, before, now=now)
            if change is not None or delivery.stop.stops_before != estimate.stops_before:
                shown.delivery_ids.append(delivery.id)
        connection = session.connection()
        if changes:
            connection.execute(_CHANGE, changes)
            seen.mark = seen.mark._replace(versions=seen.mark.versions + len(changes))
        if ledger:
            connection.execute(insert(PromiseChange), ledger)
        return shown

    def _change(
        self, delivery: DeliveryRow, estimate: Estimate, status: RouteStatus, *, now: datetime
    ) -> dict[str, Any] | None:
        """Bring ``delivery`` up to ``estimate`` and return what to write; None when nothing a person reads changes."""
        promise = next_promise(delivery.promise, estimate, now=now, window=delivery.window)
        is_new = delivery.promise is None or _shown(promise) != _shown(delivery.promise)
        if is_new:
            delivery.promise = promise
        was_told = delivery.promise_broken_at is not None
        is_dirty = was_told and is_new  # a later `delayed` says the new time
        if not was_told and self._breaks.is_broken(delivery.id, delivery.window, estimate, now=now):
            delivery.promise_broken_at, is_dirty = now, True
        may_be_near = delivery.next_stop_at is None and status is RouteStatus.STARTED and estimate.basis == "live"
        if may_be_near and self._nearness.holds(estimate, now):
            delivery.next_stop_at, is_dirty = now, True
        if not is_new and not is_dirty:
            return None
        kept = delivery.promise or promise
        return {
            "of": delivery.id,
            "lo_at": kept.lo_at,
            "hi_at": kept.hi_at,
            "point_at": kept.point_at,
            "cause": kept.cause.value if kept.cause else None,
            "made_at": kept.made_at,
            "is_now": kept.is_now,
            "broken_at": delivery.promise_broken_at,
            "next_at": delivery.next_stop_at,
            "dirty_at": now if is_dirty else None,
        }

    def _learn_what_was_kept(self, session: Session, seen: UnderWay) -> None:
        """After a restart, read once when estimates of this route were last kept."""
        if seen.route_id in self._known_routes:
            return
        self._known_routes.add(seen.route_id)
        newest = select(EstimateMade.stop_id, func.max(EstimateMade.made_at)).join(
            Stop, EstimateMade.stop_id == Stop.id
        )
        for stop_id, made_at in session.execute(
            newest.where(Stop.route_id == seen.route_id).group_by(EstimateMade.stop_id)
        ):
            self._kept_at[stop_id] = made_at

    def _is_to_keep(self, stop_id: str, estimate: Estimate, *, now: datetime) -> bool:
        ahead_s = (estimate.eta_at - now).total_seconds()
        every = next(pause for horizon_s, pause in KEEP_EVERY if ahead_s <= horizon_s)
        last = self._kept_at.get(stop_id)
        if estimate.is_inside_fence or (last is not None and last <= now < last + every):
            return False
        self._kept_at[stop_id] = now
        return True


def _kept(stop_id: str, estimate: Estimate, *, now: datetime) -> dict[str, Any]:
    return {
        "stop_id": stop_id,
        "made_at": now,
        "eta_at": estimate.eta_at,
        "lo_at": estimate.lo_at,
        "hi_at": estimate.hi_at,
        "model": MODEL,
    }


def _ledger(delivery: DeliveryRow, before: Promise | None, *, now: datetime) -> list[dict[str, Any]]:
    """Return why the promise changed, if what was shown has changed; the first promise has nothing before it."""
    after = delivery.promise
    if after is None or (before is not None and _shown(before)[:3] == _shown(after)[:3]):
        return []
    return [
        {
            "delivery_id": delivery.id,
            "at": now,
            "cause": after.cause.value if after.cause else None,
            "from_lo_at": before.lo_at if before else None,
            "from_hi_at": before.hi_at if before else None,
            "lo_at": after.lo_at,
            "hi_at": after.hi_at,
        }
    ]


def _shown(promise: Promise) -> tuple[datetime, datetime, datetime, bool]:
    return promise.lo_at, promise.hi_at, promise.point_at, promise.is_now


def promise_of(delivery: Delivery) -> Promise | None:
    """Return what the recipient is shown now, or None before anything was promised."""
    return promise_from(
        lo_at=delivery.promise_lo_at,
        hi_at=delivery.promise_hi_at,
        point_at=delivery.promise_point_at,
        cause=delivery.promise_cause,
        made_at=delivery.promise_made_at,
        is_now=delivery.promise_is_now,
    )


def _is_told(stop: StopRow, estimate: Estimate, *, now: datetime) -> bool:
    """Tell whether what the record says of the stop is near enough to ``estimate``."""
    if stop.stops_before != estimate.stops_before or stop.eta_basis != estimate.basis or stop.eta_at is None:
        return False
    ahead_s = (estimate.eta_at - now).total_seconds()
    worth_s = max(WORTH_WRITING_S, min(ALWAYS_WORTH_S, WORTH_WRITING_SHARE * ahead_s))
    return abs((stop.eta_at - estimate.eta_at).total_seconds()) < worth_s


def _told(stop: StopRow, estimate: Estimate, *, now: datetime) -> dict[str, Any]:
    stop.eta_at, stop.stops_before, stop.eta_basis = estimate.eta_at, estimate.stops_before, estimate.basis
    return {
        "of": stop.id,
        "at": estimate.eta_at,
        "lo_at": estimate.lo_at,
        "hi_at": estimate.hi_at,
        "before": estimate.stops_before,
        "cause": estimate.cause.value if estimate.cause else None,
        "basis": estimate.basis,
        "made_at": now,
    }


def _forgotten(stop: StopRow) -> dict[str, Any]:
    """Forget the estimate of a stop where nothing is left to do."""
    stop.eta_at = stop.stops_before = stop.eta_basis = None
    gone = dict.fromkeys(("at", "lo_at", "hi_at", "before", "cause", "basis", "made_at"))
    return {"of": stop.id, **gone}
