"""What an estimate is, why it moved, what history expects, and the sum over the stops still ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from tracking.geo import LatLon
from tracking.intervals import RatioQuantiles
from tracking.slow_places import SlowPlaces

# An unknown stop's service time until history knows better (our choice; imports may bring their own).
DEFAULT_SERVICE_S = 180.0
# Seconds of driving that the usual pace is worth until history knows: between the 600 s that was best for buses and
# the 2400 s that was best for taxis (reference/tracking.md 3).
DEFAULT_TRUST_S = 1800.0
# The sum of a few skewed service times is, in the middle, this share of one service less than the sum of their means.
SKEW_SHARE = 0.2
# A service that has gone on is expected to go on for at least this share of its usual time (tracking.md 6).
LEAST_SERVICE_LEFT = 0.35


class Cause(StrEnum):
    """Why an estimate, and so a promise, is not what it was."""

    TRAFFIC = "traffic"
    LONG_STOP = "long_stop"
    REORDER = "reorder"
    NO_SIGNAL = "no_signal"
    LATE_START = "late_start"
    BREAK = "break"
    EARLY = "early"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Estimate:
    """When the truck should be at a stop: the median, and the range that holds 8 times out of 10.

    ``stops_before`` counts what is still to be served first. ``basis`` is "plan" before the first fix and after
    15 minutes without one. ``is_inside_fence``: the truck is within 100 m of the stop, or standing at it.
    """

    stop_id: str
    eta_at: datetime
    lo_at: datetime
    hi_at: datetime
    stops_before: int
    cause: Cause | None
    basis: Literal["live", "plan"]
    is_inside_fence: bool = False


@dataclass(frozen=True, slots=True)
class EtaHistory:
    """What the company's completed routes teach. Times are seconds; paces are ratios to the travel engine's time.

    ``trust_s``: so many seconds of today's driving weigh as much as the usual pace. ``service_by_driver`` is a ratio to
    the usual service time of the stop.
    """

    pace: float
    quantiles: RatioQuantiles
    trust_s: float = DEFAULT_TRUST_S
    service_s: float = DEFAULT_SERVICE_S
    service_by_type: Mapping[str, float] = field(default_factory=dict)
    pace_by_driver: Mapping[str, float] = field(default_factory=dict)
    service_by_driver: Mapping[str, float] = field(default_factory=dict)
    slow_places: SlowPlaces = field(default_factory=SlowPlaces)

    @classmethod
    def default(cls) -> "EtaHistory":
        """Return what holds until a company has a history of its own."""
        return cls(pace=DEFAULT_PACE, quantiles=RatioQuantiles(DEFAULT_RATIOS))

    def around(self, depot: LatLon) -> "EtaHistory":
        """Return what holds for routes from ``depot``: no pace of a town 100 km away, nor how wrong it was there."""
        if not self.slow_places.is_elsewhere(depot):
            return self
        return replace(
            EtaHistory.default(),
            service_s=self.service_s,
            service_by_type=self.service_by_type,
            service_by_driver=self.service_by_driver,
        )

    def pace_of(self, driver: str | None) -> float:
        """Return the usual pace of ``driver``, or of everybody."""
        return self.pace_by_driver.get(driver or "", self.pace)

    def service_of(self, *, planned_s: float | None, stop_type: str | None, driver: str | None) -> float:
        """Return the usual seconds at a stop: the plan's own figure first, then its type's, then everybody's."""
        usual_s = planned_s
        if usual_s is None:
            usual_s = self.service_by_type.get(stop_type or "", self.service_s)
        return usual_s * self.service_by_driver.get(driver or "", 1.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, for the row that the nightly job writes."""
        return {
            "pace": self.pace,
            "ratios": [list(row) for row in self.quantiles.rows],
            "trust_s": self.trust_s,
            "service_s": self.service_s,
            "service_by_type": dict(self.service_by_type),
            "pace_by_driver": dict(self.pace_by_driver),
            "service_by_driver": dict(self.service_by_driver),
            "places": self.slow_places.to_json(),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "EtaHistory":
        """Return what ``to_json`` wrote."""
        return cls(
            pace=row["pace"],
            quantiles=RatioQuantiles(tuple(tuple(ratios) for ratios in row["ratios"])),
            trust_s=row["trust_s"],
            service_s=row["service_s"],
            service_by_type=dict(row["service_by_type"]),
            pace_by_driver=dict(row["pace_by_driver"]),
            service_by_driver=dict(row["service_by_driver"]),
            slow_places=SlowPlaces.from_json(row["places"]) if "places" in row else SlowPlaces(),
        )


# Real over engine seconds where nothing was learned: 25 km/h on roads 1.3 times the straight line (187 s/km), the
# naive baseline of reference/tracking.md 6, over the straight line's 150 s/km.
DEFAULT_PACE = 1.25
# Actual over predicted remaining time, at intervals.LEVELS, one row a horizon bin. Start values: how fast an unknown
# town is does not even out over a long way, so from 15 minutes on they are no narrower.
DEFAULT_RATIOS = (
    (0.10, 0.20, 0.35, 0.55, 0.70, 0.85, 1.00, 1.15, 1.40, 1.80, 2.60, 3.50, 5.00),
    (0.25, 0.35, 0.50, 0.65, 0.78, 0.90, 1.00, 1.12, 1.28, 1.50, 1.90, 2.40, 3.20),
    (0.35, 0.45, 0.57, 0.70, 0.82, 0.91, 1.00, 1.10, 1.23, 1.42, 1.75, 2.10, 2.60),
    (0.42, 0.52, 0.62, 0.74, 0.84, 0.92, 1.00, 1.09, 1.20, 1.36, 1.62, 1.90, 2.30),
    (0.46, 0.54, 0.64, 0.76, 0.85, 0.93, 1.00, 1.08, 1.18, 1.33, 1.57, 1.83, 2.15),
    (0.46, 0.54, 0.64, 0.76, 0.85, 0.93, 1.00, 1.08, 1.18, 1.33, 1.57, 1.83, 2.15),
    (0.46, 0.54, 0.64, 0.76, 0.85, 0.93, 1.00, 1.08, 1.18, 1.33, 1.57, 1.83, 2.15),
)


@dataclass(frozen=True, slots=True)
class Ahead:
    """One stop still to come, as the sum needs it. ``opens_at`` is epoch seconds, the leg is engine seconds."""

    leg_s: float
    service_s: float
    opens_at: float | None


@dataclass(frozen=True, slots=True)
class Reach:
    """When a stop is reached (epoch seconds), and whether the truck waits there for the window to open."""

    at: float
    is_waiting: bool


def reach_all(start_at: float, ahead: Sequence[Ahead], *, pace: float) -> list[Reach]:
    """Return when each stop is reached, in one pass: legs at ``pace``, services, and waits for a window to open."""
    reaches = []
    clock = start_at
    skew_s = 0.0
    for stop in ahead:
        clock += stop.leg_s * pace
        is_waiting = stop.opens_at is not None and clock < stop.opens_at
        if stop.opens_at is not None and is_waiting:
            clock, skew_s = stop.opens_at, 0.0
        reaches.append(Reach(clock - skew_s, is_waiting))
        clock += stop.service_s
        skew_s = SKEW_SHARE * stop.service_s
    return reaches


def service_left_s(usual_s: float, elapsed_s: float) -> float:
    """Return how much longer a service that has gone on for ``elapsed_s`` should take."""
    return max(usual_s - elapsed_s, LEAST_SERVICE_LEFT * usual_s)
