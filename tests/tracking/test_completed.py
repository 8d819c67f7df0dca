"""Completed routes become runs to learn from, and what was learned is read back as it was."""

from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy.orm import Session

from tests.builders import DEPOT_AT, local, make_delivery, make_route, make_stop
from tracking.completed import EVERY, are_tapped, completed_runs
from tracking.deliveries import DeliveryStatus
from tracking.eta import EtaHistory
from tracking.eta_learned import learned_at, read_history, write_history
from tracking.learning import learn
from tracking.positions import Position
from tracking.routes import Route, RouteStatus

START = local("10:00")
DRIVE_S, STAND_S = 100, 300
NOW = local("23:00")


def driven_route(session: Session, *, status: RouteStatus = RouteStatus.FINISHED, visited: int = 3) -> Route:
    """Three stops 510 m apart, 100 s of driving and 300 s of service each; a fix every ten seconds."""
    route = make_route(session, status=status, started_at=START, finished_at=START + timedelta(hours=1))
    at = START
    for number in range(3):
        arrived_at = at + timedelta(seconds=DRIVE_S)
        left_at = arrived_at + timedelta(seconds=STAND_S)
        seen = {"arrived_at": arrived_at, "departed_at": left_at, "arrived_source": "position"}
        stop = make_stop(session, route, service_s=None, **(seen if number < visited else {}))
        make_delivery(session, stop=stop, status=DeliveryStatus.DELIVERED)
        for second in range(0, DRIVE_S + STAND_S, 10):
            share = number + min(1.0, second / DRIVE_S)
            add_fix(session, route, at + timedelta(seconds=second), share)
        at = left_at
    session.flush()
    return route


def add_fix(session: Session, route: Route, at: datetime, share: float, status: str = "stored") -> None:
    session.add(
        Position(
            driver_id=route.driver_id,
            route_id=route.id,
            at=at,
            received_at=at,
            lat=DEPOT_AT[0] + 0.004 * share,
            lon=DEPOT_AT[1] + 0.003 * share,
            status=status,
            source="json",
        )
    )


def test_finished_route_is_a_run_with_its_truth_and_thinned_fixes(session: Session) -> None:
    route = driven_route(session)
    add_fix(session, route, START - timedelta(minutes=20), 0.0)  # on the way to work
    add_fix(session, route, START + timedelta(seconds=1), 50.0, status="refused")
    session.flush()
    (run,) = completed_runs(session, NOW)
    assert (run.run_id, run.vehicle, len(run.stops)) == (route.id, route.driver_id, 3)
    assert run.truth[0].arrived_at == START + timedelta(seconds=DRIVE_S)
    assert not any(stop.closed or stop.arrived_at for stop in run.stops)
    times = [fix.at for fix in run.fixes]
    assert times[0] == START
    assert all(later - earlier >= EVERY for earlier, later in pairwise(times))
    assert max(fix.lat for fix in run.fixes) < DEPOT_AT[0] + 0.02
    assert not are_tapped(session, [run])


def test_only_finished_routes_with_visits_teach(session: Session) -> None:
    driven_route(session, status=RouteStatus.STARTED)
    route = make_route(session, status=RouteStatus.FINISHED, started_at=START, finished_at=START + timedelta(hours=1))
    make_delivery(session, stop=make_stop(session, route), status=DeliveryStatus.ATTEMPT_FAILED)
    assert completed_runs(session, NOW) == []


def test_what_a_route_teaches_survives_the_record(session: Session) -> None:
    driven_route(session)
    history = learn(completed_runs(session, NOW), taps=False)
    # 510 m at 150 s/km are 77 engine seconds, driven in 100 s: a pace of 1.31 against the usual 1.25; services of 300 s
    # against the usual 180 s, (8 * 180 + 3 * 300) / 11 = 212.7 s.
    assert 1.25 < history.pace < 1.31
    assert abs(history.service_s - 212.7) < 0.1
    write_history(session, history, runs=1, now=NOW)
    session.flush()
    assert learned_at(session) == NOW
    assert read_history(session) == history


def test_nothing_learned_is_nothing_known(session: Session) -> None:
    assert learned_at(session) is None
    assert read_history(session) is None


def test_a_later_night_replaces_what_was_learned(session: Session) -> None:
    write_history(session, EtaHistory.default(), runs=1, now=NOW)
    session.flush()
    write_history(session, EtaHistory.default(), runs=2, now=NOW + timedelta(days=1))
    session.flush()
    assert learned_at(session) == NOW + timedelta(days=1)
