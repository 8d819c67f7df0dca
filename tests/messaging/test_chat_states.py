from datetime import timedelta

import pytest

from messaging.chat_lines import Voice
from messaging.chat_states import ChatFacts, chat_state
from tests.builders import local
from tracking.deliveries import DeliveryStatus
from tracking.routes import RouteStatus

NOW = local("11:00")
S, R = DeliveryStatus, RouteStatus


def facts(status: DeliveryStatus, route: RouteStatus, **options: object) -> ChatFacts:
    ended = status in {S.DELIVERED, S.CANCELLED, S.RETURNED}
    given: dict[str, object] = {"ended_at": NOW if ended else None, "driver_name": "Dana", **options}
    return ChatFacts(status=status, route_status=route, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "route", "code"),
    [
        (S.SCHEDULED, R.PLANNED, "before"),
        (S.LOADED, R.PLANNED, "before"),
        (S.SCHEDULED, R.STARTED, "before"),  # it was not loaded: this driver does not have it
        (S.LOADED, R.STARTED, "driver"),
        (S.OUT_FOR_DELIVERY, R.STARTED, "driver"),
        (S.ARRIVED, R.STARTED, "driver"),
        (S.ATTEMPT_FAILED, R.STARTED, "driver"),
        (S.ATTEMPT_FAILED, R.FINISHED, "after"),
        (S.OUT_FOR_DELIVERY, R.FINISHED, "after"),
        (S.DELIVERED, R.STARTED, "after"),
        (S.DELIVERED, R.FINISHED, "after"),
        (S.CANCELLED, R.PLANNED, "after"),
        (S.RETURNED, R.FINISHED, "after"),
        (S.RESCHEDULED, R.STARTED, "before"),
    ],
)
def test_a_recipient_writes_with_whom_the_state_says(status: S, route: R, code: str) -> None:
    state = chat_state(facts(status, route), audience=Voice.RECIPIENT, now=NOW)
    assert (state.code, state.is_open) == (code, True)
    assert state.with_whom == ("driver" if code == "driver" else "support")


@pytest.mark.parametrize("hours", [24, 25, 240])
def test_a_day_after_the_end_the_chat_is_closed_and_tells_how_to_reach_us(hours: int) -> None:
    now = NOW + timedelta(hours=hours)
    state = chat_state(facts(S.DELIVERED, R.FINISHED), audience=Voice.RECIPIENT, now=now, contact="+12125550199")
    assert (state.is_open, state.sentence) == (False, "This chat is closed. You can reach us at +12125550199.")


def test_a_minute_before_a_day_has_passed_support_still_reads() -> None:
    now = NOW + timedelta(hours=24) - timedelta(minutes=1)
    assert chat_state(facts(S.DELIVERED, R.FINISHED), audience=Voice.RECIPIENT, now=now).is_open


def test_a_driver_who_moves_is_not_expected_to_read() -> None:
    state = chat_state(facts(S.OUT_FOR_DELIVERY, R.STARTED, driver_is_moving=True), audience=Voice.RECIPIENT, now=NOW)
    assert state.sentence == "Dana is driving and will see it at the next stop."


@pytest.mark.parametrize(
    ("status", "route", "is_open", "code"),
    [
        (S.LOADED, R.PLANNED, False, "waiting_for_start"),
        (S.OUT_FOR_DELIVERY, R.STARTED, True, "driver"),
        (S.DELIVERED, R.STARTED, False, "finished"),
        (S.OUT_FOR_DELIVERY, R.FINISHED, False, "finished"),
        (S.CANCELLED, R.STARTED, False, "finished"),
    ],
)
def test_a_driver_writes_from_start_to_delivery(status: S, route: R, is_open: bool, code: str) -> None:
    state = chat_state(facts(status, route), audience=Voice.DRIVER, now=NOW)
    assert (state.is_open, state.code) == (is_open, code)


def test_a_driver_sees_that_support_has_taken_over() -> None:
    taken = facts(S.OUT_FOR_DELIVERY, R.STARTED, is_taken_over=True)
    assert "Support answers now" in chat_state(taken, audience=Voice.DRIVER, now=NOW).sentence
    assert chat_state(taken, audience=Voice.RECIPIENT, now=NOW).with_whom == "support"


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("route", list(R))
def test_support_can_always_write(status: S, route: R) -> None:
    assert chat_state(facts(status, route), audience=Voice.SUPPORT, now=NOW + timedelta(days=30)).is_open
