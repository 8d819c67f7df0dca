"""One fix of a truck, and the gate that keeps dirty ones from moving it.

The rules are those of reference/tracking.md 4: a repeated fix changes nothing, an older one goes to history only,
one from the future is clamped, an inaccurate or impossible one is kept but does not count for the truck's state.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from tracking.geo import LatLon, distance_m, is_place

FUTURE_CLAMP_S = 60.0
FUTURE_REFUSE_S = 24 * 3600.0
MAX_ACCURACY_M = 100.0
MAX_SPEED_MPS = 50.0
JUMPS_THAT_AGREE = 3
# A leap: farther than this, faster than this, and so many times faster than each of the last few fixes (our choice).
LEAP_M = 500.0
LEAP_MPS = 12.0
LEAP_FACTOR = 2.0
LEAP_MEMORY = 6
# Two fixes of a standing phone may differ by this much; below it no speed is implied (our choice).
JITTER_M = 75.0
# So many fix times are remembered to know a repeated one (our choice; SQL's unique key is the last word).
REMEMBERED = 60
# A newest fix so far ahead of our clock says that the clock was set back: far more than clocks of machines that belong
# together differ (our choice).
SET_BACK_S = 600.0
# How exactly a fix is kept: degrees, about 11 cm; metres, m/s and degrees of heading (our choice).
PLACE_DECIMALS, OTHER_DECIMALS = 6, 1


class FixStatus(StrEnum):
    """What became of a fix; these words are answered to the device (DESIGN 7)."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    LATE = "late"
    CLAMPED = "clamped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Fix:
    """One position of a truck. ``at`` is the device's time of it, ``received_at`` ours; both aware.

    ``accuracy_m`` is the radius the phone claims, ``heading_deg`` clockwise from north.
    """

    lat: float
    lon: float
    at: datetime
    received_at: datetime
    accuracy_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None

    @property
    def place(self) -> LatLon:
        """Return where it was."""
        return LatLon(self.lat, self.lon)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one fix.

    ``fix`` is the fix to go on with (clamped, if need be). ``moved``: it is the newest good one and moves the truck.
    ``is_evidence``: it may speak for a stand at a stop, though it came late. ``is_leap``: it is far from the one
    before and believed all the same, so one of the two places is wrong, or the way between is unknown.
    """

    status: FixStatus
    reason: str | None
    fix: Fix
    moved: bool
    is_evidence: bool
    is_leap: bool = False


class Gate:
    """The memory that judging one truck's fixes needs: the newest good fix, recent times, and suspected jumps."""

    def __init__(self) -> None:
        self.last: Fix | None = None
        self._seen: dict[float, None] = {}
        self._suspects: list[Fix] = []
        self._lags_s: list[float] = []
        self._speeds_mps: list[float] = []

    @property
    def clock_offset_s(self) -> float | None:
        """Return how far the device's clock is behind ours at most; negative when it is ahead.

        The minimum over the last 20 fixes: buffered fixes that come late can only raise the others.
        """
        return min(self._lags_s) if self._lags_s else None

    def judge(self, fix: Fix) -> Verdict:
        """Say what ``fix`` may do, and remember it."""
        refusal = _refusal(fix)
        if refusal is not None:
            return Verdict(FixStatus.REFUSED, refusal, fix, moved=False, is_evidence=False)
        sent_at = fix.at.timestamp()
        if sent_at in self._seen:
            return Verdict(FixStatus.DUPLICATE, None, fix, moved=False, is_evidence=False)
        self._remember(sent_at)
        lag_s = (fix.received_at - fix.at).total_seconds()
        self._lags_s = [*self._lags_s[-19:], lag_s]
        status, reason = FixStatus.STORED, None
        if lag_s < -FUTURE_CLAMP_S:
            fix = replace(fix, at=fix.received_at)
            status, reason = FixStatus.CLAMPED, "clock_skew"
        if fix.accuracy_m is not None and not fix.accuracy_m <= MAX_ACCURACY_M:
            is_late = self.last is not None and fix.at < self.last.at
            status = FixStatus.LATE if is_late else status
            return Verdict(status, "inaccurate", fix, moved=False, is_evidence=False)
        if self.last is not None and fix.at <= self.last.at:
            return Verdict(FixStatus.LATE, reason or "older", fix, moved=False, is_evidence=True)
        if self._is_jump(fix):
            return Verdict(status, "jump", fix, moved=False, is_evidence=False)
        is_leap = self._suspects[-1:] == [fix]
        self.last = fix
        self._suspects = []
        return Verdict(status, reason, fix, moved=True, is_evidence=True, is_leap=is_leap)

    def forget(self) -> None:
        """Begin anew with the next fix; repeated ones are still known."""
        self.last = None
        self._suspects, self._lags_s, self._speeds_mps = [], [], []

    def _remember(self, sent_at: float) -> None:
        self._seen[sent_at] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _is_jump(self, fix: Fix) -> bool:
        """Tell whether ``fix`` is too far off to be believed; the third jump in a row that agrees is believed.

        A leap no truck can make needs three fixes that agree, one that is merely unlike this truck needs two.
        """
        if self.last is None:
            return False
        needed = JUMPS_THAT_AGREE if is_too_fast(self.last, fix) else 2 if self._is_leap(fix) else 0
        if not needed:
            speed_mps = _implied_mps(self.last, fix)
            self._speeds_mps = [*self._speeds_mps[1 - LEAP_MEMORY :], speed_mps]
            return False
        if self._suspects and is_too_fast(self._suspects[-1], fix):
            self._suspects = []
        self._suspects.append(fix)
        return len(self._suspects) < needed

    def _is_leap(self, fix: Fix) -> bool:
        """Tell whether ``fix`` implies a speed much above all recent ones that the device does not report itself."""
        if self.last is None or distance_m(self.last.place, fix.place) < LEAP_M:
            return False
        speed_mps = _implied_mps(self.last, fix)
        if fix.speed_mps is not None and fix.speed_mps >= speed_mps / 2:
            return False
        usual_mps = max(self._speeds_mps, default=0.0)
        return speed_mps > max(LEAP_MPS, LEAP_FACTOR * usual_mps)

    def dump(self) -> dict[str, Any]:
        """Return the gate's memory as plain JSON values."""
        return {
            "last": dump_fix(self.last) if self.last else None,
            "seen": list(self._seen),
            "suspects": [dump_fix(fix) for fix in self._suspects],
            "lags": [round(lag, 1) for lag in self._lags_s],
            "speeds": [round(speed, 1) for speed in self._speeds_mps],
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Gate":
        """Return the gate that ``dump`` described."""
        gate = cls()
        gate.last = load_fix(state["last"]) if state["last"] else None
        gate._seen = dict.fromkeys(state["seen"])
        gate._suspects = [load_fix(row) for row in state["suspects"]]
        gate._lags_s = list(state["lags"])
        gate._speeds_mps = list(state["speeds"])
        return gate


def _refusal(fix: Fix) -> str | None:
    if not is_place(fix.lat, fix.lon):
        return "bad_coordinates"
    if (fix.at - fix.received_at).total_seconds() > FUTURE_REFUSE_S:
        return "future"
    return None


def is_too_fast(a: Fix, b: Fix) -> bool:
    """Tell whether no truck drives from ``a`` to ``b`` in the time between them."""
    gap_s = abs((b.at - a.at).total_seconds())
    return distance_m(a.place, b.place) - JITTER_M > MAX_SPEED_MPS * gap_s


def _implied_mps(a: Fix, b: Fix) -> float:
    return distance_m(a.place, b.place) / max((b.at - a.at).total_seconds(), 1.0)


def dump_fix(fix: Fix) -> list[float | None]:
    """Return a fix as a short JSON row: lat, lon, at, lag, accuracy, speed, heading."""
    lag_s = (fix.received_at - fix.at).total_seconds()
    return [
        round(fix.lat, PLACE_DECIMALS),
        round(fix.lon, PLACE_DECIMALS),
        round(fix.at.timestamp(), 3),
        round(lag_s, 1),
        _finite(fix.accuracy_m),
        _finite(fix.speed_mps),
        _finite(fix.heading_deg),
    ]


def load_fix(row: list[Any]) -> Fix:
    """Return the fix that ``dump_fix`` wrote."""
    lat, lon, at_s, lag_s, accuracy_m, speed_mps, heading_deg = row
    at = datetime.fromtimestamp(at_s, UTC)
    return Fix(lat, lon, at, at + timedelta(seconds=lag_s), accuracy_m, speed_mps, heading_deg)


def _finite(value: float | None) -> float | None:
    return round(value, OTHER_DECIMALS) if value is not None and math.isfinite(value) else None
