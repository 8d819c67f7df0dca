"""A workshop on the world's stand-ins: the jobs as the worker runs them, in this process."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from sqlalchemy import select

from messaging.notifications import Notification
from portal.services import Services, build
from portal.settings import read_settings
from portal.workshop import Workshop
from sandbox.world import World
from tracking.clocks import SetClock


@pytest.fixture
def world_services(environ: dict[str, str], world: World, redis: Redis, clock: SetClock) -> Iterator[Services]:
    """The real services, with the world's Twilio and mailbox."""
    fast = {"PORTAL_SEND_TIMEOUT_S": "6", "PORTAL_LEASE_S": "18", "PORTAL_SETTLE_S": "3"}
    built = build(read_settings({**environ, **world.environment(), **fast}), clock=clock)
    yield built
    built.database.close()
    built.redis.close()


@pytest.fixture
def workshop(world_services: Services) -> Iterator[Workshop]:
    """What the jobs are made of."""
    with asyncio.Runner() as runner:
        made = Workshop(world_services, runner)
        yield made
        made.close()


@pytest.fixture
def rows(world_services: Services) -> Callable[[], list[Notification]]:
    """Every notification, oldest first."""

    def read() -> list[Notification]:
        with world_services.database.reading() as session:
            return list(session.scalars(select(Notification).order_by(Notification.due_at, Notification.channel)))

    return read
