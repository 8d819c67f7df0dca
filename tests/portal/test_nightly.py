"""The night's work starts once a night, learns, and forgets what is old."""

import os
import subprocess
import sys
from datetime import timedelta
from zoneinfo import ZoneInfo

from redis import Redis
from sqlalchemy import select

import worker
from portal.nightly import Nightly, count_truth, forget, learn_history
from portal.services import Services
from tests.builders import ZONE, local, make_delivery, make_route, make_stop
from tracking.deliveries import EstimateMade
from tracking.eta_learned import learned_at
from tracking.truth_days import EtaDay

NIGHT = local("02:30")


def test_work_starts_once_a_night_on_one_machine(redis: Redis) -> None:
    started: list[str] = []
    here = Nightly(redis, ZONE, lambda: started.append("here"))
    there = Nightly(redis, ZONE, lambda: started.append("there"))
    for at in (local("01:59"), NIGHT, NIGHT + timedelta(minutes=1)):
        here.look(at)
        there.look(at)
    assert started == ["here"]
    there.look(NIGHT + timedelta(days=1))
    assert started == ["here", "there"]


def test_no_work_starts_by_day(redis: Redis) -> None:
    started: list[str] = []
    Nightly(redis, ZONE, lambda: started.append("here")).look(local("06:00"))
    assert started == []


def test_night_is_a_part_that_ends_by_itself(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", worker.START, "night"], env={**os.environ, **environ}, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert b"history learned" in done.stdout + done.stderr


def test_without_a_completed_route_nothing_is_learned(services: Services) -> None:
    assert learn_history(services) == 0
    with services.database.reading() as session:
        assert learned_at(session) is None


def test_the_truth_of_yesterday_is_counted(services: Services) -> None:
    today = services.clock.now().astimezone(ZoneInfo(ZONE)).date()
    with services.database.writing() as session:
        for back in (0, 1):
            route = make_route(session, on=today - timedelta(days=back))
            at = services.clock.now() - timedelta(days=back)
            stop = make_stop(session, route, arrived_at=at)
            made_at = at - timedelta(minutes=10)
            session.add(EstimateMade(stop_id=stop.id, made_at=made_at, eta_at=at, lo_at=made_at, hi_at=at, model="m"))
    assert count_truth(services) == 1
    with services.database.reading() as session:
        assert session.scalars(select(EtaDay.on)).all() == [today - timedelta(days=1)]


def test_old_estimates_are_forgotten_to_the_last(services: Services) -> None:
    with services.database.writing() as session:
        stop = make_delivery(session, stop=make_stop(session, make_route(session))).stop
        for days in (40, 36, 1):
            at = services.clock.now() - timedelta(days=days)
            session.add(EstimateMade(stop_id=stop.id, made_at=at, eta_at=at, lo_at=at, hi_at=at, model="m"))
    assert forget(services) == 2
    assert forget(services) == 0
