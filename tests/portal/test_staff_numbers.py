"""The figures of a day."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.cases import TaskKind, open_task, resolve_task_of
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.ratings import Rating
from portal.staff import charts, numbers, today
from portal.staff.numbers import Visit
from tests.builders import SERVICE_ON, local, make_delivery
from tracking.deliveries import DeliveryStatus
from tracking.ids import new_id

NOON = datetime(2026, 3, 5, 17, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def visit(ends: datetime, arrived: datetime | None, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> Visit:
    return Visit(date(2026, 3, 5), status, ends, arrived)


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        ([], (0, 0)),
        ([visit(NOON, NOON)], (1, 1)),  # at the very end of the window is in time
        ([visit(NOON, NOON + MINUTE)], (0, 1)),
        ([visit(NOON + MINUTE, None, DeliveryStatus.OUT_FOR_DELIVERY)], (0, 0)),  # its window is still open
        ([visit(NOON - MINUTE, None, DeliveryStatus.OUT_FOR_DELIVERY)], (0, 1)),  # nobody came: late, not left out
        ([visit(NOON - MINUTE, None, DeliveryStatus.CANCELLED)], (0, 0)),
        ([visit(NOON, NOON - MINUTE, DeliveryStatus.ATTEMPT_FAILED)], (1, 1)),  # we were there in time
    ],
)
def test_on_time_counts_visits_before_the_end_of_the_window(visits: list[Visit], expected: tuple[int, int]) -> None:
    found = numbers.on_time(visits, NOON)

    assert (found.on_time, found.due) == expected


def test_a_percentage_of_nothing_is_not_shown_as_zero() -> None:
    assert numbers.on_time([], NOON).percent is None
    assert numbers.satisfaction([]).percent is None


def test_one_late_of_two_hundred_is_not_rounded_to_all_on_time() -> None:
    visits = [visit(NOON, NOON)] * 199 + [visit(NOON, NOON + MINUTE)]

    assert numbers.on_time(visits, NOON).percent == 99


def test_satisfied_is_a_four_or_a_five() -> None:
    found = numbers.satisfaction([5, 4, 3, 1])

    assert (found.percent, found.answers) == (50, 4)
    assert found.mean == pytest.approx(3.25)


def test_truth_is_the_mean_error_and_how_often_the_range_held() -> None:
    arrived = NOON
    estimates = [
        # made 40 min ahead, 4 min off, inside its range
        (arrived - 40 * MINUTE, arrived + 4 * MINUTE, arrived - MINUTE, arrived + 9 * MINUTE, arrived),
        # made 10 min ahead, 2 min off, outside its range
        (arrived - 10 * MINUTE, arrived - 2 * MINUTE, arrived - 3 * MINUTE, arrived - MINUTE, arrived),
        # made after the arrival: says nothing
        (arrived + MINUTE, arrived + 30 * MINUTE, arrived, arrived, arrived),
    ]

    found = numbers.truth(estimates)

    assert (found.estimates, found.inside, found.percent_inside) == (2, 1, 50)
    assert found.mean_error_min == pytest.approx(3.0)  # (4 + 2) / 2
    by_label = {horizon.label: horizon.mean_error_min for horizon in found.horizons}
    assert by_label == {"under 15 min": 2.0, "15–30 min": None, "30–60 min": 4.0, "over an hour": None}


def test_figures_of_a_day_are_read_from_the_record(session: Session) -> None:
    good = make_delivery(
        session, status=DeliveryStatus.DELIVERED, arrived_at=local("10:30"), delivered_at=local("10:33")
    )
    make_delivery(session, status=DeliveryStatus.OUT_FOR_DELIVERY, window="09:00-10:00")
    other_day = make_delivery(session, on=date(2026, 3, 4), status=DeliveryStatus.DELIVERED, arrived_at=local("23:00"))
    for delivery, score in ((good, 5), (other_day, 1)):
        at = local("11:00")
        session.add(Rating(delivery_id=delivery.id, score=score, comment="", source="sms", first_at=at, at=at))
    for status in (NotificationStatus.DELIVERED, NotificationStatus.UNDELIVERED, NotificationStatus.DUE):
        session.add(_notification(good.id, status))
    session.flush()

    found = numbers.figures(session, SERVICE_ON, local("12:00"))

    assert (found.on_time.on_time, found.on_time.due) == (1, 2)
    assert found.satisfaction.by_score == (0, 0, 0, 0, 1)
    assert (found.undelivered.tried, found.undelivered.lost, found.undelivered.percent) == (2, 1, 50)
    assert found.satisfaction_by_day[-1] == (SERVICE_ON, 100)
    assert found.satisfaction_by_day[-2] == (date(2026, 3, 4), 0)
    assert len(found.on_time_by_day) == numbers.DAYS_SHOWN


def test_who_may_not_know_is_counted_by_the_open_list_and_not_by_lost_texts(session: Session) -> None:
    unaware, told, other_day = (
        make_delivery(session),
        make_delivery(session),
        make_delivery(session, on=date(2026, 3, 4)),
    )
    for delivery in (unaware, told, other_day):
        session.add(_notification(delivery.id, NotificationStatus.UNDELIVERED))
    for delivery in (unaware, other_day):
        open_task(
            session,
            ids=new_id,
            key=delivery.id,
            kind=TaskKind.COULD_NOT_REACH,
            reason="landline",
            now=NOON,
            delivery_id=delivery.id,
        )
    session.flush()
    on = unaware.service_on

    assert numbers.figures(session, on, NOON).undelivered.may_not_know == 1
    resolve_task_of(session, unaware.id, resolution="They know.", now=NOON)
    assert numbers.figures(session, on, NOON).undelivered.may_not_know == 0


@pytest.mark.parametrize(
    ("lost", "may_not_know", "sentence", "tone"),
    [
        (0, 0, "of 94 sent for this day", "ok"),
        (2, 0, "of 94 sent for this day; everybody was reached by another way", "ok"),
        (2, 1, "of 94 sent for this day; 1 person may not know", "warn"),
        (20, 3, "of 94 sent for this day; 3 people may not know", "bad"),
    ],
)
def test_the_card_says_who_may_not_know_and_its_bars_are_shares(
    lost: int, may_not_know: int, sentence: str, tone: str
) -> None:
    found = today.undelivered_figure(numbers.Undelivered(94, lost, (("sms", 94, lost),), may_not_know))

    assert (found.name, found.value, found.sentence, found.tone) == ("Not delivered", str(lost), sentence, tone)
    assert found.bars[0].width == pytest.approx(charts.WIDTH * lost / 94, abs=0.05)


def _notification(delivery_id: str, status: NotificationStatus) -> Notification:
    return Notification(
        id=new_id(),
        dedupe_key=new_id(),
        kind=Kind.DAY_BEFORE,
        channel=Channel.SMS,
        occasion="x",
        delivery_id=delivery_id,
        to_address="+12015550100",
        locale="en",
        lane=3,
        status=status,
        due_at=NOON,
        context={},
        created_at=NOON,
    )
