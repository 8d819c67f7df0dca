"""A driver's day, step by step: what each step leaves behind, what it refuses, and that a second tap is one tap."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import local, make_delivery, make_route, make_stop
from tracking import driver_day
from tracking.actors import Actor, ActorKind
from tracking.custody import CustodyEvent, CustodyKind, history
from tracking.deliveries import STATE_SENTENCES, Delivery, DeliveryStatus
from tracking.deliveries import load as load_whole
from tracking.errors import NotFound, WrongMove
from tracking.ids import new_id
from tracking.proofs import Proof, ProofKind
from tracking.routes import Route, RouteStatus
from tracking.storage import Database
from tracking.taps import FailureReason, MissingReason, NewProof, Step, StopsStillOpen, Tap, TooLateToUndo

S = DeliveryStatus
NOON = local("12:00")
DRIVER = Actor(ActorKind.DRIVER, "d" * 32)
DoStep = Callable[[Session, Delivery, Tap], Step]


def tap(request_id: str = "tap-1", now: datetime = NOON, where: tuple[float, float] | None = None) -> Tap:
    return Tap(now=now, actor=DRIVER, ids=new_id, request_id=request_id, where=where)


def on_route(session: Session, status: DeliveryStatus, route_status: RouteStatus = RouteStatus.STARTED) -> Delivery:
    route = make_route(session, status=route_status)
    return make_delivery(session, route=route, status=status, now=NOON - timedelta(minutes=1))


def kinds(session: Session, delivery_id: str) -> list[CustodyKind]:
    session.flush()
    return [event.kind for event in history(session, delivery_id)]


STEPS: dict[str, DoStep] = {
    "load": lambda session, delivery, t: driver_day.load(session, delivery.id, t),
    "not_loaded": lambda session, delivery, t: driver_day.mark_not_loaded(session, delivery.id, t, reason="gone"),
    "arrive": lambda session, delivery, t: driver_day.arrive(session, delivery.stop_id, t),
    "deliver": lambda session, delivery, t: driver_day.deliver(session, delivery.id, t),
    "fail": lambda session, delivery, t: driver_day.fail(session, delivery.id, t, reason=FailureReason.NOBODY_HOME),
    "undo": lambda session, delivery, t: driver_day.undo(session, delivery.id, t),
}
# What each step makes of each state on a started route; what is not here is refused.
ALLOWED = {
    ("load", S.SCHEDULED): S.OUT_FOR_DELIVERY,
    ("load", S.LOADED): S.OUT_FOR_DELIVERY,
    ("not_loaded", S.SCHEDULED): S.SCHEDULED,
    ("not_loaded", S.LOADED): S.SCHEDULED,
    ("arrive", S.OUT_FOR_DELIVERY): S.ARRIVED,
    ("arrive", S.ARRIVED): S.ARRIVED,
    ("deliver", S.OUT_FOR_DELIVERY): S.DELIVERED,
    ("deliver", S.ARRIVED): S.DELIVERED,
    ("fail", S.OUT_FOR_DELIVERY): S.ATTEMPT_FAILED,
    ("fail", S.ARRIVED): S.ATTEMPT_FAILED,
    ("undo", S.LOADED): S.SCHEDULED,
    ("undo", S.ARRIVED): S.OUT_FOR_DELIVERY,
    ("undo", S.DELIVERED): S.ARRIVED,
    ("undo", S.ATTEMPT_FAILED): S.OUT_FOR_DELIVERY,
}


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("name", STEPS)
def test_each_step_moves_or_says_what_the_state_is(session: Session, name: str, status: DeliveryStatus) -> None:
    delivery = on_route(session, status)
    target = ALLOWED.get((name, status))
    if target is None:
        with pytest.raises(WrongMove) as refusal:
            STEPS[name](session, delivery, tap())
        assert STATE_SENTENCES[status] in str(refusal.value)
        assert refusal.value.state == status
        assert kinds(session, delivery.id) == []
    else:
        step = STEPS[name](session, delivery, tap())
        assert step.delivery_ids == (delivery.id,)
        session.expire_all()
        assert load_whole(session, delivery.id).status is target


@pytest.mark.parametrize(("name", "status"), ALLOWED)
def test_the_same_request_twice_acts_once(session: Session, name: str, status: DeliveryStatus) -> None:
    delivery = on_route(session, status)
    first = STEPS[name](session, delivery, tap())
    session.expire_all()
    events = kinds(session, delivery.id)
    version = load_whole(session, delivery.id).version
    second = STEPS[name](session, delivery, tap(now=NOON + timedelta(seconds=2)))
    assert (second.delivery_ids, second.is_repeat, second.facts()) == (first.delivery_ids, True, [])
    assert kinds(session, delivery.id) == events
    assert load_whole(session, delivery.id).version == version


@pytest.mark.parametrize(("name", "status"), ALLOWED)
def test_each_step_leaves_custody_and_a_dirty_plan(session: Session, name: str, status: DeliveryStatus) -> None:
    delivery = on_route(session, status)
    STEPS[name](session, delivery, tap(where=(40.5, -74.25)))
    session.flush()
    event = history(session, delivery.id)[-1]
    assert (event.actor_kind, event.actor_id, event.source) == ("driver", DRIVER.id, "tap")
    assert (event.at, event.lat, event.lon) == (NOON, 40.5, -74.25)
    if (name, status) != ("arrive", S.ARRIVED):
        session.expire_all()
        assert load_whole(session, delivery.id).plan_dirty_at == NOON


def test_the_same_request_id_on_another_parcel_is_another_tap(session: Session) -> None:
    route = make_route(session)
    one, two = make_delivery(session, route=route), make_delivery(session, route=route)
    assert not driver_day.load(session, one.id, tap("same")).is_repeat
    assert not driver_day.load(session, two.id, tap("same")).is_repeat


def test_what_is_unknown_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        driver_day.load(session, "nothing", tap())
    with pytest.raises(NotFound):
        driver_day.arrive(session, "nowhere", tap())
    with pytest.raises(NotFound):
        driver_day.start_route(session, "no route", tap())


def test_starting_sends_out_all_but_what_is_marked_missing(session: Session) -> None:
    route = make_route(session)
    loaded = make_delivery(session, route=route, status=S.LOADED)
    unticked = make_delivery(session, route=route)
    missing = make_delivery(session, route=route, not_loaded_reason="Not at the depot")
    moved = make_delivery(session, route=route, status=S.RESCHEDULED)
    step = driver_day.start_route(session, route.id, tap())
    session.expire_all()
    assert set(step.delivery_ids) == {loaded.id, unticked.id}
    assert load_whole(session, loaded.id).status is S.OUT_FOR_DELIVERY
    assert load_whole(session, missing.id).status is S.SCHEDULED
    assert load_whole(session, moved.id).status is S.RESCHEDULED
    assert kinds(session, loaded.id) == [CustodyKind.DEPARTED]
    started = session.get_one(Route, route.id)
    assert (started.status, started.started_at) == (RouteStatus.STARTED, NOON)
    assert driver_day.start_route(session, route.id, tap("another")).is_repeat


@pytest.mark.parametrize("status", [RouteStatus.FINISHED, RouteStatus.CANCELLED])
def test_a_route_that_is_over_does_not_start(session: Session, status: RouteStatus) -> None:
    route = make_route(session, status=status)
    with pytest.raises(WrongMove, match=rf"This route is {status}\."):
        driver_day.start_route(session, route.id, tap())


def test_a_parcel_found_later_joins_the_route_under_way(session: Session) -> None:
    delivery = on_route(session, S.SCHEDULED)
    driver_day.mark_not_loaded(session, delivery.id, tap("gone"), reason=" not   at the depot ")
    session.expire_all()
    assert load_whole(session, delivery.id).not_loaded_reason == "not at the depot"
    driver_day.load(session, delivery.id, tap("found"))
    session.expire_all()
    found = load_whole(session, delivery.id)
    assert (found.status, found.not_loaded_reason) == (S.OUT_FOR_DELIVERY, None)
    assert sorted(kinds(session, delivery.id)) == ["departed", "loaded", "not_loaded"]


def test_missing_needs_words(session: Session) -> None:
    delivery = on_route(session, S.SCHEDULED, RouteStatus.PLANNED)
    with pytest.raises(MissingReason):
        driver_day.mark_not_loaded(session, delivery.id, tap(), reason="  ")


def test_something_else_needs_a_note(session: Session) -> None:
    delivery = on_route(session, S.ARRIVED)
    with pytest.raises(MissingReason):
        driver_day.fail(session, delivery.id, tap(), reason=FailureReason.OTHER, note=" ")
    driver_day.fail(session, delivery.id, tap(), reason=FailureReason.OTHER, note="Road is closed")
    session.expire_all()
    failed = load_whole(session, delivery.id)
    assert (failed.failure_reason, failed.failure_note) == ("other", "Road is closed")


def test_arriving_is_for_everybody_at_the_stop_and_wins_over_positions(session: Session) -> None:
    route = make_route(session, status=RouteStatus.STARTED)
    stop = make_stop(session, route, arrived_at=NOON - timedelta(minutes=3), arrived_source="position")
    noticed = make_delivery(session, stop=stop, status=S.ARRIVED, arrived_at=NOON - timedelta(minutes=3))
    other = make_delivery(session, stop=stop, status=S.OUT_FOR_DELIVERY)
    driver_day.arrive(session, stop.id, tap())
    session.expire_all()
    assert load_whole(session, other.id).status is S.ARRIVED
    here = load_whole(session, noticed.id)
    assert (here.stop.arrived_at, here.stop.arrived_source) == (NOON, "tap")
    assert kinds(session, noticed.id) == [CustodyKind.ARRIVED]


def test_handing_over_without_arriving_is_the_arrival_too(session: Session) -> None:
    delivery = on_route(session, S.OUT_FOR_DELIVERY)
    driver_day.deliver(session, delivery.id, tap())
    session.expire_all()
    done = load_whole(session, delivery.id)
    assert (done.arrived_at, done.delivered_at) == (NOON, NOON)
    assert (done.stop.arrived_at, done.stop.arrived_source) == (NOON, "tap")
    assert sorted(kinds(session, delivery.id)) == ["arrived", "delivered"]


def test_undo_withdraws_the_proofs_and_custody_keeps_both(session: Session) -> None:
    delivery = on_route(session, S.ARRIVED)
    name = NewProof(ProofKind.NAME, text="Anna")
    driver_day.deliver(session, delivery.id, tap(), proofs=[name])
    session.expire_all()
    driver_day.undo(session, delivery.id, tap("undo", now=NOON + timedelta(minutes=10)))
    session.expire_all()
    undone = load_whole(session, delivery.id)
    assert (undone.status, undone.delivered_at) == (S.ARRIVED, None)
    assert session.scalars(select(Proof)).one().withdrawn_at == NOON + timedelta(minutes=10)
    assert kinds(session, delivery.id)[-2:] == [CustodyKind.DELIVERED, CustodyKind.UNDONE]


def test_undo_is_refused_after_ten_minutes(session: Session) -> None:
    delivery = on_route(session, S.ARRIVED)
    driver_day.deliver(session, delivery.id, tap())
    session.expire_all()
    with pytest.raises(TooLateToUndo, match="already delivered"):
        driver_day.undo(session, delivery.id, tap("undo", now=NOON + timedelta(minutes=10, seconds=1)))


def test_undo_of_an_arrival_forgets_it(session: Session) -> None:
    delivery = on_route(session, S.OUT_FOR_DELIVERY)
    driver_day.arrive(session, delivery.stop_id, tap())
    session.expire_all()
    driver_day.undo(session, delivery.id, tap("undo"))
    session.expire_all()
    back = load_whole(session, delivery.id)
    assert (back.arrived_at, back.stop.arrived_at, back.stop.arrived_source) == (None, None, None)


def test_undo_of_an_arrival_is_for_everybody_at_the_stop(session: Session) -> None:
    route = make_route(session, status=RouteStatus.STARTED)
    stop = make_stop(session, route)
    one, two = (make_delivery(session, stop=stop, status=S.OUT_FOR_DELIVERY) for _ in range(2))
    driver_day.arrive(session, stop.id, tap())
    session.expire_all()
    step = driver_day.undo(session, one.id, tap("undo"))
    assert set(step.delivery_ids) == {one.id, two.id}
    session.expire_all()
    assert load_whole(session, two.id).status is S.OUT_FOR_DELIVERY
    assert kinds(session, two.id) == [CustodyKind.ARRIVED, CustodyKind.UNDONE]


def test_nothing_is_undone_on_a_finished_route(session: Session) -> None:
    delivery = on_route(session, S.DELIVERED, RouteStatus.FINISHED)
    with pytest.raises(WrongMove, match="This route is finished"):
        driver_day.undo(session, delivery.id, tap())


def test_a_route_with_parcels_under_way_finishes_only_with_a_reason_for_the_rest(session: Session) -> None:
    delivery = on_route(session, S.OUT_FOR_DELIVERY)
    route_id = delivery.stop.route_id
    with pytest.raises(StopsStillOpen, match=delivery.reference):
        driver_day.finish_route(session, route_id, tap())
    step = driver_day.finish_route(session, route_id, tap(), rest_reason=FailureReason.OUT_OF_TIME)
    session.expire_all()
    assert step.delivery_ids == (delivery.id,)
    assert load_whole(session, delivery.id).status is S.ATTEMPT_FAILED
    assert session.get_one(Route, route_id).finished_at == NOON
    assert driver_day.finish_route(session, route_id, tap("again")).is_repeat


@pytest.mark.parametrize("status", [RouteStatus.PLANNED, RouteStatus.CANCELLED])
def test_only_a_started_route_finishes(session: Session, status: RouteStatus) -> None:
    with pytest.raises(WrongMove):
        driver_day.finish_route(session, make_route(session, status=status).id, tap())


def test_a_finish_can_be_taken_back_for_ten_minutes(session: Session) -> None:
    route = make_route(session, status=RouteStatus.FINISHED, finished_at=NOON)
    with pytest.raises(WrongMove):
        driver_day.reopen_route(session, route.id, tap(now=NOON + timedelta(minutes=11)))
    driver_day.reopen_route(session, route.id, tap(now=NOON + timedelta(minutes=9)))
    session.expire_all()
    assert session.get_one(Route, route.id).status is RouteStatus.STARTED


def test_two_taps_at_the_same_moment_are_one(database: Database) -> None:
    with database.writing() as session:
        delivery = on_route(session, S.ARRIVED)
    gate = threading.Barrier(2)
    answers: list[bool] = []

    def tap_now() -> None:
        gate.wait()
        with database.writing() as session:
            answers.append(driver_day.deliver(session, delivery.id, tap("both")).is_repeat)

    threads = [threading.Thread(target=tap_now) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, True]
    with database.reading() as session:
        delivered = select(CustodyEvent).where(CustodyEvent.kind == CustodyKind.DELIVERED)
        assert len(session.scalars(delivered).all()) == 1
