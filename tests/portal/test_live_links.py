"""What the live half remembers of links: nothing lasts longer because somebody has set the machine's clock back."""

import asyncio
from typing import Any

import pytest

from portal.live_links import Door, KnownLink, LinkBook
from portal.services import Services
from tests.portal.recipient_day import link_of, on_the_way
from tracking.clocks import SetClock
from tracking.links import revoke

HOUR_S = 3600.0


@pytest.fixture
def link_id(services: Services) -> str:
    """The link of a delivery on its way."""
    with services.database.writing() as session:
        return link_of(session, on_the_way(session)).id


def through_the_door(book: LinkBook, link_id: str) -> KnownLink | None:
    async def in_thread(work: Any, *arguments: Any) -> Any:
        return await asyncio.to_thread(work, *arguments)

    async def scenario() -> KnownLink | None:
        return await asyncio.wait_for(Door(book, in_thread).link(link_id), timeout=60)

    return asyncio.run(scenario())


def test_a_link_that_was_changed_before_the_clock_was_set_back_is_let_in(
    services: Services, clock: SetClock, link_id: str
) -> None:
    book = LinkBook(services)
    book.drop(link_id)
    clock.machine_s -= HOUR_S
    known = through_the_door(book, link_id)
    assert known is not None
    assert book.kept(link_id) == known


def test_what_was_read_before_the_clock_was_set_back_is_read_anew(
    services: Services, clock: SetClock, link_id: str
) -> None:
    book = LinkBook(services)
    book.keep(book.read([link_id]))
    with services.database.writing() as session:
        revoke(session, [link_id], clock.now())
    clock.machine_s -= HOUR_S
    known = through_the_door(book, link_id)
    assert known is not None
    assert known.is_revoked


def test_what_was_read_before_a_change_is_not_kept(services: Services, link_id: str) -> None:
    book = LinkBook(services)
    read = book.read([link_id])
    book.drop(link_id)
    book.keep(read)
    assert book.kept(link_id) is None
