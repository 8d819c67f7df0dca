"""The engine of a route, driven fix by fix along a made-up road: due north, 500 m between stops, 10 m/s."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.eta import Cause, EtaHistory
from tracking.fixes import Fix, FixStatus
from tracking.geo import LatLon
from tracking.progress import Outcome, PlannedStop, RouteProgress, StopEvent
from tracking.slow_places import DrivenLeg, SlowPlaces
from tracking.travel import Leg, StraightLine

EIGHT = datetime(2026, 5, 4, 8, tzinfo=UTC)
DEPOT = LatLon(52.0, 13.0)
# 100 s/km at 10 m/s is two thirds of the straight line's 150 s/km.
HISTORY = replace(EtaHistory.default(), pace=2 / 3, service_s=120.0, trust_s=600.0)


def north(meters: float) -> LatLon:
    return LatLon(52.0 + meters / 111_195, 13.0)


def at(seconds: float) -> datetime:
    return EIGHT + timedelta(seconds=seconds)


def fix(seconds: float, meters: float, *, received_s: float | None = None) -> Fix:
    received = at(seconds if received_s is None else received_s)
    return Fix(*north(meters), at(seconds), received, 8.0)


def stops(count: int = 5, **changes: object) -> list[PlannedStop]:
    made = [PlannedStop(chr(ord("a") + n), *north(500 * (n + 1))) for n in range(count)]
    return [replace(stop, **changes) for stop in made] if changes else made  # type: ignore[arg-type]


def route(planned: Sequence[PlannedStop] | None = None, *, begun: bool = True) -> RouteProgress:
    progress = RouteProgress.start(
        depot=DEPOT, planned_start_at=EIGHT, stops=planned or stops(), history=HISTORY, driver="d1"
    )
    if begun:
        progress.begin(EIGHT)
    return progress


def trip(*legs: tuple[float, float]) -> Iterator[Fix]:
    """Yield fixes every 10 s: each leg is (metres to be at in the end, seconds it takes)."""
    seconds, meters = 0.0, 0.0
    yield fix(0, 0)
    for target_m, takes_s in legs:
        steps = int(takes_s // 10)
        for step in range(1, steps + 1):
            yield fix(seconds + 10 * step, meters + (target_m - meters) * step / steps)
        seconds, meters = seconds + takes_s, target_m


def run(progress: RouteProgress, fixes: Iterator[Fix] | list[Fix]) -> list[StopEvent]:
    return [event for one in fixes for event in progress.accept(one).events]


def minutes(progress: RouteProgress, stop_id: str, seconds: float) -> float:
    return (progress.estimates(at(seconds))[stop_id].eta_at - at(seconds)).total_seconds() / 60


def test_before_the_start_the_plan_is_the_estimate() -> None:
    planned = [replace(stop, planned_arrival_at=at(600 * (n + 1))) for n, stop in enumerate(stops())]
    estimates = route(planned, begun=False).estimates(at(-3600))
    assert [e.eta_at for e in estimates.values()] == [at(600 * n) for n in range(1, 6)]
    assert {e.basis for e in estimates.values()} == {"plan"}
    assert [e.stops_before for e in estimates.values()] == [0, 1, 2, 3, 4]


def test_a_start_that_is_late_moves_the_whole_plan() -> None:
    planned = [replace(stop, planned_arrival_at=at(600)) for stop in stops(1)]
    estimate = route(planned, begun=False).estimates(at(900))["a"]
    assert (estimate.eta_at, estimate.cause) == (at(1500), Cause.LATE_START)


def test_a_planned_start_that_moves_takes_the_estimates_along() -> None:
    progress = route(begun=False)
    before = progress.estimates(at(-3600))["a"].eta_at
    progress.plan_start(at(600))
    assert progress.estimates(at(-3600))["a"].eta_at == before + timedelta(seconds=600)


def test_the_first_estimate_is_legs_at_the_usual_pace_and_services() -> None:
    # c: three legs of 500 m at 100 s/km and two services of 120 s, less 0.2 of one for skew: 150 + 240 - 24 = 366 s.
    assert minutes(route(), "c", 0) * 60 == pytest.approx(366, abs=1)


def test_an_arrival_is_noticed_by_standing_and_back_dated() -> None:
    events = run(route(), trip((500, 50), (500, 90)))
    assert [(e.kind, e.stop_id, e.source) for e in events] == [("arrived", "a", "position")]
    assert abs((events[0].at - at(50)).total_seconds()) <= 10


def test_half_a_minute_at_a_stop_counts_for_the_estimate_before_it_is_told() -> None:
    progress = route()
    assert run(progress, trip((500, 50), (500, 40))) == []
    assert progress.current_stop_id == "a"
    assert progress.estimates(at(90))["b"].stops_before == 1


def test_a_short_service_is_told_when_the_truck_drives_on_and_back_dated() -> None:
    progress = route()
    assert run(progress, [fix(30, 300), fix(55, 500), fix(85, 501), fix(115, 500)]) == []
    # 400 m at 8 m/s are 50 s of the 148 between the fixes around the stand; 98 and the 60 proven are more than 155.
    events = run(progress, [fix(178, 700)])
    assert [(e.kind, e.at) for e in events] == [("arrived", at(55)), ("departed", at(115))]


def test_a_red_light_at_a_stop_is_no_arrival_and_its_time_is_traffic() -> None:
    progress = route()
    assert run(progress, trip((500, 50), (500, 30), (800, 30))) == []
    assert progress.skipped == ("a",)
    assert next(iter(progress.estimates(at(110)))) == "b"
    # 700 m at 100 s/km and 96 s at b; but 800 m took 110 s, so the rest is expected to be slower, too.
    assert minutes(progress, "c", 110) * 60 > 70 + 96 + 1


def test_the_same_minute_at_a_stop_is_told_on_a_quiet_road_and_not_where_lights_are_many() -> None:
    far = [replace(stop, lat=north(4000 + 500 * n).lat) for n, stop in enumerate(stops())]
    stand = [fix(1000 + 30 * n, 4000) for n in range(3)] + [fix(1070, 4200)]
    quiet, city = route(far), route(far)
    run(quiet, [fix(0, 0), *(fix(20 * n, 200 * n) for n in range(1, 20)), fix(980, 3850)])
    # Every 400 m half a minute of standing: 9 in 3.6 km.
    lights = [fix(100 * n + more_s, 400 * n) for n in range(1, 10) for more_s in (0, 30)]
    run(city, [fix(0, 0), *lights, fix(980, 3850)])
    assert [e.kind for e in run(quiet, stand)] == ["arrived", "departed"]
    assert run(city, stand) == []


def test_a_stand_that_was_likely_a_service_but_not_told_is_no_traffic() -> None:
    far = [replace(stop, lat=north(4000 + 500 * n).lat) for n, stop in enumerate(stops())]
    progress = route(far)
    lights = [fix(100 * n + more_s, 400 * n) for n in range(1, 10) for more_s in (0, 30)]
    run(progress, [fix(0, 0), *lights, fix(980, 3850)])
    before = minutes(progress, "e", 980) - minutes(progress, "b", 980)
    assert run(progress, [fix(1000 + 30 * n, 4000) for n in range(3)] + [fix(1070, 4200)]) == []
    assert progress.skipped == ("a",)
    # A minute at the stop has slowed nothing down, and services are expected to be shorter rather than longer.
    assert minutes(progress, "e", 1070) - minutes(progress, "b", 1070) <= before


def test_a_stand_at_the_stop_before_is_no_arrival_at_the_last_one_next_door() -> None:
    near = [*stops(2)[:1], replace(stops(2)[1], lat=north(560).lat)]
    events = run(route(near), [fix(0, 0), fix(30, 300), fix(60, 535), *(fix(60 + 30 * n, 535) for n in range(1, 5))])
    assert [(e.kind, e.stop_id) for e in events] == [("arrived", "a")]


def test_the_last_stop_is_not_reached_before_the_one_next_door_was_left() -> None:
    near = [*stops(2)[:1], replace(stops(2)[1], lat=north(545).lat)]
    drifts = [fix(60 + 30 * n, meters) for n, meters in enumerate((500, 505, 512, 518, 500, 500))]
    events = run(route(near), [fix(0, 0), fix(30, 300), *drifts, fix(240, 543)])
    assert [(e.kind, e.stop_id, e.at) for e in events] == [
        ("arrived", "a", at(60)),
        ("departed", "a", at(210)),
        ("arrived", "b", at(240)),
    ]


def test_a_state_written_before_traffic_was_counted_is_read() -> None:
    state = {key: value for key, value in route().dump().items() if key != "traffic"}
    again = RouteProgress.load(state, depot=DEPOT, stops=stops(), history=HISTORY)
    assert [e.kind for e in run(again, trip((500, 50), (500, 90)))] == ["arrived"]


def test_a_tap_during_a_stand_that_is_not_certain_yet_decides() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 40)))
    progress.tap("arrived", "a", at(80))
    later = [fix(at_s, 500) for at_s in (100, 110)] + [fix(120 + 10 * n, 600 + 100 * n) for n in range(4)]
    assert [(e.kind, e.stop_id) for e in run(progress, later)] == [("arrived", "a"), ("departed", "a")]


def test_what_is_not_certain_survives_a_restart() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 40)))
    again = RouteProgress.load(json.loads(json.dumps(progress.dump())), depot=DEPOT, stops=stops(), history=HISTORY)
    assert [e.kind for e in run(again, [fix(at_s, 500) for at_s in range(100, 150, 10)])] == ["arrived"]


def test_the_last_stop_next_door_is_arrived_at_by_coming_close() -> None:
    near = [*stops(2)[:1], replace(stops(2)[1], lat=north(600).lat)]
    events = run(route(near), trip((500, 50), (500, 100), (590, 20)))
    assert [(e.kind, e.stop_id) for e in events] == [("arrived", "a"), ("departed", "a"), ("arrived", "b")]


def test_a_departure_follows_and_the_next_stop_is_next() -> None:
    progress = route()
    events = run(progress, trip((500, 50), (500, 120), (800, 30)))
    assert [e.kind for e in events] == ["arrived", "departed"]
    assert abs((events[1].at - at(170)).total_seconds()) <= 10
    assert progress.estimates(at(200))["b"].stops_before == 0
    assert "a" not in progress.estimates(at(200))


def test_driving_past_a_stop_is_no_arrival_and_the_next_one_is_next() -> None:
    progress = route()
    assert run(progress, trip((900, 90))) == []
    assert progress.skipped == ("a",)
    estimates = progress.estimates(at(90))
    assert list(estimates) == ["b", "c", "d", "e", "a"]


def test_a_stop_gone_past_can_still_be_arrived_at() -> None:
    events = run(route(), trip((900, 90), (500, 40), (500, 90)))
    assert [(e.kind, e.stop_id) for e in events] == [("arrived", "a")]


def test_while_it_stands_the_stop_itself_counts_as_one_before_the_others() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 60)))
    estimates = progress.estimates(at(110))
    assert (estimates["a"].stops_before, estimates["a"].is_inside_fence) == (0, True)
    assert estimates["b"].stops_before == 1


def test_a_service_that_overruns_is_expected_to_last_at_least_a_third_more() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 600)))
    # 0.35 x 120 s of service and 50 s of driving are left, however long it took.
    assert minutes(progress, "b", 650) * 60 == pytest.approx(42 + 50, abs=6)
    assert progress.estimates(at(650))["b"].cause is Cause.LONG_STOP


def test_slow_traffic_makes_the_rest_later_and_says_so() -> None:
    progress = route()
    before = minutes(progress, "e", 0)
    run(progress, trip((300, 300)))
    assert minutes(progress, "e", 300) > before
    assert progress.estimates(at(300))["e"].cause is Cause.TRAFFIC


def test_fast_driving_makes_the_rest_earlier_and_says_so() -> None:
    progress = route(stops(20))
    run(progress, [fix(0, 0), *(fix(10 * n, -250 * n) for n in range(1, 2))])
    far = [replace(s, lat=north(4000 + 500 * n).lat) for n, s in enumerate(stops())]
    fast = route(far)
    run(fast, trip((3600, 180)))
    assert fast.estimates(at(180))["e"].cause is Cause.EARLY


def test_the_truck_waits_for_a_window_to_open() -> None:
    planned = stops()
    planned[1] = replace(planned[1], window_start_at=at(3600))
    progress = route(planned)
    run(progress, trip((100, 10)))
    estimates = progress.estimates(at(10))
    assert (estimates["b"].eta_at, estimates["b"].cause) == (at(3600), Cause.WAITING)
    assert estimates["b"].lo_at == at(3600)
    assert estimates["c"].eta_at > at(3600 + 120)


def test_a_tap_is_an_arrival_at_once_and_its_proof_by_position_is_told_too() -> None:
    progress = route()
    run(progress, [fix(0, 0), fix(30, 300), fix(50, 495)])
    progress.tap("arrived", "a", at(51))
    assert progress.current_stop_id == "a"
    events = run(progress, [fix(60, 500), fix(70, 498), fix(80, 499), fix(90, 500), fix(100, 501)])
    assert [(e.kind, e.stop_id) for e in events] == [("arrived", "a")]
    assert abs((events[0].at - at(50)).total_seconds()) <= 10


def test_a_tap_after_the_noticed_arrival_changes_no_estimate_of_the_others() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 60)))
    before = minutes(progress, "c", 110)
    progress.tap("arrived", "a", at(110))
    assert minutes(progress, "c", 110) == pytest.approx(before, abs=0.01)


def test_a_departure_tap_ends_the_stop() -> None:
    progress = route()
    progress.tap("arrived", "a", at(50))
    progress.tap("departed", "a", at(170))
    assert progress.current_stop_id is None
    # 500 m to b at about 100 s/km.
    assert minutes(progress, "b", 170) * 60 == pytest.approx(50, abs=3)


def test_a_tap_for_an_unknown_stop_is_an_error() -> None:
    with pytest.raises(KeyError):
        route().tap("arrived", "nowhere", EIGHT)


def test_an_arrival_taken_back_is_ahead_again() -> None:
    progress = route()
    progress.tap("arrived", "a", at(50))
    progress.undo("a")
    assert list(progress.estimates(at(60))) == ["a", "b", "c", "d", "e"]


def test_a_closed_stop_is_out_of_the_way() -> None:
    progress = route()
    planned = stops()
    planned[0] = replace(planned[0], closed=True)
    progress.replan(planned)
    assert list(progress.estimates(at(0))) == ["b", "c", "d", "e"]


def test_a_stop_closed_while_the_truck_stands_there_is_done_at_once() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 60)))
    planned = stops()
    planned[0] = replace(planned[0], closed=True)
    progress.replan(planned)
    estimate = progress.estimates(at(110))["b"]
    assert estimate.stops_before == 0
    assert minutes(progress, "b", 110) * 60 == pytest.approx(50, abs=5)


def test_a_truck_that_is_not_heard_of_after_a_hand_over_has_gone_on_and_is_held_up_by_nothing() -> None:
    progress = route()
    run(progress, trip((500, 50), (500, 60)))  # the last fix is of 110 s
    planned = stops()
    planned[0] = replace(planned[0], closed=True)
    progress.replan(planned)
    # It stands there for three minutes at most, until 290 s; b is 50 s on, and c a service and 50 s
    # more; a service is 120 s less the 0.2 of it that sums of skewed times are shorter.
    assert minutes(progress, "b", 200) * 60 == pytest.approx(50, abs=5)
    assert minutes(progress, "c", 320) * 60 == pytest.approx(290 + 50 + 96 + 50 - 320, abs=5)
    assert progress.estimates(at(800))["b"].cause is None
    later = progress.estimates(at(1100))["b"]
    assert (later.basis, later.cause) == ("plan", Cause.NO_SIGNAL)


def test_a_new_order_holds_at_once_and_explains_the_change() -> None:
    progress = route()
    run(progress, trip((100, 10)))
    progress.replan([stops()[n] for n in (2, 0, 1, 3, 4)], at=at(12))
    estimates = progress.estimates(at(12))
    assert list(estimates) == ["c", "a", "b", "d", "e"]
    assert {e.cause for e in estimates.values()} == {Cause.REORDER}


def test_an_added_stop_takes_its_place() -> None:
    progress = route()
    progress.replan([*stops()[:2], PlannedStop("x", *north(1250)), *stops()[2:]], at=EIGHT)
    assert list(progress.estimates(EIGHT)) == ["a", "b", "x", "c", "d", "e"]


def test_silence_widens_the_range_and_after_a_quarter_of_an_hour_is_the_cause() -> None:
    progress = route()
    run(progress, trip((100, 10)))
    soon, later = progress.estimates(at(60))["e"], progress.estimates(at(1000))["e"]
    assert (soon.basis, later.basis, later.cause) == ("live", "plan", Cause.NO_SIGNAL)
    assert later.hi_at - later.eta_at > soon.hi_at - soon.eta_at


def test_what_only_the_least_width_holds_does_not_narrow_the_range() -> None:
    progress = route()
    run(progress, [fix(0, 0)])
    # 500 m are 50 s: between 0.35 and 2.6 times as much by the ratios, from now on by the least width.
    low_s, high_s = progress.dump()["conformal"]["pending"]["a"]["0"]
    assert low_s - EIGHT.timestamp() == pytest.approx(17.5, abs=1)
    assert high_s - EIGHT.timestamp() == pytest.approx(130, abs=1)
    assert progress.estimates(EIGHT)["a"].lo_at == EIGHT


def test_an_estimate_is_never_in_the_past() -> None:
    progress = route()
    run(progress, trip((100, 10)))
    assert all(e.lo_at <= e.eta_at <= e.hi_at and e.eta_at >= at(5000) for e in progress.estimates(at(5000)).values())


def test_a_rest_away_from_any_stop_is_a_break_and_not_slow_driving() -> None:
    progress = route([replace(s, lat=north(5000 + 500 * n).lat) for n, s in enumerate(stops())])
    run(progress, trip((1000, 100)))
    before = minutes(progress, "e", 100)
    run(progress, [fix(100 + 30 * n, 1000) for n in range(1, 30)])
    assert minutes(progress, "e", 970) == pytest.approx(before, rel=0.05)
    assert progress.estimates(at(970))["e"].cause is Cause.BREAK


def test_a_stand_that_only_late_fixes_prove_is_an_arrival_too() -> None:
    progress = route()
    run(progress, [fix(0, 0), fix(50, 498), fix(170, 800), fix(200, 900)])
    # 800 m are 100 s of the 170 from the fix before to the one after: 70 s are lost, 60 proven.
    events = run(progress, [fix(110, 500, received_s=210)])
    assert [(e.kind, e.stop_id, e.at) for e in events] == [("arrived", "a", at(50)), ("departed", "a", at(110))]
    assert progress.last_fix == fix(200, 900)


def test_a_late_fix_of_a_stand_that_is_not_told_yet_dates_it_back() -> None:
    progress = route()
    # 69 s are needed here. Of the 125 s since the depot 500 m at 8 m/s take 62, so 62 are lost; 45 are proven.
    assert run(progress, [fix(0, 0), fix(80, 500), fix(110, 500)]) == []
    assert run(progress, [fix(50, 500, received_s=115)]) == []
    # With the late fix 75 are proven.
    assert [(e.kind, e.at) for e in run(progress, [fix(125, 500)])] == [("arrived", at(50))]


def test_a_late_fix_that_proves_a_red_light_proves_no_arrival() -> None:
    progress = route()
    run(progress, [fix(0, 0), fix(50, 498), fix(120, 800), fix(150, 900)])
    assert run(progress, [fix(80, 500, received_s=160)]) == []


@pytest.mark.parametrize(("again", "status"), [(fix(30, 300), FixStatus.DUPLICATE), (fix(20, 200), FixStatus.LATE)])
def test_repeated_and_late_fixes_change_no_estimate(again: Fix, status: FixStatus) -> None:
    progress = route()
    run(progress, [fix(0, 0), fix(30, 300)])
    before = progress.estimates(at(30))
    outcome = progress.accept(again)
    assert outcome == Outcome(status, outcome.reason, moved=False, events=())
    assert progress.estimates(at(30)) == before


def test_each_arrival_and_departure_is_told_once() -> None:
    fixes = list(trip((500, 50), (500, 60), (560, 20), (500, 20), (500, 120), (900, 40), (1000, 20), (1000, 60)))
    events = run(route(), [*fixes, *fixes])
    assert len({(e.kind, e.stop_id) for e in events}) == len(events)


def test_a_route_nobody_started_begins_when_the_truck_has_left_the_depot() -> None:
    progress = RouteProgress.start(depot=DEPOT, planned_start_at=at(3600), stops=stops(), history=HISTORY)
    progress.accept(fix(0, 50))
    assert not progress.is_started
    progress.accept(fix(60, 400))
    assert progress.is_started


def test_a_restarted_process_goes_on_where_the_other_stopped() -> None:
    fixes = list(trip((500, 50), (500, 60), (1000, 70), (1000, 90), (1400, 50)))
    through, restarted = route(), route()
    for one in fixes:
        seen = through.accept(one)
        state = json.loads(json.dumps(restarted.dump()))
        restarted = RouteProgress.load(state, depot=DEPOT, stops=stops(), history=HISTORY)
        again = restarted.accept(one)
        assert (again.status, again.moved, [(e.kind, e.stop_id) for e in again.events]) == (
            seen.status,
            seen.moved,
            [(e.kind, e.stop_id) for e in seen.events],
        )
    for stop_id, estimate in through.estimates(at(320)).items():
        other = restarted.estimates(at(320))[stop_id]
        assert abs((other.eta_at - estimate.eta_at).total_seconds()) < 2


class CountingLine(StraightLine):
    """The straight line, and how many legs it was asked for."""

    asked = 0

    def to_many(self, origin: LatLon, targets: Sequence[LatLon]) -> list[Leg | None]:
        """Return the straight leg from ``origin`` to each target."""
        self.asked += len(targets)
        return super().to_many(origin, targets)


def test_a_route_of_150_stops_asks_for_few_legs_a_fix_and_its_state_is_small() -> None:
    planned = [PlannedStop(f"{n:032x}", *north(500 * (n + 1))) for n in range(150)]
    progress = route(planned)
    for n in range(150):
        progress.tap("arrived", planned[n].stop_id, at(100 * n + 50))
        if n < 75:
            progress.tap("departed", planned[n].stop_id, at(100 * n + 90))
    assert len(json.dumps(progress.dump())) < 20_000
    engine = CountingLine()
    fresh = RouteProgress.start(depot=DEPOT, planned_start_at=EIGHT, stops=planned, history=HISTORY, travel=engine)
    fresh.begin(EIGHT)
    run(fresh, [fix(10 * n, 100 * n) for n in range(70)])
    fresh.estimates(at(690))
    # The legs between stops are known: what is asked for is from the truck to the next stop, not 150 legs a fix.
    engine.asked = 0
    for n in range(70, 120):
        fresh.accept(fix(10 * n, 100 * n))
        fresh.estimates(at(10 * n))
    assert engine.asked <= 10 * 50
    assert len(json.dumps(fresh.dump())) < 20_000


ROWS = st.tuples(st.integers(0, 90), st.floats(-300, 3200), st.integers(0, 400), st.sampled_from([None, 5.0, 150.0]))


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=60), st.integers(0, 60))
def test_whatever_comes_time_and_order_hold(rows: list[tuple[int, float, int, float | None]], tap_after: int) -> None:
    progress = route()
    now_s, newest, told = 0.0, None, set()
    for number, (gap_s, meters, lag_s, accuracy_m) in enumerate(rows):
        now_s += gap_s
        one = replace(fix(now_s - lag_s, meters, received_s=now_s), accuracy_m=accuracy_m)
        outcome = progress.accept(one)
        if number == tap_after:
            progress.tap("arrived", "b", at(now_s))
        if outcome.moved:
            assert progress.last_fix is not None
            assert newest is None or progress.last_fix.at > newest
            newest = progress.last_fix.at
        for event in outcome.events:
            assert (event.kind, event.stop_id) not in told
            told.add((event.kind, event.stop_id))
        for estimate in progress.estimates(at(now_s)).values():
            assert estimate.lo_at <= estimate.eta_at <= estimate.hi_at
            assert estimate.eta_at >= at(now_s) - timedelta(milliseconds=1)
        assert len(progress.recent_fixes) <= 60
        assert list(progress.recent_fixes) == sorted(progress.recent_fixes, key=lambda known: known.at)


def test_a_street_that_history_knows_as_slow_takes_longer() -> None:
    leg = DrivenLeg(north(500), north(1000), 500.0, 200.0)
    beside = DrivenLeg(LatLon(north(500).lat, 13.007), LatLon(north(1000).lat, 13.007), 500.0, 50.0)
    # Together they took the usual 0.25 s a metre, so the area is as usual and the first leg 1.6 times that.
    slow = SlowPlaces.of_runs([[leg, beside]] * 9, usual_s_per_m=0.25)
    known = RouteProgress.start(
        depot=DEPOT, planned_start_at=EIGHT, stops=stops(), history=replace(HISTORY, slow_places=slow), driver="d1"
    )
    known.begin(EIGHT)
    plain = route()
    # The leg from a to b takes 1.6 ** 0.9 times its 50 s; the one to a is half a kilometre away from any that is known.
    assert minutes(known, "a", 0) == pytest.approx(minutes(plain, "a", 0))
    longer_s = 60 * (minutes(known, "b", 0) - minutes(plain, "b", 0))
    assert longer_s == pytest.approx(50 * (1.6**0.9 - 1), abs=0.5)


def test_a_first_fix_in_the_wrong_place_does_not_make_the_truck_fast() -> None:
    progress = route()
    progress.accept(fix(0, -4000))
    # Every half minute 100 m, a third of the usual speed. The leap of 4.1 km is believed at the third fix that agrees,
    # and only the 30 s and 100 m (15 s of the engine) after it are counted.
    for number in range(1, 5):
        progress.accept(fix(30 * number, 100.0 * number))
    # (600 + 30) / (600 / (2 / 3) + 15) = 0.689 times the engine's 0.15 s/m, so the 100 m to a take 10.3 s.
    assert 60 * minutes(progress, "a", 120) == pytest.approx(100 * 0.15 * 630 / 915, abs=0.1)
