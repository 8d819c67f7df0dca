"""The plain rules of arrival that reference/tracking.md 4 measured: the yardstick of the days that we make.

A maker of days is as hard as the runs kept back when these rules score on it as they scored there.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from tracking.fixes import Fix, Gate
from tracking.geo import distance_m
from tracking.itinerary import PlannedStop
from tracking.runs import Run

ENTER_M, SPREAD_M = 100.0, 35.0
NEXT_STOPS, NEXT_S, OTHER_S = 3, 25.0, 90.0

Found = dict[str, datetime]


def good_fixes(run: Run) -> list[Fix]:
    """Return the fixes of ``run`` that the gate lets count, in order of time."""
    gate = Gate()
    verdicts = [gate.judge(fix) for fix in run.fixes]
    return sorted((verdict.fix for verdict in verdicts if verdict.is_evidence), key=lambda fix: fix.at)


def first_inside(run: Run) -> Found:
    """Arrived is the first fix within 100 m."""
    found: Found = {}
    for fix in good_fixes(run):
        for stop in run.stops:
            if distance_m(fix.place, stop.place) <= ENTER_M:
                found.setdefault(stop.stop_id, fix.at)
    return found


def standing(run: Run, least_s: float) -> Found:
    """Arrived is a stand of ``least_s`` within 100 m of any stop."""
    found: Found = {}
    for since, fix, dwell_s in _stands(good_fixes(run)):
        for stop in run.stops if dwell_s >= least_s else ():
            if distance_m(fix.place, stop.place) <= ENTER_M:
                found.setdefault(stop.stop_id, since)
    return found


def sequence_aware(run: Run, planned: Collection[str]) -> Found:
    """Arrived is a stand of 25 s at one of the next three stops of ``planned``, or of 90 s at any other stop."""
    found: Found = {}
    plan = [stop for stop in run.stops if stop.stop_id in planned]
    pointer = 0
    for since, fix, dwell_s in _stands(good_fixes(run)):
        coming = {stop.stop_id for stop in plan[pointer : pointer + NEXT_STOPS]}
        fitting = [
            (stop.stop_id not in coming, distance_m(fix.place, stop.place), stop)
            for stop in run.stops
            if stop.stop_id not in found and dwell_s >= (NEXT_S if stop.stop_id in coming else OTHER_S)
        ]
        inside = [each for each in fitting if each[1] <= ENTER_M]
        if inside:
            stop: PlannedStop = min(inside, key=lambda each: each[:2])[2]
            found[stop.stop_id] = since
            pointer = plan.index(stop) + 1 if stop in plan else pointer
    return found


def _stands(fixes: Sequence[Fix]) -> Iterator[tuple[datetime, Fix, float]]:
    """Yield for each fix since when the truck had stood there, the fix, and the seconds between."""
    for index, fix in enumerate(fixes):
        first = index
        while first and distance_m(fixes[first - 1].place, fix.place) <= SPREAD_M:
            first -= 1
        since = fixes[first].at
        yield since, fix, (fix.at - since).total_seconds()
