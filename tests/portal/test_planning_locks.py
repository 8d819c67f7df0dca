"""Plans are made while others hold deliveries: whoever waits for one holds no other, so nobody deadlocks."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from redis import Redis
from sqlalchemy import select, text

import migrations.env_tables  # noqa: F401 - every table is read
from messaging.reconciler import dirty_deliveries, of_delivery
from portal.services import Services, build
from portal.settings import read_settings
from portal.workshop import Workshop
from sandbox.postgres import Cluster
from tests.builders import local, make_delivery, make_route
from tests.not_run import leave_out
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_id

pytestmark = pytest.mark.postgres  # SQLite has one lock for all
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.fixture
def services(environ: dict[str, str], redis: Redis, clock: SetClock, cluster: Cluster | None) -> Iterator[Services]:
    if cluster is None:
        leave_out("plans beside held deliveries", "initdb was not found")
    name = f"t{new_id()}"
    url = cluster.create(name, template="template_portal")
    clock.at = local("08:30")
    built = build(read_settings({**environ, "PORTAL_DATABASE_URL": url}), clock=clock)
    yield built
    built.database.close()
    built.redis.close()
    cluster.drop(name)


def wait_for_a_waiter(services: Services) -> None:
    """Return when somebody waits for a lock."""
    waiting = 0
    while not waiting:
        with services.database.reading() as session:
            waiting = session.scalars(WAITING).one()
        Event().wait(0.02)


def plan(services: Services) -> None:
    with asyncio.Runner() as runner:
        shop = Workshop(services, runner)
        shop.reconcile()
        shop.close()


def test_who_holds_one_delivery_and_wants_another_meets_no_deadlock(services: Services) -> None:
    with services.database.writing() as session:
        route = make_route(session)
        made = sorted(make_delivery(session, route=route, plan_dirty_at=local("08:00")).id for _ in range(2))
    first, last = (select(Delivery.id).where(Delivery.id == one).with_for_update() for one in made)

    with ThreadPoolExecutor() as threads:
        with services.database.writing() as session:
            session.execute(last)
            planning = threads.submit(plan, services)
            wait_for_a_waiter(services)
            session.execute(first)
        planning.result(timeout=60)

    with services.database.reading() as session:
        assert dirty_deliveries(session, 10) == []
        assert all(of_delivery(session, one) for one in made)
