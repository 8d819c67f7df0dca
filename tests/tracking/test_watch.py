"""Off route or only a way round: a truck at 10 m/s with a fix every 10 s, on one road from south to north."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tracking.fixes import Fix
from tracking.geo import LatLon
from tracking.progress import PlannedStop, RouteProgress

EIGHT = datetime(2026, 5, 4, 8, tzinfo=UTC)


def north(meters: float) -> LatLon:
    return LatLon(52.0 + meters / 111_195, 13.0)


def route(*, first_m: float, second_m: float) -> RouteProgress:
    """A route from the depot at 0 m with two stops."""
    stops = [PlannedStop("a", *north(first_m)), PlannedStop("b", *north(second_m))]
    progress = RouteProgress.start(depot=north(0), planned_start_at=EIGHT, stops=stops)
    progress.begin(EIGHT)
    return progress


def drive(progress: RouteProgress, metres: Iterable[float], *, from_s: float = 0.0) -> float:
    """Send a fix every 10 s; return the second of the last one."""
    seconds = from_s
    for place_m in metres:
        at = EIGHT + timedelta(seconds=seconds)
        progress.accept(Fix(*north(place_m), at, at, 8.0))
        seconds += 10.0
    return seconds - 10.0


def order(progress: RouteProgress, seconds: float) -> list[str]:
    return list(progress.estimates(EIGHT + timedelta(seconds=seconds)))


def test_half_a_minute_the_wrong_way_is_no_new_order() -> None:
    # The first stop is 900 m south, the second 700 m north. The bridge is 400 m north: 40 s there are a way round.
    progress = route(first_m=-900, second_m=700)
    seconds = drive(progress, range(0, 401, 100))
    assert order(progress, seconds) == ["a", "b"]


def test_estimate_of_the_next_stop_does_not_leap_on_the_way_round() -> None:
    progress = route(first_m=-900, second_m=700)
    etas = []
    for number, place_m in enumerate(range(0, 401, 100)):
        drive(progress, [place_m], from_s=10.0 * number)
        now = EIGHT + timedelta(seconds=10 * number)
        etas.append(progress.estimates(now)["a"].eta_at)
    # 40 s the wrong way, 400 m to come back: at 150 s/km * 1.25 they are 75 s, and the pace is a little slower.
    assert (etas[-1] - etas[0]).total_seconds() < 240


def test_minutes_towards_a_later_stop_are_a_new_order() -> None:
    # After 100 s the truck is 1.0 km farther from the first stop and 300 m from the second: 300 <= 0.6 * 1900.
    progress = route(first_m=-900, second_m=1300)
    seconds = drive(progress, range(0, 1001, 100))
    assert order(progress, seconds) == ["b", "a"]
    assert progress.skipped == ("a",)


def test_arrival_at_a_stop_that_seemed_gone_past_puts_the_order_right() -> None:
    # Past the first stop by 400 m, round the block, and back: nothing was left out but by our guess.
    stops = [PlannedStop(name, *north(500 * number)) for number, name in enumerate("abc", start=1)]
    progress = RouteProgress.start(depot=north(0), planned_start_at=EIGHT, stops=stops)
    progress.begin(EIGHT)
    seconds = drive(progress, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200])
    assert progress.skipped == ("a", "b")
    seconds = drive(progress, [1000, 800, 600, 500, 500, 500, 500, 500, 500, 500, 500], from_s=seconds + 10)
    assert order(progress, seconds) == ["a", "b", "c"]
