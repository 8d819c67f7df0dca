"""Arrival and departure from positions: a truck has arrived when it stands, not when it passes.

Standing is two good fixes at most 35 m apart that span the dwell. The next stops of the order need 25 s, any other open
stop 90 s (reference/tracking.md 4). But half a minute near a pin is as often a red light: with that alone, one pin in
four that is merely driven past looked like an arrival. So such a stand is only supposed to be one: estimates count on
it, the record waits until it is likely enough (``tracking.stay``); an arrival is back-dated anyway.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m


@dataclass(frozen=True, slots=True)
class StandingRule:
    """Radii in metres, dwells in seconds. A stop may bring its own radius, 50 to 300 m.

    ``near_dwell_s`` is for the next stops, ``far_dwell_s`` for any other, ``outer_dwell_s`` for a stand beyond
    ``edge_m``; of stops as near as ``order_m`` the earlier is meant. All were tried with ``bench.bench_arrivals``.
    """

    enter_m: float = 100.0
    exit_m: float = 150.0
    spread_m: float = 35.0
    near_dwell_s: float = 25.0
    edge_m: float = 65.0
    far_dwell_s: float = 90.0
    outer_dwell_s: float = 180.0
    last_m: float = 70.0
    near_stops: int = 3
    order_m: float = 25.0


@dataclass(frozen=True, slots=True)
class Stand:
    """The truck stood at ``place`` from ``since`` to ``until``; one single fix is a stand of no length."""

    place: LatLon
    since: datetime
    until: datetime

    @property
    def dwell_s(self) -> float:
        """Return how long the fixes prove that it stood."""
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stop that the truck may have arrived at; ``is_near``: among the next ones of the order.

    ``is_last``: the only one left. Nothing follows it that could be meant instead, so coming close is arriving.
    """

    stop_id: str
    place: LatLon
    is_near: bool
    is_last: bool = False


def stand_at(fixes: Sequence[Fix], index: int, rule: StandingRule) -> Stand:
    """Return the stand around ``fixes[index]``; ``fixes`` are in order of time.

    A fix that differs by less than twice the spread does not end a stand, for phones stray; one farther off does.
    """
    pivot = fixes[index].place
    since, places = _reach(fixes, range(index - 1, -1, -1), pivot, rule)
    until, later_places = _reach(fixes, range(index + 1, len(fixes)), pivot, rule)
    places = [pivot, *places, *later_places]
    middle = len(places) // 2
    center = LatLon(sorted(p.lat for p in places)[middle], sorted(p.lon for p in places)[middle])
    at = fixes[index].at
    return Stand(center, since or at, until or at)


def _reach(
    fixes: Sequence[Fix], indices: Iterable[int], pivot: LatLon, rule: StandingRule
) -> tuple[datetime | None, list[LatLon]]:
    reached: datetime | None = None
    places: list[LatLon] = []
    for index in indices:
        away_m = distance_m(fixes[index].place, pivot)
        if away_m > 2 * rule.spread_m:
            break
        if away_m <= rule.spread_m:
            reached = fixes[index].at
            places.append(fixes[index].place)
    return reached, places


def arrived_stop(stand: Stand, candidates: Iterable[Candidate], rule: StandingRule) -> str | None:
    """Return the stop that this stand is an arrival at, or None; ``candidates`` are in the order of the day.

    One of the next stops wins over any other, and of several the nearest; but one that comes earlier in the order wins
    unless it is ``order_m`` farther off, for pins are less exact than the order is.
    """
    fitting: list[tuple[bool, float, str]] = []
    for candidate in candidates:
        away_m = distance_m(stand.place, candidate.place)
        if away_m <= rule.enter_m and stand.dwell_s >= _needed_s(candidate, away_m, rule):
            fitting.append((not candidate.is_near, away_m, candidate.stop_id))
    if not fitting:
        return None
    is_other, nearest_m, _ = min(fitting)
    return next(
        stop_id for other, away_m, stop_id in fitting if other == is_other and away_m <= nearest_m + rule.order_m
    )


def _needed_s(candidate: Candidate, away_m: float, rule: StandingRule) -> float:
    """Return how long the truck must stand ``away_m`` from the pin."""
    if candidate.is_last and away_m <= rule.last_m:
        return 0.0
    if away_m > rule.edge_m:
        return rule.outer_dwell_s
    if not candidate.is_near:
        return rule.far_dwell_s
    return rule.near_dwell_s


def left_at(
    fixes: Sequence[Fix], *, arrived_at: datetime, stop: LatLon, anchor: LatLon, rule: StandingRule
) -> datetime | None:
    """Return when the truck left the place it stood at, back-dated to its last fix there; None while it is there.

    It has left when its newest fix is out of the exit radius, or its last two are both off the place.
    ``anchor`` is where it really stood, which may be 100 m from the pin.
    """
    newest = fixes[-1].place
    off_m = distance_m(newest, anchor)
    is_out = distance_m(newest, stop) > rule.exit_m and off_m > rule.spread_m
    if not is_out:
        previous_off_m = distance_m(fixes[-2].place, anchor) if len(fixes) > 1 else 0.0
        if off_m <= rule.spread_m or previous_off_m <= rule.spread_m:
            return None
    for fix in reversed(fixes):
        if fix.at <= arrived_at:
            break
        if distance_m(fix.place, anchor) <= rule.spread_m:
            return fix.at
    return arrived_at
