from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.builders import SERVICE_ON, local, make_delivery, make_driver, make_route, make_stop
from tracking import changes, custody, deliveries
from tracking.actors import Actor, ActorKind
from tracking.changes import BadChange
from tracking.custody import CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.errors import NotFound, WrongMove
from tracking.facts import delivery_changed, revoked, route_changed
from tracking.holding import is_holding
from tracking.links import Audience, Link, driver_link, recipient_link
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop, stops_of
from tracking.storage import Database

NOW = local("07:00")
LATER = date(2026, 3, 9)
STAFF = Actor(ActorKind.STAFF, "s" * 32)
Ids = Callable[[], str]


def made(database: Database, status: DeliveryStatus = DeliveryStatus.SCHEDULED, **columns: object) -> Delivery:
    with database.writing() as session:
        return make_delivery(session, status=status, **columns)


def found(database: Database, delivery_id: str) -> Delivery:
    with database.reading() as session:
        return deliveries.load(session, delivery_id)


def move(database: Database, ids: Ids, delivery_id: str, **told: object) -> changes.Changed:
    given = {"service_on": LATER, "window_start": "14:00", "window_end": "16:00", **told}
    with database.writing() as session:
        return changes.reschedule(session, delivery_id, now=NOW, actor=STAFF, ids=ids, **given)  # type: ignore[arg-type]


def test_rescheduled_delivery_is_the_same_row_at_a_new_stop(database: Database, ids: Ids) -> None:
    before = made(
        database,
        DeliveryStatus.ATTEMPT_FAILED,
        failure_reason="nobody_home",
        promise_point_at=NOW,
        promise_broken_at=NOW,
        next_stop_at=NOW,
    )
    changed = move(database, ids, before.id)
    after = found(database, before.id)
    assert (after.status, after.service_on) == (DeliveryStatus.SCHEDULED, LATER)
    assert after.window_start_at == local("14:00", LATER)
    assert after.stop_id != before.stop_id
    assert (after.stop.address, after.stop.lat) == (before.stop.address, before.stop.lat)
    assert (after.failure_reason, after.promise_point_at, after.promise_broken_at, after.next_stop_at) == (None,) * 4
    assert (after.import_on, after.plan_dirty_at) == (before.import_on, NOW)
    assert after.version > before.version
    assert changed.facts() == [
        delivery_changed(after.id),
        route_changed(before.stop.route_id),
        route_changed(after.stop.route_id),
    ]
    with database.reading() as session:
        (event,) = custody.history(session, before.id)
    assert (event.kind, event.actor_kind) == (CustodyKind.RESCHEDULED, "staff")
    assert (event.detail["from_on"], event.detail["to_on"]) == ("2026-03-05", "2026-03-09")


def test_without_a_route_it_waits_where_nobody_drives(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        route = make_route(session)
        first, second = make_delivery(session, route=route), make_delivery(session, route=route)
    move(database, ids, first.id)
    move(database, ids, second.id)
    one, other = found(database, first.id), found(database, second.id)
    assert one.stop.route_id == other.stop.route_id
    assert (one.stop.route.name, is_holding(one.stop.route.driver)) == ("unassigned", True)
    assert [one.stop.sequence, other.stop.sequence] == [1, 2]
    assert one.stop.planned_arrival_at is not None


def test_given_route_takes_it_at_its_end_or_at_the_same_door(database: Database, ids: Ids) -> None:
    delivery = made(database)
    with database.writing() as session:
        route = make_route(session, on=LATER)
        make_stop(session, route, address="Elsewhere")
        same = make_stop(session, route, address=delivery.stop.address, lat=delivery.stop.lat, lon=delivery.stop.lon)
    move(database, ids, delivery.id, route_id=route.id)
    assert found(database, delivery.id).stop_id == same.id


def test_new_window_of_the_same_day_stays_on_its_route(database: Database, ids: Ids) -> None:
    delivery = made(database)
    move(database, ids, delivery.id, service_on=SERVICE_ON)
    after = found(database, delivery.id)
    assert (after.stop_id, after.window_start_at) == (delivery.stop_id, local("14:00"))


@pytest.mark.parametrize("status", list(DeliveryStatus))
def test_only_what_is_not_under_way_is_rescheduled(database: Database, ids: Ids, status: DeliveryStatus) -> None:
    delivery = made(database, status)
    may = status in {DeliveryStatus.SCHEDULED, DeliveryStatus.LOADED, DeliveryStatus.ATTEMPT_FAILED}
    if may:
        move(database, ids, delivery.id)
        assert found(database, delivery.id).service_on == LATER
    else:
        with pytest.raises(WrongMove):
            move(database, ids, delivery.id)
        assert found(database, delivery.id).service_on == SERVICE_ON


@pytest.mark.parametrize(
    "told",
    [
        {"window_start": "16:00", "window_end": "14:00"},
        {"window_start": "4pm"},
        {"window_start": "24:00"},
        {"service_on": date(2026, 3, 1)},
        {"service_on": date(2036, 3, 1)},
        {"service_on": date(2026, 3, 5), "window_start": "05:00", "window_end": "06:00"},
        {"service_on": date(2026, 3, 8), "window_start": "02:10", "window_end": "02:40"},
    ],
)
def test_window_that_makes_no_sense_is_refused(database: Database, ids: Ids, told: dict[str, object]) -> None:
    delivery = made(database)
    with pytest.raises(BadChange):
        move(database, ids, delivery.id, **told)


def test_route_of_another_day_or_a_finished_one_is_refused(database: Database, ids: Ids) -> None:
    delivery = made(database)
    with database.writing() as session:
        other_day = make_route(session, on=date(2026, 3, 10)).id
        finished = make_route(session, on=LATER, status=RouteStatus.FINISHED).id
    with pytest.raises(BadChange):
        move(database, ids, delivery.id, route_id=other_day)
    with pytest.raises(WrongMove):
        move(database, ids, delivery.id, route_id=finished)
    with pytest.raises(NotFound):
        move(database, ids, delivery.id, route_id="none")


def test_link_lasts_as_long_after_the_new_window(database: Database, ids: Ids) -> None:
    delivery = made(database)
    expires_at = local("12:00") + timedelta(days=1)
    with database.writing() as session:
        recipient_link(session, delivery_id=delivery.id, link_id="a" * 11, now=NOW, expires_at=expires_at)
    move(database, ids, delivery.id)
    with database.reading() as session:
        assert session.get_one(Link, "a" * 11).expires_at == local("16:00", LATER) + timedelta(days=1)


def test_cancelled_delivery_is_closed_and_on_record_once(database: Database, ids: Ids) -> None:
    delivery = made(database)
    with database.writing() as session:
        changed = changes.cancel(session, delivery.id, now=NOW, actor=STAFF, ids=ids, reason=" sold  out ")
        again = changes.cancel(session, delivery.id, now=NOW, actor=STAFF, ids=ids)
    assert (changed.delivery_ids, again) == ((delivery.id,), changes.Changed())
    with database.reading() as session:
        (event,) = custody.history(session, delivery.id)
    assert (event.kind, event.detail) == (CustodyKind.CANCELLED, {"reason": "sold out"})
    assert found(database, delivery.id).stop.route.plan_version == 2


def test_delivered_parcel_cannot_be_cancelled_and_says_why(database: Database, ids: Ids) -> None:
    delivery = made(database, DeliveryStatus.DELIVERED)
    with pytest.raises(WrongMove, match="already delivered"), database.writing() as session:
        changes.cancel(session, delivery.id, now=NOW, actor=STAFF, ids=ids)


def test_reassigned_route_ends_the_links_of_the_driver_before(database: Database, ids: Ids) -> None:
    delivery = made(database, DeliveryStatus.OUT_FOR_DELIVERY)
    route = delivery.stop.route
    with database.writing() as session:
        session.get_one(Route, route.id).status = RouteStatus.STARTED
        driver_link(
            session, route_id=route.id, driver_id=route.driver_id, link_id="d" * 11, now=NOW, expires_at=local("20:00")
        )
        session.add(RouteState(route_id=route.id, engine={}, plan_version=1, last_lat=1.0, last_lon=1.0))
        other = make_driver(session, "Sam Poe", "+12015550151").id
    with database.writing() as session:
        changed = changes.reassign(session, route.id, driver_id=other, now=NOW, actor=STAFF, ids=ids)
        again = changes.reassign(session, route.id, driver_id=other, now=NOW, actor=STAFF, ids=ids)
    assert changed.facts() == [revoked("d" * 11), delivery_changed(delivery.id), route_changed(route.id)]
    assert again == changes.Changed()
    with database.reading() as session:
        assert session.get(RouteState, route.id) is None
        assert session.get_one(Link, "d" * 11).revoked_at == NOW
        assert [event.kind for event in custody.history(session, delivery.id)] == [CustodyKind.REASSIGNED]
        assert session.get_one(Route, route.id).plan_version == 2


def test_stops_are_put_into_the_order_given(database: Database) -> None:
    with database.writing() as session:
        route = make_route(session)
        stops = [make_stop(session, route) for _ in range(3)]
        delivery = make_delivery(session, stop=stops[2])
    order = [stops[2].id, stops[0].id, stops[1].id]
    with database.writing() as session:
        changed = changes.reorder(session, route.id, order, now=NOW)
        assert [(stop.id, stop.sequence) for stop in stops_of(session, route.id)] == list(
            zip(order, (1, 2, 3), strict=True)
        )
    assert changed.delivery_ids == (delivery.id,)
    assert found(database, delivery.id).plan_dirty_at == NOW


def test_stop_that_was_visited_keeps_its_place(database: Database) -> None:
    with database.writing() as session:
        route = make_route(session, status=RouteStatus.STARTED)
        stops = [make_stop(session, route, arrived_at=NOW if number == 0 else None) for number in range(3)]
    with pytest.raises(WrongMove), database.writing() as session:
        changes.reorder(session, route.id, [stops[1].id, stops[0].id, stops[2].id], now=NOW)
    with database.writing() as session:
        changes.reorder(session, route.id, [stops[0].id, stops[2].id, stops[1].id], now=NOW)


@pytest.mark.parametrize("pick", [[0, 1], [0, 0, 1], [0, 1, 2, 2], []])
def test_order_that_does_not_name_each_stop_once_is_refused(database: Database, pick: list[int]) -> None:
    with database.writing() as session:
        route = make_route(session)
        stops = [make_stop(session, route) for _ in range(3)]
    with pytest.raises(BadChange), database.writing() as session:
        changes.reorder(session, route.id, [stops[number].id for number in pick], now=NOW)


def test_stop_is_added_before_another_or_at_the_end(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        route = make_route(session)
        first = make_stop(session, route)
    with database.writing() as session:
        end, _ = changes.add_stop(session, route.id, address="End", lat=40.7, lon=-74.3, now=NOW, ids=ids)
        start, _ = changes.add_stop(
            session, route.id, address="Start", lat=40.7, lon=-74.3, now=NOW, ids=ids, before_stop_id=first.id
        )
        assert [stop.id for stop in stops_of(session, route.id)] == [start, first.id, end]
        with pytest.raises(BadChange):
            changes.add_stop(session, route.id, address="Sea", lat=0.0, lon=0.0, now=NOW, ids=ids)
        with pytest.raises(NotFound):
            changes.add_stop(session, route.id, address="X", lat=1.0, lon=1.0, now=NOW, ids=ids, before_stop_id="none")


def correct(database: Database, delivery_id: str, **told: str) -> changes.Changed:
    with database.writing() as session:
        return changes.correct_contact(session, delivery_id, now=NOW, region="US", **told)


def test_corrected_contact_is_stored_normal_and_plans_anew(database: Database) -> None:
    delivery = made(database)
    changed = correct(database, delivery.id, phone="(201) 555-0123", email="", recipient_name=" Bo  Li ")
    after = found(database, delivery.id)
    assert (after.phone, after.email, after.recipient_name) == ("+12015550123", None, "Bo Li")
    assert (after.plan_dirty_at, changed.delivery_ids) == (NOW, (delivery.id,))
    assert correct(database, delivery.id, phone="+12015550123") == changes.Changed()


@pytest.mark.parametrize(
    "told",
    [{"phone": "12"}, {"email": "anna@"}, {"phone": "", "email": ""}, {"recipient_name": " "}, {"phone": "\x00"}],
)
def test_contact_that_reaches_nobody_is_refused(database: Database, told: dict[str, str]) -> None:
    delivery = made(database)
    with pytest.raises(BadChange):
        correct(database, delivery.id, **told)
    assert found(database, delivery.id).version == delivery.version


def test_note_and_instructions_reach_the_driver(database: Database) -> None:
    delivery = made(database)
    with database.writing() as session:
        changes.set_note(session, delivery.id, note="Gate 4711", now=NOW)
        changes.set_instructions(session, delivery.id, instructions="Two people", now=NOW)
    after = found(database, delivery.id)
    assert (after.recipient_note, after.recipient_note_at, after.instructions) == ("Gate 4711", NOW, "Two people")
    with database.writing() as session:
        changed = changes.set_note(session, delivery.id, note=" Gate 4711 ", now=NOW)
        changes.set_note(session, delivery.id, note="", now=NOW)
    assert changed == changes.Changed()
    assert found(database, delivery.id).recipient_note_at is None


def test_revoked_links_are_named_and_a_renewed_one_is_another(database: Database) -> None:
    delivery = made(database)
    expires_at: datetime = local("20:00")
    with database.writing() as session:
        recipient_link(session, delivery_id=delivery.id, link_id="a" * 11, now=NOW, expires_at=expires_at)
    with database.writing() as session:
        link_id, changed = changes.renew_link(session, delivery.id, expires_at=expires_at, now=NOW, link_id="b" * 11)
    assert (link_id, changed.revoked_link_ids) == ("b" * 11, ("a" * 11,))
    with database.reading() as session:
        live = select(Link.id).where(Link.revoked_at.is_(None), Link.audience == Audience.RECIPIENT)
        assert list(session.scalars(live)) == ["b" * 11]
    with database.writing() as session:
        assert changes.revoke_links(session, delivery.id, now=NOW).revoked_link_ids == ("b" * 11,)


def test_change_of_what_is_not_there_says_so(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        with pytest.raises(NotFound):
            changes.cancel(session, "none", now=NOW, actor=STAFF, ids=ids)
        with pytest.raises(NotFound):
            changes.reorder(session, "none", [], now=NOW)
        with pytest.raises(NotFound):
            changes.revoke_links(session, "none", now=NOW)
        with pytest.raises(NotFound):
            changes.reassign(session, make_route(session).id, driver_id="none", now=NOW, actor=STAFF, ids=ids)


def test_finished_route_takes_no_change(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        route = make_route(session, status=RouteStatus.FINISHED)
        with pytest.raises(WrongMove, match="finished"):
            changes.reorder(session, route.id, [], now=NOW)
        assert session.scalar(select(Stop.id)) is None
