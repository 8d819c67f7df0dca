"""Wishes: who asks, who decides, who is told, and what follows."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind
from messaging.chat_lines import Origin
from messaging.conversations import Voice, mark_seen, thread
from messaging.house_rules import HouseRules, save_rules
from messaging.kinds import Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.wish_actions import ask_for, lapse, take_back
from messaging.wish_decisions import accept, can_undo, decline, undo
from messaging.wish_steps import possible
from messaging.wishes import MOVES, Wish, WishKind, WishRefused, WishStatus, advance, wish_in_force
from tests.builders import SERVICE_ON, local, make_delivery
from tests.messaging.phone import NOW, out
from tracking.actors import Actor, ActorKind
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.ids import new_id

STAFF = Actor(ActorKind.STAFF, "staff-1")
K, S, D = WishKind, WishStatus, DeliveryStatus
FRIDAY = SERVICE_ON + timedelta(days=1)


def ask(session: Session, delivery: Delivery, kind: WishKind = K.SAFE_PLACE, **given: object) -> Wish:
    usual: dict[str, object] = {"wanted_on": FRIDAY} if kind is K.OTHER_DAY else {"what": "behind the shed"}
    options = {"origin": Origin.PAGE, "now": NOW, **usual, **given}
    return ask_for(session, delivery.id, kind, **options)  # type: ignore[arg-type]


def texts(session: Session, to: str) -> list[tuple[str, NotificationStatus]]:
    rows = session.scalars(select(Notification).where(Notification.to_address == to, Notification.kind == Kind.CHAT))
    return [(row.context["text"], row.status) for row in rows]


def said(session: Session, delivery: Delivery, audience: Voice = Voice.SUPPORT) -> list[str]:
    return [line.body for line in thread(session, delivery.id, audience=audience, now=NOW).lines if line.id > 0]


def open_tasks_of(session: Session, delivery: Delivery) -> list[Task]:
    statement = select(Task).where(
        Task.delivery_id == delivery.id, Task.kind == TaskKind.WISH, Task.resolved_at.is_(None)
    )
    return list(session.scalars(statement))


@pytest.mark.parametrize("target", list(S))
@pytest.mark.parametrize("source", list(S))
def test_a_wish_makes_only_allowed_moves(session: Session, source: WishStatus, target: WishStatus) -> None:
    wish = ask(session, out(session))
    wish.status, wish.open_key = source, None
    session.flush()
    assert advance(session, wish.id, target) is (target in MOVES[source])
    session.refresh(wish)
    assert wish.status is (target if target in MOVES[source] else source)


def test_asking_lists_a_task_and_tells_the_thread(session: Session) -> None:
    delivery = out(session)
    wish = ask(session, delivery)
    assert wish.status is S.ASKED
    assert [task.reason for task in open_tasks_of(session, delivery)] == [
        "The recipient asks: leave it in a safe place: behind the shed"
    ]
    assert said(session, delivery) == ["The recipient asks: leave it in a safe place: behind the shed"]
    assert said(session, delivery, Voice.RECIPIENT) == ["You asked: leave it in a safe place: behind the shed"]
    assert texts(session, delivery.stop.route.driver.phone) == []


def test_accepting_tells_the_recipient_and_the_driver_and_settles_the_task(session: Session) -> None:
    delivery = out(session, locale="es")
    wish = ask(session, delivery)
    accept(session, wish.id, words="", actor=STAFF, now=NOW)
    assert wish_in_force(session, delivery.id) is wish
    assert open_tasks_of(session, delivery) == []
    due = NotificationStatus.DUE
    assert texts(session, delivery.phone or "") == [("De acuerdo: dejarlo en un lugar seguro: behind the shed.", due)]
    stop = delivery.stop.sequence
    assert texts(session, delivery.stop.route.driver.phone) == [
        (f"Stop {stop} Anna: leave it in a safe place: behind the shed", due)
    ]
    assert said(session, delivery, Voice.RECIPIENT)[-1] == "De acuerdo: dejarlo en un lugar seguro: behind the shed"


def test_a_driver_who_sees_it_on_the_page_gets_no_text(session: Session) -> None:
    delivery = out(session)
    accept(session, ask(session, delivery).id, words="", actor=STAFF, now=NOW)
    mark_seen(session, delivery.id, reader=Voice.DRIVER, now=NOW)
    assert [status for _, status in texts(session, delivery.stop.route.driver.phone)] == [NotificationStatus.WITHDRAWN]
    assert [status for _, status in texts(session, delivery.phone or "")] == [NotificationStatus.DUE]


def test_another_day_moves_the_delivery_with_its_hours(session: Session) -> None:
    delivery = make_delivery(session, window="10:00-12:00")
    wish = ask(session, delivery, K.OTHER_DAY)
    changed = accept(session, wish.id, words="", actor=STAFF, now=NOW)
    moved = load(session, delivery.id)
    assert (moved.service_on, moved.status) == (FRIDAY, D.SCHEDULED)
    assert (moved.window_start_at, moved.window_end_at) == (local("10:00", FRIDAY), local("12:00", FRIDAY))
    assert len(changed.route_ids) == 2
    assert moved.plan_dirty_at == NOW
    assert texts(session, delivery.phone or "") == []  # the kind "rescheduled" tells it
    assert wish_in_force(session, delivery.id) is None


def test_declining_says_why_in_the_recipients_language(session: Session) -> None:
    delivery = out(session)
    wish = ask(session, delivery, K.NEIGHBOUR, what="Bo Li, 14")
    decline(session, wish.id, words="It must be signed for.", actor=STAFF, now=NOW)
    [(text, _)] = texts(session, delivery.phone or "")
    assert text == "Sorry, we cannot do this: give it to a neighbor: Bo Li, 14. It must be signed for."
    assert wish_in_force(session, delivery.id) is None
    assert said(session, delivery)[-1] == "Not possible: give it to a neighbor: Bo Li, 14 (It must be signed for.)"


def test_the_second_decision_loses(session: Session) -> None:
    wish = ask(session, out(session))
    accept(session, wish.id, words="", actor=STAFF, now=NOW)
    with pytest.raises(WishRefused, match="accepted already"):
        decline(session, wish.id, words="", actor=STAFF, now=NOW)


def test_a_decision_can_be_undone_until_the_recipient_was_told(session: Session) -> None:
    delivery = out(session)
    wish = ask(session, delivery)
    accept(session, wish.id, words="", actor=STAFF, now=NOW)
    assert can_undo(session, wish, NOW)
    undo(session, wish.id, now=NOW + timedelta(seconds=10))
    assert wish.status is S.ASKED
    assert len(open_tasks_of(session, delivery)) == 1
    decline(session, wish.id, words="", actor=STAFF, now=NOW)
    statuses = [status for _, status in texts(session, delivery.phone or "")]
    assert statuses == [NotificationStatus.WITHDRAWN, NotificationStatus.DUE]


def test_it_is_too_late_to_undo_once_the_answer_is_out(session: Session) -> None:
    delivery = out(session)
    wish = ask(session, delivery)
    accept(session, wish.id, words="", actor=STAFF, now=NOW)
    answer = session.scalars(select(Notification).where(Notification.to_address == delivery.phone)).one()
    answer.status = NotificationStatus.SENDING
    session.flush()
    with pytest.raises(WishRefused, match="too late"):
        undo(session, wish.id, now=NOW)
    assert wish.status is S.ACCEPTED


def test_a_move_to_another_day_is_not_undone(session: Session) -> None:
    wish = ask(session, make_delivery(session), K.OTHER_DAY)
    accept(session, wish.id, words="", actor=STAFF, now=NOW)
    assert not can_undo(session, wish, NOW)


def test_a_safe_place_is_agreed_at_once_where_the_company_says_so(session: Session) -> None:
    save_rules(session, HouseRules(accepts_safe_place=True), staff_id="staff-1", now=NOW)
    delivery = out(session)
    wish = ask(session, delivery)
    assert (wish.status, wish.decided_by) == (S.ACCEPTED, "rule")
    assert open_tasks_of(session, delivery) == []
    assert len(texts(session, delivery.stop.route.driver.phone)) == 1
    assert ask(session, delivery, K.NEIGHBOUR, what="Bo").status is S.ASKED


def test_the_same_wish_again_is_no_new_one_and_another_takes_its_place(session: Session) -> None:
    delivery = out(session)
    first = ask(session, delivery)
    assert ask(session, delivery) is first
    second = ask(session, delivery, K.NEIGHBOUR, what="Bo")
    assert (first.status, second.status) == (S.WITHDRAWN, S.ASKED)
    assert len(open_tasks_of(session, delivery)) == 1


def test_a_repeated_request_is_one_wish(session: Session) -> None:
    delivery = out(session)
    first = ask(session, delivery, request_id="r1")
    take_back(session, delivery.id, now=NOW)
    assert ask(session, delivery, request_id="r1") is first


def test_what_was_agreed_can_be_taken_back_and_the_driver_is_told(session: Session) -> None:
    delivery = out(session)
    accept(session, ask(session, delivery).id, words="", actor=STAFF, now=NOW)
    assert take_back(session, delivery.id, now=NOW).status is S.WITHDRAWN
    last = texts(session, delivery.stop.route.driver.phone)[-1][0]
    assert last.endswith("no longer: leave it in a safe place: behind the shed. Hand it over as usual.")
    with pytest.raises(WishRefused, match="nothing to take back"):
        take_back(session, delivery.id, now=NOW)


REFUSED: list[tuple[DeliveryStatus, WishKind, str]] = [
    (D.ARRIVED, K.SAFE_PLACE, "at_door"),
    (D.OUT_FOR_DELIVERY, K.OTHER_DAY, "on_its_way"),
    (D.ATTEMPT_FAILED, K.NEIGHBOUR, "not_handed_over"),
    (D.DELIVERED, K.OTHER_DAY, "over"),
    (D.CANCELLED, K.SAFE_PLACE, "over"),
    (D.RETURNED, K.NEIGHBOUR, "over"),
]


@pytest.mark.parametrize(("status", "kind", "code"), REFUSED)
def test_what_is_not_possible_now_is_refused_with_a_sentence(
    session: Session, status: DeliveryStatus, kind: WishKind, code: str
) -> None:
    delivery = out(session, status=status)
    with pytest.raises(WishRefused) as refused:
        ask(session, delivery, kind)
    assert refused.value.code == code
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("given", "code"),
    [({"what": "  "}, "nothing_asked"), ({"what": "x" * 201}, "too_long")],
)
def test_a_place_needs_words_and_not_too_many(session: Session, given: dict[str, Any], code: str) -> None:
    with pytest.raises(WishRefused) as refused:
        ask(session, out(session), **given)
    assert refused.value.code == code


@pytest.mark.parametrize("on", [None, SERVICE_ON, SERVICE_ON - timedelta(days=1), date(2026, 3, 8)])
def test_only_days_that_are_offered_can_be_asked_for(session: Session, on: date | None) -> None:
    with pytest.raises(WishRefused) as refused:  # 8 March is a Sunday
        ask(session, make_delivery(session), K.OTHER_DAY, wanted_on=on)
    assert refused.value.code == "no_such_day"


def test_an_arrival_meanwhile_refuses_the_decision(session: Session) -> None:
    delivery = out(session)
    wish = ask(session, delivery)
    delivery.status = D.ARRIVED
    session.flush()
    with pytest.raises(WishRefused, match="at your door"):
        accept(session, wish.id, words="", actor=STAFF, now=NOW)


def test_a_wish_nobody_decided_lapses_with_its_delivery(session: Session) -> None:
    delivery = out(session)
    wish = ask(session, delivery)
    assert not lapse(session, delivery, NOW)
    delivery.status = D.DELIVERED
    session.flush()
    assert lapse(session, delivery, NOW)
    session.refresh(wish)
    assert wish.status is S.LAPSED
    assert open_tasks_of(session, delivery) == []


def test_the_database_allows_one_open_wish_a_delivery(session: Session) -> None:
    delivery = out(session)
    ask(session, delivery)
    twin = Wish(
        id=new_id(),
        delivery_id=delivery.id,
        kind=K.SAFE_PLACE,
        status=S.ASKED,
        place="x",
        origin="page",
        asked_at=NOW,
        open_key=delivery.id,
    )
    with pytest.raises(Exception, match=r"(?i)unique"), session.begin_nested():
        session.add(twin)


@pytest.mark.parametrize("status", list(D))
def test_nothing_can_be_asked_for_when_the_delivery_is_over(status: DeliveryStatus) -> None:
    is_over = status in {D.DELIVERED, D.RETURNED, D.CANCELLED, D.ARRIVED}
    assert bool(possible(status)) is not is_over


def test_a_wish_of_another_day_that_has_passed_cannot_be_accepted(session: Session) -> None:
    wish = ask(session, make_delivery(session), K.OTHER_DAY)
    late: datetime = NOW + timedelta(days=3)
    with pytest.raises(Exception, match="over already"):
        accept(session, wish.id, words="", actor=STAFF, now=late)
