"""Moving a delivery back: to the door, route and window it had, while nothing has happened since."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from tests.builders import SERVICE_ON, local, make_delivery, make_route, make_stop
from tracking import changes, deliveries
from tracking.actors import Actor, ActorKind
from tracking.changes import BadChange
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.errors import NotFound
from tracking.routes import Route, RouteStatus
from tracking.storage import Database

S = DeliveryStatus
NOW = local("07:00")
LATER = date(2026, 3, 9)
STAFF = Actor(ActorKind.STAFF, "s" * 32)
Ids = Callable[[], str]


def made(database: Database, status: DeliveryStatus = S.SCHEDULED) -> Delivery:
    with database.writing() as session:
        return make_delivery(session, status=status)


def found(database: Database, delivery_id: str) -> Delivery:
    with database.reading() as session:
        return deliveries.load(session, delivery_id)


def move(database: Database, ids: Ids, delivery_id: str, **told: object) -> str:
    """Move it and return the id of the event."""
    given = {"service_on": LATER, "window_start": "14:00", "window_end": "16:00", **told}
    with database.writing() as session:
        changes.reschedule(session, delivery_id, now=NOW, actor=STAFF, ids=ids, **given)  # type: ignore[arg-type]
        event_id = changes.newest_move(session, delivery_id)
    assert event_id is not None
    return event_id


def undo(database: Database, ids: Ids, delivery_id: str, event_id: str, *, minutes: int = 1) -> changes.Changed:
    now = NOW + timedelta(minutes=minutes)
    with database.writing() as session:
        return changes.undo_reschedule(session, delivery_id, event_id=event_id, now=now, actor=STAFF, ids=ids)


def place(delivery: Delivery) -> tuple[object, ...]:
    return delivery.stop_id, delivery.service_on, delivery.window_start_at, delivery.window_end_at


@pytest.mark.parametrize("status", [S.SCHEDULED, S.LOADED])
def test_it_comes_back_to_its_door_on_its_route_in_its_window(
    database: Database, ids: Ids, status: DeliveryStatus
) -> None:
    before = made(database, status)
    event_id = move(database, ids, before.id)
    changed = undo(database, ids, before.id, event_id)

    after = found(database, before.id)
    assert place(after) == place(before)
    assert after.status is S.SCHEDULED
    assert after.plan_dirty_at == NOW + timedelta(minutes=1)
    assert before.stop.route_id in changed.route_ids


def test_another_window_of_the_same_day_is_taken_back_though_the_route_has_left(database: Database, ids: Ids) -> None:
    before = made(database)
    event_id = move(database, ids, before.id, service_on=SERVICE_ON, route_id=before.stop.route_id)
    with database.writing() as session:
        session.get_one(Route, before.stop.route_id).status = RouteStatus.STARTED
    undo(database, ids, before.id, event_id)
    assert place(found(database, before.id)) == place(before)


@pytest.mark.parametrize("minutes", [0, 1])
def test_it_is_taken_back_once(database: Database, ids: Ids, minutes: int) -> None:
    before = made(database)
    event_id = move(database, ids, before.id)
    undo(database, ids, before.id, event_id, minutes=minutes)
    with pytest.raises(BadChange, match="happened to it since"):
        undo(database, ids, before.id, event_id, minutes=2)
    assert place(found(database, before.id)) == place(before)


def loaded(database: Database, ids: Ids, before: Delivery) -> None:
    with database.writing() as session:
        deliveries.require_move(session, before.id, S.LOADED, at=NOW)


def moved_on(database: Database, ids: Ids, before: Delivery) -> None:
    move(database, ids, before.id, window_end="17:00")


def route_left(database: Database, ids: Ids, before: Delivery) -> None:
    with database.writing() as session:
        session.get_one(Route, before.stop.route_id).status = RouteStatus.STARTED


@pytest.mark.parametrize(
    ("happens", "why"),
    [(loaded, "happened to it since"), (moved_on, "happened to it since"), (route_left, "has left")],
)
def test_it_stays_once_something_has_happened(
    database: Database, ids: Ids, happens: Callable[[Database, Ids, Delivery], None], why: str
) -> None:
    before = made(database)
    event_id = move(database, ids, before.id)
    happens(database, ids, before)
    with pytest.raises(BadChange, match=why):
        undo(database, ids, before.id, event_id)
    assert found(database, before.id).service_on == LATER


def test_a_window_that_is_over_is_not_promised_again(database: Database, ids: Ids) -> None:
    before = made(database)
    event_id = move(database, ids, before.id)
    with pytest.raises(BadChange, match="over already"):
        undo(database, ids, before.id, event_id, minutes=24 * 60)


def test_it_does_not_come_back_to_a_failed_attempt(database: Database, ids: Ids) -> None:
    before = made(database, S.ATTEMPT_FAILED)
    event_id = move(database, ids, before.id)
    with pytest.raises(BadChange, match="attempt had failed"):
        undo(database, ids, before.id, event_id)


def test_a_move_of_another_delivery_or_none_takes_nothing_back(database: Database, ids: Ids) -> None:
    one = made(database)
    with database.writing() as session:
        other = make_delivery(session, stop=make_stop(session, make_route(session, name="Other")), reference="B-2")
    move(database, ids, one.id)
    event_id = move(database, ids, other.id)
    for told in (event_id, "nothing"):
        with pytest.raises(BadChange, match="happened to it since"):
            undo(database, ids, one.id, told)
    with pytest.raises(NotFound):
        undo(database, ids, "nothing", event_id)
