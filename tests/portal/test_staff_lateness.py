"""How late a delivery is, and why."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.staff.lateness import lateness, needs_eyes
from tests.builders import local, make_delivery
from tracking.deliveries import Delivery, DeliveryStatus


def delivery(session: Session, *, stop: dict[str, Any] | None = None, **columns: Any) -> Delivery:
    found = make_delivery(session, window="10:00-12:00", **columns)
    for name, value in (stop or {}).items():
        setattr(found.stop, name, value)
    return found


@pytest.mark.parametrize(("eta", "minutes"), [("11:59", 0), ("12:00", 0), ("12:01", 1), ("12:45", 45)])
def test_an_estimate_past_the_window_is_late_by_its_minutes(session: Session, eta: str, minutes: int) -> None:
    found = lateness(
        delivery(session, status=DeliveryStatus.OUT_FOR_DELIVERY, stop={"eta_at": local(eta)}), local("11:00")
    )

    assert found is not None
    assert found.minutes == minutes


def test_a_slow_end_past_the_window_could_be_late(session: Session) -> None:
    stop = {"eta_at": local("11:50"), "eta_hi_at": local("12:10"), "eta_cause": "traffic"}
    found = lateness(delivery(session, status=DeliveryStatus.OUT_FOR_DELIVERY, stop=stop), local("11:00"))

    assert found is not None
    assert (found.minutes, found.is_at_risk, found.why) == (0, True, "traffic")


def test_what_happened_counts_before_what_was_estimated(session: Session) -> None:
    stop = {"eta_at": local("13:00"), "arrived_at": local("11:00")}
    found = lateness(delivery(session, status=DeliveryStatus.DELIVERED, stop=stop), local("14:00"))

    assert found is not None
    assert (found.minutes, found.word) == (0, "On time")


def test_a_window_that_is_over_without_an_estimate_is_late(session: Session) -> None:
    found = needs_eyes(delivery(session, status=DeliveryStatus.SCHEDULED), local("12:30"))

    assert found is not None
    assert (found.minutes, found.word, found.why) == (30, "Window is over", "the route has not started")


def test_an_estimate_in_the_past_is_as_late_as_the_clock(session: Session) -> None:
    found = lateness(
        delivery(session, status=DeliveryStatus.OUT_FOR_DELIVERY, stop={"eta_at": local("11:30")}), local("12:20")
    )

    assert found is not None
    assert found.minutes == 20


@pytest.mark.parametrize("status", [DeliveryStatus.CANCELLED, DeliveryStatus.RETURNED, DeliveryStatus.RESCHEDULED])
def test_what_is_not_coming_is_not_late(session: Session, status: DeliveryStatus) -> None:
    assert lateness(delivery(session, status=status), local("15:00")) is None


def test_a_late_delivery_that_is_done_needs_nobody(session: Session) -> None:
    assert (
        needs_eyes(delivery(session, status=DeliveryStatus.DELIVERED, arrived_at=local("13:00")), local("14:00"))
        is None
    )
