import os
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from messaging.contacts import Contact
from messaging.hours import Quiet
from messaging.kinds import RULES, Channel, Kind
from messaging.schedule import DEFAULT_RULES, KindSetting, Rules, Subject, Told, Wanted, planned
from tests.builders import SERVICE_ON, local
from tracking.deliveries import DeliveryStatus
from tracking.local_time import local_instant
from tracking.nearness import Nearness

DAY = timedelta(days=1)
BOTH = Contact("+12015550111", "anna@example.net")
ALL_ON = Rules({kind: KindSetting(True) for kind in RULES})
THURSDAY = Subject(
    status=DeliveryStatus.SCHEDULED,
    status_at=local("09:00") - 3 * DAY,
    zone="America/New_York",
    service_on=SERVICE_ON,
    window_start_at=local("10:00"),
    window_end_at=local("12:00"),
    created_at=local("09:00") - 3 * DAY,
    original_on=SERVICE_ON,
)
UNDER_WAY = replace(
    THURSDAY, status=DeliveryStatus.OUT_FOR_DELIVERY, status_at=local("09:00"), route_started_at=local("09:00")
)
DELIVERED = replace(UNDER_WAY, status=DeliveryStatus.DELIVERED, delivered_at=local("11:00"), status_at=local("11:00"))


def plan(
    subject: Subject, *told: Told, contact: Contact = BOTH, rules: Rules = DEFAULT_RULES, now: str = "09:00"
) -> list[Wanted]:
    return list(planned(subject, rules=rules, contact=contact, told=told, now=local(now)))


def of_kind(wanted: list[Wanted], kind: Kind, channel: Channel = Channel.SMS) -> Wanted | None:
    return next((one for one in wanted if one.kind is kind and one.channel is channel), None)


def told(
    kind: Kind, at: datetime, channel: Channel = Channel.SMS, subject: Subject = THURSDAY, **facts: object
) -> Told:
    window = (subject.window_start_at, subject.window_end_at)
    return Told(kind, channel, "x", at, subject.service_on, window, **facts)  # type: ignore[arg-type]


def test_a_plain_delivery_is_told_on_the_eve_and_in_the_morning_on_every_channel() -> None:
    wanted = plan(THURSDAY)

    assert {(one.kind, one.channel, one.due_at) for one in wanted} == {
        (Kind.DAY_BEFORE, Channel.SMS, local("18:00") - DAY),
        (Kind.DAY_BEFORE, Channel.EMAIL, local("18:00") - DAY),
        (Kind.MORNING_OF, Channel.SMS, local("08:00")),
        (Kind.MORNING_OF, Channel.EMAIL, local("08:00")),
    }


@pytest.mark.parametrize(
    ("known", "is_told"), [("17:00", True), ("18:30", True), ("19:59", True), ("20:00", False), ("23:00", False)]
)
def test_known_on_the_eve_it_goes_at_once_until_eight_and_is_then_skipped(known: str, is_told: bool) -> None:
    subject = replace(THURSDAY, created_at=local(known) - DAY)

    assert (of_kind(plan(subject), Kind.DAY_BEFORE) is not None) is is_told


def test_a_window_that_opens_before_nine_needs_no_morning_text() -> None:
    assert of_kind(plan(replace(THURSDAY, window_start_at=local("08:30"))), Kind.MORNING_OF) is None


def test_the_morning_text_is_overtaken_by_out_for_delivery() -> None:
    assert of_kind(plan(UNDER_WAY, told(Kind.OUT_FOR_DELIVERY, local("07:30"))), Kind.MORNING_OF) is None


def test_next_stop_goes_by_text_else_by_mail_and_soon_is_of_no_use() -> None:
    subject = replace(UNDER_WAY, next_stop_at=local("10:40"))
    texted = plan(subject)
    mailed = plan(subject, contact=Contact(None, "anna@example.net"))

    found = of_kind(texted, Kind.NEXT_STOP)
    assert found is not None
    assert (found.due_at, found.useful_until) == (local("10:40"), local("11:10"))
    assert of_kind(texted, Kind.NEXT_STOP, Channel.EMAIL) is None
    assert of_kind(mailed, Kind.NEXT_STOP, Channel.EMAIL) is not None


def late(point: str, until: str) -> Subject:
    return replace(
        UNDER_WAY, promise_point_at=local(point), promise_hi_at=local(until), promise_broken_at=local("11:00")
    )


def test_delayed_names_what_it_replaces_and_comes_at_most_twice_a_day() -> None:
    first = of_kind(plan(late("12:20", "12:40")), Kind.DELAYED)
    said = told(Kind.DELAYED, local("11:00"), promised_until=local("12:40"))
    still = of_kind(plan(late("12:30", "12:45"), said), Kind.DELAYED)
    again = of_kind(plan(late("13:10", "13:30"), said), Kind.DELAYED)
    third = of_kind(
        plan(late("15:00", "15:30"), said, told(Kind.DELAYED, local("12:00"), promised_until=local("13:30"))),
        Kind.DELAYED,
    )

    assert first is not None
    assert first.occasion == "2026-03-05/1200"
    assert still is None
    assert again is not None
    assert again.occasion == "2026-03-05/1240"
    assert third is None


def test_delivered_waits_a_minute_for_the_undo() -> None:
    found = of_kind(plan(DELIVERED), Kind.DELIVERED)

    assert found is not None
    assert found.due_at == local("11:01")
    assert of_kind(plan(DELIVERED), Kind.RATING_REQUEST) is None


@pytest.mark.parametrize(("wait_s", "due"), [(0, "11:00"), (600, "11:10")])
def test_delivered_waits_as_long_as_staff_chose(wait_s: int, due: str) -> None:
    rules = Rules({**ALL_ON.settings, Kind.DELIVERED: KindSetting(True, wait=timedelta(seconds=wait_s))})

    assert of_kind(plan(DELIVERED, rules=rules), Kind.DELIVERED).due_at == local(due)  # type: ignore[union-attr]


def test_the_question_keeps_the_hours_that_staff_chose_for_it_in_whichever_text() -> None:
    rules = Rules(ALL_ON.settings, {Kind.RATING_REQUEST: Quiet(time(18), time(10))})
    evening = replace(DELIVERED, delivered_at=local("18:30"), status_at=local("18:30"))

    found = of_kind(plan(evening, rules=rules), Kind.RATING_REQUEST)
    assert found is not None
    assert found.due_at == local("10:00") + DAY
    assert of_kind(plan(evening), Kind.RATING_REQUEST) is None


def test_next_helps_for_as_long_as_the_truck_takes() -> None:
    rules = Rules({**ALL_ON.settings, Kind.NEXT_STOP: KindSetting(True, nearness=Nearness(45))})
    near = replace(UNDER_WAY, next_stop_at=local("10:30"))
    found = [of_kind(plan(near, rules=one), Kind.NEXT_STOP) for one in (ALL_ON, rules)]

    assert [one.useful_until if one else None for one in found] == [local("11:00"), local("11:15")]


def test_a_late_delivery_is_rated_the_next_morning() -> None:
    evening = replace(DELIVERED, delivered_at=local("19:30"), status_at=local("19:30"))

    assert of_kind(plan(evening), Kind.DELIVERED).due_at == local("19:31")  # type: ignore[union-attr]
    assert of_kind(plan(evening), Kind.RATING_REQUEST).due_at == local("09:00") + DAY  # type: ignore[union-attr]


def test_a_question_that_went_out_is_not_asked_again_and_one_that_did_not_is() -> None:
    asked = plan(DELIVERED, told(Kind.DELIVERED, local("11:01"), asked=True))
    unasked = plan(DELIVERED, told(Kind.DELIVERED, local("19:05"), asked=False))

    assert of_kind(asked, Kind.RATING_REQUEST) is None
    assert of_kind(unasked, Kind.RATING_REQUEST) is not None


def test_the_undo_of_a_delivery_takes_its_text_back() -> None:
    undone = replace(DELIVERED, status=DeliveryStatus.ARRIVED, arrived_at=local("10:55"))

    assert of_kind(plan(undone), Kind.DELIVERED) is None


FRIDAY = replace(
    THURSDAY,
    service_on=SERVICE_ON + DAY,
    window_start_at=local("10:00") + DAY,
    window_end_at=local("12:00") + DAY,
    rescheduled_at=local("19:00") - DAY,
)


def test_tuesday_wednesday_tuesday_ends_with_the_day_that_is_true() -> None:
    first = told(Kind.DAY_BEFORE, local("18:00") - DAY)
    to_friday = of_kind(plan(FRIDAY, first), Kind.RESCHEDULED)
    second = told(Kind.RESCHEDULED, local("19:00") - DAY, subject=FRIDAY)
    back = replace(THURSDAY, rescheduled_at=local("19:30") - DAY)
    to_thursday = of_kind(plan(back, first, second), Kind.RESCHEDULED)

    assert to_friday is not None
    assert to_thursday is not None
    assert to_friday.occasion != to_thursday.occasion
    assert of_kind(plan(back, first), Kind.RESCHEDULED) is None  # Friday was never said
    assert of_kind(plan(back), Kind.RESCHEDULED) is None
    assert of_kind(plan(FRIDAY, first, second), Kind.RESCHEDULED) is None


def test_each_channel_is_told_what_it_does_not_know() -> None:
    by_text = told(Kind.RESCHEDULED, local("19:00") - DAY, subject=FRIDAY)

    wanted = plan(FRIDAY, by_text)

    assert of_kind(wanted, Kind.RESCHEDULED) is None
    assert of_kind(wanted, Kind.RESCHEDULED, Channel.EMAIL) is not None


def test_another_window_on_the_same_day_is_a_correction_once_something_was_said() -> None:
    moved = replace(THURSDAY, window_start_at=local("14:00"), window_end_at=local("16:00"))

    assert of_kind(plan(moved), Kind.CORRECTION) is None
    assert of_kind(plan(moved, told(Kind.DAY_BEFORE, local("18:00") - DAY)), Kind.CORRECTION) is not None


def test_a_failed_attempt_is_followed_by_the_new_date() -> None:
    failed = replace(UNDER_WAY, status=DeliveryStatus.ATTEMPT_FAILED, status_at=local("11:00"))
    said = told(Kind.ATTEMPT_FAILED, local("11:00"))
    moved = replace(FRIDAY, rescheduled_at=local("15:00"))

    assert of_kind(plan(failed), Kind.ATTEMPT_FAILED) is not None
    assert of_kind(plan(moved, said), Kind.RESCHEDULED) is not None


def test_a_cancelled_delivery_is_told_once_and_nothing_else_stays() -> None:
    cancelled = replace(THURSDAY, status=DeliveryStatus.CANCELLED, status_at=local("15:00") - DAY)

    assert {one.kind for one in plan(cancelled)} == {Kind.CANCELLED}


def test_kinds_that_are_off_are_not_planned() -> None:
    assert of_kind(plan(UNDER_WAY), Kind.OUT_FOR_DELIVERY) is None
    assert of_kind(plan(UNDER_WAY, rules=ALL_ON), Kind.OUT_FOR_DELIVERY) is not None


def test_nobody_without_an_address_is_written_to() -> None:
    assert plan(THURSDAY, contact=Contact(None, None)) == []


@pytest.mark.parametrize(
    ("at", "due"), [("20:30", "20:31"), ("21:30", "07:00"), ("06:00", "07:00"), ("07:30", "07:31")]
)
def test_what_the_day_brings_about_is_held_from_nine_to_seven(at: str, due: str) -> None:
    found = of_kind(plan(replace(DELIVERED, delivered_at=local(at))), Kind.DELIVERED)

    assert found is not None
    assert found.due_at.astimezone(ZoneInfo("America/New_York")).strftime("%H:%M") == due


# Every zone takes about two minutes; each run takes some of them, and those with the oddest clocks always.
STEP = int(os.environ.get("ZONE_STEP", "24"))
ODD = {"Africa/Cairo", "America/Havana", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York"}
ZONES = sorted(set(sorted(available_timezones())[::STEP]) | ODD)


@pytest.mark.parametrize("zone", ZONES)
def test_400_days_have_each_planned_kind_once_and_inside_the_hours(zone: str) -> None:
    tz = ZoneInfo(zone)
    due: list[datetime] = []
    for number in range(400):
        on = date(2026, 1, 1) + timedelta(days=number)
        start = local_instant(on, time(10), zone)
        subject = replace(
            THURSDAY,
            zone=zone,
            service_on=on,
            original_on=on,
            window_start_at=start,
            window_end_at=start + timedelta(hours=2),
            created_at=start - 5 * DAY,
        )
        wanted = plan(subject, contact=Contact("+12015550111", None))
        assert [one.kind for one in wanted] == [Kind.DAY_BEFORE, Kind.MORNING_OF]
        assert all(8 <= one.due_at.astimezone(tz).hour < 20 for one in wanted)
        due += [one.due_at for one in wanted]
    assert sorted(due[::2]) == due[::2]
    assert sorted(due[1::2]) == due[1::2]
    assert len(set(due)) == 800
