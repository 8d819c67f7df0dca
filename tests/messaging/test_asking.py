from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.asking import ASKED_AGAIN_AFTER, may_ask
from messaging.cases import close_case, open_case
from messaging.inbound_texts import QuestionKind
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.questions import ask
from portal.services import Services
from portal.workshop import Workshop
from sandbox.world import World
from tests.builders import local, make_delivery, make_route
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, mark_plan_dirty
from tracking.ids import new_id
from tracking.routes import RouteStatus
from tracking.storage import Database

NOW = local("12:00")
PHONE, EMAIL = "+12015550123", "anna@example.net"


def delivered(session: Session, **columns: object) -> Delivery:
    given = {"status": DeliveryStatus.DELIVERED, "delivered_at": NOW, "phone": PHONE, "email": EMAIL, **columns}
    return make_delivery(session, **given)


def asked(session: Session, delivery: Delivery, at: datetime) -> None:
    address = delivery.phone or ""
    ask(session, address=address, kind=QuestionKind.RATING, now=at, ids=new_id, delivery_id=delivery.id)


def complain(session: Session, delivery: Delivery) -> str:
    return open_case(
        session, delivery_id=delivery.id, score=1, comment="", facts={}, zone=delivery.zone, now=NOW, ids=new_id
    )


def test_a_number_is_asked_about_one_delivery_a_month(database: Database) -> None:
    with database.writing() as session:
        first, second = delivered(session), delivered(session, email=None)
        other = delivered(session, phone="+12015550124", email="bo@example.net")
        assert may_ask(session, first, NOW)

        asked(session, first, NOW)

        assert not may_ask(session, second, NOW + timedelta(minutes=1))
        assert not may_ask(session, second, NOW + ASKED_AGAIN_AFTER - timedelta(minutes=1))
        assert may_ask(session, second, NOW + ASKED_AGAIN_AFTER)
        assert may_ask(session, first, NOW + timedelta(minutes=1))  # the question is about this very delivery
        assert may_ask(session, other, NOW)


def test_an_address_that_got_the_question_by_mail_is_not_asked_again(session: Session) -> None:
    first, second = delivered(session, phone=None), delivered(session, phone=None)
    session.add(
        Notification(
            id=new_id(), dedupe_key="x", kind=Kind.RATING_REQUEST, channel=Channel.EMAIL, occasion="x",
            delivery_id=first.id, to_address=EMAIL, locale="en", lane=4, status=NotificationStatus.SENT, due_at=NOW,
            context={}, created_at=NOW, accepted_at=NOW,
        )
    )  # fmt: skip
    session.flush()
    assert not may_ask(session, second, NOW + timedelta(days=1))


@pytest.mark.parametrize("shared", [{"email": None}, {"phone": "+12015550129"}])
def test_who_has_an_open_case_is_not_asked_until_it_is_closed(session: Session, shared: dict[str, object]) -> None:
    bad, next_one = delivered(session), delivered(session, **shared)
    case_id = complain(session, bad)
    assert not may_ask(session, next_one, NOW)

    close_case(session, case_id, resolution="A new lamp", staff_id="bo", now=NOW)

    assert may_ask(session, next_one, NOW)


def test_of_two_deliveries_at_one_door_one_text_asks(
    world_services: Services, workshop: Workshop, world: World, clock: SetClock
) -> None:
    clock.at = local("12:00")
    with world_services.database.writing() as session:
        route = make_route(session, status=RouteStatus.STARTED, started_at=local("09:00"))
        for _ in range(2):
            delivery = delivered(session, email=None, route=route)
            mark_plan_dirty(session, [delivery.id], NOW)
    workshop.reconcile()
    clock.at = local("12:02")
    workshop.send(Channel.SMS)

    bodies = [text.body for text in world.texts(PHONE)]
    assert len(bodies) == 2
    assert sum("from 1 (poor)" in body for body in bodies) == 1


def test_questions_held_over_night_are_asked_once_in_the_morning(
    world_services: Services, workshop: Workshop, world: World, clock: SetClock
) -> None:
    evening = local("19:30")
    clock.at = evening
    with world_services.database.writing() as session:
        route = make_route(session, status=RouteStatus.STARTED, started_at=local("09:00"))
        for _ in range(2):
            delivery = delivered(session, email=None, route=route, delivered_at=evening, status_at=evening)
            mark_plan_dirty(session, [delivery.id], NOW)
    workshop.reconcile()
    clock.at = evening + timedelta(minutes=2)
    workshop.send(Channel.SMS)
    workshop.reconcile()
    clock.at = local("09:01") + timedelta(days=1)
    workshop.send(Channel.SMS)

    assert sum("from 1 (poor)" in text.body for text in world.texts(PHONE)) == 1
