from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.fairness import Lateness, ScoreCause, cause_of
from messaging.ratings import rate, rating_of
from tests.builders import local, make_delivery, make_route
from tracking.deliveries import DeliveryStatus
from tracking.ids import new_id
from tracking.routes import RouteStatus

END = local("12:00")


def times(*, started_late: int | None, arrived_late: int | None) -> Lateness:
    """Return times of a truck that left, and a recipient who was reached, some minutes late."""
    planned = local("09:00")
    return Lateness(
        window_end_at=END,
        arrived_at=None if arrived_late is None else END + timedelta(minutes=arrived_late),
        planned_start_at=planned,
        started_at=None if started_late is None else planned + timedelta(minutes=started_late),
    )


@pytest.mark.parametrize(
    ("score", "started_late", "arrived_late", "cause"),
    [
        (1, 30, 20, ScoreCause.LATE_START),  # in time without the depot's half hour
        (3, 30, 30, ScoreCause.LATE_START),  # just so
        (1, 30, 31, ScoreCause.OPEN),  # late by itself too
        (1, 9, 5, ScoreCause.OPEN),  # left almost in time
        (1, 10, 5, ScoreCause.LATE_START),
        (1, 30, 0, ScoreCause.OPEN),  # reached in time: the score is about something else
        (1, 30, -20, ScoreCause.OPEN),
        (4, 30, 20, ScoreCause.OPEN),  # a good score stays the driver's
        (1, None, 20, ScoreCause.OPEN),
        (1, 30, None, ScoreCause.OPEN),
        (1, -15, 20, ScoreCause.OPEN),
    ],
)
def test_a_low_score_is_the_depots_when_its_late_start_made_them_late(
    score: int, started_late: int | None, arrived_late: int | None, cause: ScoreCause
) -> None:
    found, minutes = cause_of(score, times(started_late=started_late, arrived_late=arrived_late))

    assert found is cause
    assert minutes == (started_late if cause is ScoreCause.LATE_START else None)


def test_a_rating_keeps_whose_it_is_and_a_better_one_takes_it_back(session: Session) -> None:
    route = make_route(session, status=RouteStatus.STARTED, started_at=local("09:45"))
    at = local("12:30")
    delivery = make_delivery(
        session, route=route, status=DeliveryStatus.DELIVERED, arrived_at=at, delivered_at=at, status_at=at
    )
    told = {"delivery_id": delivery.id, "comment": "", "source": "sms", "ids": new_id}

    rate(session, score=2, now=at, **told)
    first = rating_of(session, delivery.id)
    assert first is not None
    assert (first.cause, first.cause_min) == (ScoreCause.LATE_START, 45)
    rate(session, score=5, now=at + timedelta(hours=1), **told)
    session.refresh(first)
    assert (first.score, first.cause, first.cause_min) == (5, ScoreCause.OPEN, None)
