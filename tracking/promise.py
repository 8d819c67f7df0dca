"""What a recipient is shown: an estimate made calm.

The estimate moves with every fix; the promise moves only when it must (reference/tracking.md 6). Clock times are shown
to five minutes, within half an hour to one, so a promise stays while the estimate rounds to nearly the same time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tracking.eta import Cause, Estimate

__all__ = ["Cause", "Promise", "breaks_promise", "is_arriving_now", "next_promise", "promise_from"]

STEP_S = 300.0
# Within half an hour the time itself is shown to the minute: rounded to five it would be too wrong (our choice).
NEAR_S, NEAR_STEP_S = 1800.0, 60.0
# A promise holds while the estimate is within half a step, which is what rounding alone may differ, and this of the
# shown time, or within this share of what remains. reference/tracking.md 6 has 90 s and 10 % for times not rounded; of
# rounded ones 7 % is as much: a tenth of an hour is six minutes, and the shown time lags behind.
LEAST_MOVE_S = 40.0
MOVE_SHARE = 0.07
ARRIVING_NOW_S = 120.0


@dataclass(frozen=True, slots=True)
class Promise:
    """The shown time ``point_at`` and its range, why it changed last, and when it was made.

    All are on five-minute marks; the time, and a range that would begin after it, to the minute when it is near.
    ``is_now``: "arriving now" is shown instead of a time.
    """

    lo_at: datetime
    hi_at: datetime
    point_at: datetime
    cause: Cause | None
    made_at: datetime
    is_now: bool = False


def promise_from(
    *,
    lo_at: datetime | None,
    hi_at: datetime | None,
    point_at: datetime | None,
    cause: str | None,
    made_at: datetime | None,
    is_now: bool,
) -> Promise | None:
    """Return the promise as a delivery's row holds it, or None before anything was promised."""
    if lo_at is None or hi_at is None or point_at is None or made_at is None:
        return None
    return Promise(lo_at, hi_at, point_at, Cause(cause) if cause else None, made_at, is_now)


def next_promise(
    current: Promise | None,
    estimate: Estimate,
    *,
    now: datetime,
    window: tuple[datetime, datetime] | None = None,
) -> Promise:
    """Return the promise to show: ``current`` itself while it need not change, else a new one made ``now``.

    ``window`` is the delivery window agreed on; the range shown never begins before it opens.
    """
    is_now = is_arriving_now(estimate, now=now)
    if current is not None and current.is_now == is_now and not _must_move(current, estimate, now=now):
        return current
    at = max(estimate.eta_at, now)
    step_s = _step_s(estimate, now=now)
    point_at = _rounded(at, "near", step_s)
    if point_at < now:
        point_at = _rounded(now, "up", step_s)
    if current is not None and current.is_now == is_now and current.point_at == point_at:
        return current
    lo_at = _rounded(max(estimate.lo_at, now), "near")
    if window is not None and lo_at < window[0]:
        lo_at = min(window[0], point_at)
    lo_at = max(lo_at, _rounded(now, "up")) if lo_at < now else lo_at
    hi_at = _rounded(max(estimate.hi_at, at), "near")
    return Promise(
        lo_at=min(lo_at, point_at),
        hi_at=max(hi_at, _rounded(point_at + timedelta(seconds=STEP_S), "up")),
        point_at=point_at,
        cause=_cause(current, estimate, point_at),
        made_at=now,
        is_now=is_now,
    )


def is_arriving_now(estimate: Estimate, *, now: datetime) -> bool:
    """Tell whether to say "arriving now": under two minutes, or the truck is inside the stop's fence."""
    if estimate.basis != "live" or estimate.stops_before > 0:
        return False
    return estimate.is_inside_fence or (estimate.eta_at - now).total_seconds() < ARRIVING_NOW_S


def breaks_promise(window: tuple[datetime, datetime], estimate: Estimate) -> bool:
    """Tell whether the delivery is expected after the end of what was promised in the morning."""
    return estimate.eta_at > window[1]


def _must_move(current: Promise, estimate: Estimate, *, now: datetime) -> bool:
    if current.point_at < now and not current.is_now:
        return True
    remaining_s = max(0.0, (estimate.eta_at - now).total_seconds())
    moved_s = abs((estimate.eta_at - current.point_at).total_seconds())
    return moved_s > max(_step_s(estimate, now=now) / 2 + LEAST_MOVE_S, MOVE_SHARE * remaining_s)


def _step_s(estimate: Estimate, *, now: datetime) -> float:
    """Return the marks on which the time is shown: minutes when the truck is near and seen, else five."""
    is_near = estimate.basis == "live" and (estimate.eta_at - now).total_seconds() < NEAR_S
    return NEAR_STEP_S if is_near else STEP_S


def _cause(current: Promise | None, estimate: Estimate, point_at: datetime) -> Cause | None:
    """Return why the shown time moved; what moves forward in time was not held up by anything."""
    if current is None or point_at == current.point_at:
        return current.cause if current is not None else estimate.cause
    if point_at < current.point_at:
        return Cause.REORDER if estimate.cause is Cause.REORDER else Cause.EARLY
    return None if estimate.cause is Cause.EARLY else estimate.cause


def _rounded(at: datetime, way: str, step_s: float = STEP_S) -> datetime:
    steps = at.timestamp() / step_s
    whole = int(steps // 1)
    if way == "up":
        whole = whole if steps == whole else whole + 1
    elif way == "near":
        whole = int((steps + 0.5) // 1)
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=whole * step_s)
