"""How true a day's estimates and promises were: what counts, what is added up, and what may be published."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import SERVICE_ON, local, make_delivery, make_depot, make_route, make_stop
from tracking.deliveries import Delivery, DeliveryStatus, EstimateMade, PromiseChange
from tracking.hit_rate import HitRate, hit_rate
from tracking.storage import Database
from tracking.truth_days import (
    EtaDay,
    Made,
    PromiseDay,
    Range,
    count_day,
    days_to_count,
    promises_of,
    shown_at,
    summed,
    write_day,
)

NOON = local("12:00")
WINDOW = (local("10:00"), local("14:00"))
NEXT_DAY = SERVICE_ON + timedelta(days=1)


def made(ahead_min: float, off_min: float, *, half_min: float = 5.0, stop: str = "s", depot: str = "d") -> Made:
    """Return an estimate of a stop reached at noon, made ``ahead_min`` before and ``off_min`` too late."""
    eta_at = NOON + timedelta(minutes=off_min)
    half = timedelta(minutes=half_min)
    return Made(depot, stop, NOON - timedelta(minutes=ahead_min), eta_at, eta_at - half, eta_at + half, NOON)


def test_errors_widths_and_hits_are_added_up_by_how_far_away_the_arrival_was() -> None:
    # Bins end at 3, 6, 10, 15, 25 and 40 minutes: 20 is in bin 4, 2 in bin 0.
    found = summed([made(20, 6), made(2, -1)])
    assert set(found) == {("d", 4), ("d", 0)}
    far, near = found["d", 4], found["d", 0]
    assert (far.estimates, far.error_s, far.absolute_s, far.inside, far.width_s) == (1, 360.0, 360.0, 0, 600.0)
    assert (near.error_s, near.absolute_s, near.inside) == (-60.0, 60.0, 1)


def test_a_jump_is_from_one_estimate_of_a_stop_to_the_next_never_between_stops() -> None:
    found = summed([made(30, 0), made(28, 6), made(29, 20, stop="other")])["d", 5]
    # From +0 to +6 minutes: 360 s, more than five minutes.
    assert (found.jumps, found.jump_s, found.big_jumps) == (1, 360.0, 1)


def test_what_was_said_after_the_arrival_does_not_count() -> None:
    assert summed([made(0, 3), made(-5, 3)]) == {}


def changed(at: str, lo: str, hi: str, had: tuple[str, str] | None = None) -> Range:
    before = (local(had[0]), local(had[1])) if had else (None, None)
    return Range(local(at), local(lo), local(hi), *before)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ([], ("10:00", "14:00")),
        ([changed("10:30", "11:00", "11:30"), changed("11:30", "11:45", "12:15")], ("11:00", "11:30")),
        ([changed("11:30", "11:45", "12:15")], ("10:00", "14:00")),
        ([changed("11:30", "11:45", "12:15", had=("11:10", "11:50"))], ("11:10", "11:50")),
    ],
)
def test_the_range_shown_at_eleven_is_the_last_one_until_then_or_the_window(
    changes: Sequence[Range], shown: tuple[str, str]
) -> None:
    assert shown_at(changes, local("11:00"), window=WINDOW) == (local(shown[0]), local(shown[1]))


def delivered(session: Session, at: str, *ranges: tuple[str, str, str]) -> Delivery:
    """Add a delivery handed over ``at``, with ranges as (shown from, low, high)."""
    delivery = make_delivery(
        session, window="10:00-11:00", status=DeliveryStatus.DELIVERED, delivered_at=local(at), arrived_at=local(at)
    )
    session.add_all(
        PromiseChange(delivery_id=delivery.id, at=local(start), cause=None, lo_at=local(lo), hi_at=local(hi))
        for start, lo, hi in ranges
    )
    return delivery


def test_right_is_delivered_inside_the_range_shown_an_hour_before(database: Database) -> None:
    with database.writing() as session:
        delivered(session, "12:00", ("09:00", "11:30", "12:30"))
        # What was shown half an hour before is too late to be proud of.
        delivered(session, "12:00", ("09:00", "10:30", "11:00"), ("11:30", "11:50", "12:10"))
        # Nothing but the window was shown.
        delivered(session, "10:30")
        make_delivery(session, status=DeliveryStatus.ATTEMPT_FAILED)
        depot_id = make_depot(session).id
    with database.reading() as session:
        assert promises_of(session, SERVICE_ON) == {depot_id: (3, 2)}


def test_what_an_attempt_of_another_day_promised_does_not_count(database: Database) -> None:
    with database.writing() as session:
        delivery = delivered(session, "10:40")
        yesterday = [local(at, SERVICE_ON - timedelta(days=1)) for at in ("09:00", "10:00", "10:30")]
        session.add(
            PromiseChange(delivery_id=delivery.id, at=yesterday[0], cause=None, lo_at=yesterday[1], hi_at=yesterday[2])
        )
    with database.reading() as session:
        assert list(promises_of(session, SERVICE_ON).values()) == [(1, 1)]


def estimate(session: Session, arrived_at: datetime | None) -> None:
    stop = make_stop(session, make_route(session), arrived_at=arrived_at)
    at = local("11:40")
    session.add(EstimateMade(stop_id=stop.id, made_at=at, eta_at=NOON, lo_at=at, hi_at=NOON, model="m"))


def test_a_day_is_counted_from_the_record_and_again_without_doubling(database: Database) -> None:
    with database.writing() as session:
        estimate(session, NOON + timedelta(minutes=2))
        estimate(session, None)
    for _ in range(2):
        with database.reading() as session:
            counted = count_day(session, SERVICE_ON)
        with database.writing() as session:
            write_day(session, counted)
    with database.reading() as session:
        row = session.scalars(select(EtaDay)).one()
    # 11:40 to 12:02 are 22 minutes: bin 4. The estimate was 2 minutes early, and the range ended before.
    assert (row.horizon, row.estimates, row.error_s, row.absolute_s, row.inside) == (4, 1, -120.0, 120.0, 0)


def test_days_are_counted_once_but_the_last_two_again(database: Database) -> None:
    days = [NEXT_DAY - timedelta(days=back) for back in (40, 20, 10, 1)]
    with database.writing() as session:
        for on in (*days, NEXT_DAY):
            make_route(session, on=on)
        depot_id = make_depot(session).id
        for on in (days[2], days[3]):
            session.add(PromiseDay(on=on, depot_id=depot_id, delivered=1, kept=1))
    with database.reading() as session:
        assert days_to_count(session, NEXT_DAY) == [days[1], days[3]]


def rates(database: Database, *rows: tuple[int, int, int]) -> None:
    """Write (days back, delivered, kept)."""
    with database.writing() as session:
        depot_id = make_depot(session).id
        for back, number, kept in rows:
            on = NEXT_DAY - timedelta(days=back)
            session.add(PromiseDay(on=on, depot_id=depot_id, delivered=number, kept=kept))


def rate(database: Database, today: date = NEXT_DAY) -> HitRate | None:
    with database.reading() as session:
        return hit_rate(session, today)


def test_nothing_is_published_before_two_hundred_deliveries(database: Database) -> None:
    rates(database, (1, 100, 90), (2, 99, 90))
    assert rate(database) is None


def test_the_last_28_days_count_and_ten_is_rounded_down(database: Database) -> None:
    rates(database, (0, 500, 0), (1, 150, 130), (28, 100, 94), (29, 500, 0))
    found = rate(database)
    # 224 of 250 are 89.6 %: eight times out of ten, not nine.
    assert found == HitRate(delivered=250, kept=224)
    assert found.of_ten == 8
    assert found.percent == pytest.approx(89.6)
