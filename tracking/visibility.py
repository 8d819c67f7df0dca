"""The one function that decides what a recipient may learn of the truck (DESIGN 7, "Privacy").

A position is given only while the delivery is ``out_for_delivery`` and the truck is close. Once it has ``arrived`` the
truck is at the recipient's own door: the page says so in words, and no position is given any more. Where it is not
certain that the truck drives on, it is taken to be standing: a receiver that reports no speed must not give a
neighbour's door away by the one fix that comes before a second proves the stand, nor one that reports a wrong speed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tracking.fixes import Fix
from tracking.geo import LatLon, distance_m

# Below this a truck may be standing; phones report up to 1 m/s at rest (our choice).
MOVING_MPS = 2.0
# A truck that stays within this has not driven on (reference/tracking.md 4).
STOOD_M = 35.0


@dataclass(frozen=True, slots=True)
class VisibilityRules:
    """What staff may set. Distances in metres, times in seconds."""

    max_stops_before: int = 10
    max_eta_s: float = 3600.0
    other_stop_m: float = 150.0
    stale_s: float = 180.0


@dataclass(frozen=True, slots=True)
class VisibleTruck:
    """The truck as a recipient may see it: three decimals until next, then four.

    ``at`` and ``age_s`` are the newest sign of life; while the truck is at another stop its place is an older one.
    """

    lat: float
    lon: float
    heading_deg: float | None
    at: datetime
    age_s: float
    is_stale: bool
    at_other_stop: bool
    line_to_home: bool


def visible_truck(
    *,
    delivery_status: str,
    is_next: bool,
    stops_before: int | None,
    eta_in_s: float | None,
    fixes: Sequence[Fix],
    home: LatLon,
    other_stops: Sequence[LatLon],
    now: datetime,
    rules: VisibilityRules,
) -> VisibleTruck | None:
    """Return what may be shown of the truck, or None.

    ``fixes`` are the accepted ones, oldest first; ``other_stops`` all stops of the route but this recipient's, open
    or served. None also when the truck stands at another stop and no earlier fix is far enough from it.
    """
    if not _may_see(delivery_status, stops_before, eta_in_s, rules):
        return None
    known = fixes if fixes and fixes[-1].at <= now else [fix for fix in fixes if fix.at <= now]
    if not known:
        return None
    newest = known[-1]
    decimals = 4 if is_next else 3
    # Rounding must not put the truck where it may not be shown, so the place counts as it is and as it would be shown.
    near = [*_near(newest.place, other_stops, rules), *_near(_rounded(newest.place, decimals), other_stops, rules)]
    is_held = bool(near) and _may_stand(known, len(known) - 1)
    shown: Fix | None = newest
    if is_held:
        shown = _last_clear(known, other_stops, near, decimals, rules)
    if shown is None:
        return None
    age_s = max(0.0, (now - newest.at).total_seconds())
    place = _rounded(shown.place, decimals)
    return VisibleTruck(
        lat=place.lat,
        lon=place.lon,
        heading_deg=None if is_held or not _is_moving(newest) else newest.heading_deg,
        at=newest.at,
        age_s=age_s,
        is_stale=age_s > rules.stale_s,
        at_other_stop=is_held and not _is_at_home(newest.place, home, near, is_next=is_next),
        line_to_home=is_next,
    )


def _may_see(status: str, stops_before: int | None, eta_in_s: float | None, rules: VisibilityRules) -> bool:
    if status != "out_for_delivery":
        return False
    is_few = stops_before is not None and stops_before <= rules.max_stops_before
    is_soon = eta_in_s is not None and eta_in_s <= rules.max_eta_s
    return is_few or is_soon


def _near(place: LatLon, stops: Sequence[LatLon], rules: VisibilityRules) -> list[LatLon]:
    return [stop for stop in stops if distance_m(place, stop) <= rules.other_stop_m]


def _is_moving(fix: Fix) -> bool:
    return fix.speed_mps is not None and fix.speed_mps >= MOVING_MPS


def _may_stand(fixes: Sequence[Fix], index: int) -> bool:
    """Tell whether the truck may have stood when this fix was taken, whatever speed the phone reports.

    A phone's speed may be old or wrong, so the places beside it count too: near them, and slower than a truck drives.
    """
    if not _is_moving(fixes[index]):
        return True
    return _is_slow(fixes, range(index - 1, -1, -1), index) or _is_slow(fixes, range(index + 1, len(fixes)), index)


def _is_slow(fixes: Sequence[Fix], others: range, index: int) -> bool:
    fix = fixes[index]
    for other in (fixes[number] for number in others):
        way_m = distance_m(fix.place, other.place)
        if way_m >= STOOD_M:
            return False
        if way_m < MOVING_MPS * abs((fix.at - other.at).total_seconds()):
            return True
    return False


def _last_clear(
    fixes: Sequence[Fix],
    others: Sequence[LatLon],
    standing_at: Sequence[LatLon],
    decimals: int,
    rules: VisibilityRules,
) -> Fix | None:
    """Return the last fix that gives no stand at another stop away, as it would be shown."""
    for index in range(len(fixes) - 1, -1, -1):
        fix = fixes[index]
        places = (fix.place, _rounded(fix.place, decimals))
        if any(_near(place, standing_at, rules) for place in places):
            continue
        if not any(_near(place, others, rules) for place in places) or not _may_stand(fixes, index):
            return fix
    return None


def _is_at_home(place: LatLon, home: LatLon, near: Sequence[LatLon], *, is_next: bool) -> bool:
    """Tell whether the truck stands nearer to the next recipient's own door than to any other."""
    home_m = distance_m(place, home)
    return is_next and all(home_m < distance_m(place, stop) for stop in near)


def _rounded(place: LatLon, decimals: int) -> LatLon:
    return LatLon(round(place.lat, decimals), round(place.lon, decimals))
