import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import CaseStatus, case_of, close_case
from messaging.rating_texts import read_rating
from messaging.ratings import CannotRate, Rated, RatingWord, parse_rating, rate, rating_of
from tests.builders import local, make_delivery, make_route
from tracking import custody
from tracking.actors import SYSTEM
from tracking.custody import CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, PromiseChange
from tracking.errors import NotFound
from tracking.ids import new_id
from tracking.routes import RouteStatus
from tracking.storage import Database

NOW = local("13:00")  # Thursday


def handed_over(session: Session) -> Delivery:
    route = make_route(session, status=RouteStatus.STARTED, started_at=local("09:25"))
    return make_delivery(
        session,
        route=route,
        status=DeliveryStatus.DELIVERED,
        arrived_at=local("12:30"),
        delivered_at=local("12:40"),
        status_at=local("12:40"),
    )


def given_score(session: Session, delivery: Delivery, score: int, comment: str = "", **options: object) -> Rated:
    given = {"source": "page", "now": NOW, "ids": new_id, **options}
    return rate(session, delivery_id=delivery.id, score=score, comment=comment, **given)  # type: ignore[arg-type]


def test_a_good_rating_is_kept_and_opens_no_case(database: Database) -> None:
    with database.writing() as session:
        delivery = handed_over(session)
        assert given_score(session, delivery, 5, "Great") == Rated(5, "Great", True, None)
    with database.reading() as session:
        rating = rating_of(session, delivery.id)
        assert rating is not None
        assert (rating.score, rating.comment, rating.first_at) == (5, "Great", NOW)


def test_the_latest_within_a_day_counts_and_every_word_is_kept(session: Session) -> None:
    delivery = handed_over(session)
    given_score(session, delivery, 3, "late")
    given_score(session, delivery, 5, "he called", now=NOW + timedelta(hours=23))
    assert rating_of(session, delivery.id).score == 5  # type: ignore[union-attr]
    words = session.scalars(select(RatingWord).order_by(RatingWord.id))
    assert [(word.score, word.comment) for word in words] == [(3, "late"), (5, "he called")]


def test_after_a_day_a_rating_is_not_changed(session: Session) -> None:
    delivery = handed_over(session)
    given_score(session, delivery, 3)
    with pytest.raises(CannotRate, match="more than a day ago"):
        given_score(session, delivery, 1, now=NOW + timedelta(hours=24, minutes=1))


def test_the_same_score_twice_keeps_the_words(session: Session) -> None:
    delivery = handed_over(session)
    given_score(session, delivery, 4, "friendly")
    assert given_score(session, delivery, 4).comment == "friendly"


@pytest.mark.parametrize("score", [0, 6, -1])
def test_a_score_out_of_range_is_refused(session: Session, score: int) -> None:
    with pytest.raises(CannotRate, match="from 1 to 5"):
        given_score(session, handed_over(session), score)


@pytest.mark.parametrize("status", [one for one in DeliveryStatus if one is not DeliveryStatus.DELIVERED])
def test_only_what_was_delivered_can_be_rated(session: Session, status: DeliveryStatus) -> None:
    with pytest.raises(CannotRate, match="once it has been delivered"):
        given_score(session, make_delivery(session, status=status), 5)


def test_after_two_weeks_a_delivery_is_not_rated(session: Session) -> None:
    with pytest.raises(CannotRate, match="too long ago"):
        given_score(session, handed_over(session), 5, now=NOW + timedelta(days=15))


def test_an_unknown_delivery_cannot_be_rated(session: Session) -> None:
    with pytest.raises(NotFound):
        rate(session, delivery_id="f" * 32, score=5, comment="", source="page", now=NOW, ids=new_id)


def test_a_rating_makes_the_plan_dirty_so_that_nobody_asks_again(session: Session) -> None:
    delivery = handed_over(session)
    delivery.plan_dirty_at = None
    given_score(session, delivery, 5)
    session.refresh(delivery)
    assert delivery.plan_dirty_at == NOW


def test_a_low_score_opens_a_case_with_the_facts_and_four_business_hours(session: Session) -> None:
    delivery = handed_over(session)
    custody.record(
        session,
        event_id=new_id(),
        delivery_id=delivery.id,
        kind=CustodyKind.DELIVERED,
        at=local("12:40"),
        now=local("12:40"),
        actor=SYSTEM,
        source="tap",
        where=(delivery.stop.lat + 0.001, delivery.stop.lon),
    )
    session.flush()
    rated = given_score(session, delivery, 2, "left in the rain")
    case = case_of(session, delivery.id)
    assert case is not None
    assert (rated.case_id, case.score, case.comment) == (case.id, 2, "left in the rain")
    assert case.deadline_at == local("17:00")  # 13:00 on a Thursday and four hours of the office
    assert case.facts["late_min"] == 30  # at the door 12:30, promised until 12:00
    assert case.facts["depot_late_min"] == 25  # left 09:25 instead of 09:00
    assert case.facts["proof_distance_m"] == 111  # a thousandth of a degree of latitude
    assert case.facts["custody"][0]["kind"] == "delivered"


@pytest.mark.parametrize(("opened", "count"), [(None, 0), ("11:10", 1), ("09:00", 2)])
def test_a_case_counts_the_changes_of_a_promise_that_could_be_seen(
    session: Session, opened: str | None, count: int
) -> None:
    delivery = handed_over(session)
    delivery.seen_at = local(opened) if opened else None
    before_lo_at = None  # the first promise changes nothing
    for at in ("10:00", "11:00", "12:00"):
        made = PromiseChange(delivery_id=delivery.id, at=local(at), lo_at=local("12:00"), hi_at=local("12:30"))
        made.from_lo_at = made.from_hi_at = before_lo_at
        before_lo_at = local("11:30")
        session.add(made)
    session.flush()
    given_score(session, delivery, 2)
    case = case_of(session, delivery.id)
    assert case is not None
    assert len(case.facts["promise_changes"]) == count


def test_a_better_score_is_shown_in_the_case_and_leaves_closing_to_a_person(session: Session) -> None:
    delivery = handed_over(session)
    given_score(session, delivery, 1)
    given_score(session, delivery, 5, now=NOW + timedelta(hours=1))
    case = case_of(session, delivery.id)
    assert case is not None
    assert (case.score, case.status) == (5, CaseStatus.OPEN)


def test_a_low_score_again_opens_a_closed_case_again(session: Session) -> None:
    delivery = handed_over(session)
    given_score(session, delivery, 2)
    case = case_of(session, delivery.id)
    assert case is not None
    close_case(session, case.id, resolution="Called", staff_id="bo", now=NOW)
    given_score(session, delivery, 1, "again", now=NOW + timedelta(hours=2))
    session.refresh(case)
    assert (case.status, case.score, case.comment, case.closed_at) == (CaseStatus.OPEN, 1, "again", None)


def test_a_clear_rating_is_parsed_with_its_words() -> None:
    parsed = parse_rating("2 left in the rain")
    assert parsed is not None
    assert (parsed.score, parsed.comment) == (2, "left in the rain")


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser_and_every_score_is_one_to_five(text: str) -> None:
    reading = read_rating(text)
    assert reading.rating is None or 1 <= reading.rating.score <= 5
    assert reading.maybe is None or 1 <= reading.maybe <= 5


@pytest.mark.parametrize(
    "text",
    ["5" + " " * 60_000 + "x", "5" + "\n" * 60_000 + "x", "5 / " * 20_000, "- " * 30_000 + "4", "5 " + "for " * 16_000],
)
def test_a_long_text_is_read_in_no_time(text: str) -> None:
    begun_s = time.process_time()
    parse_rating(text)
    assert time.process_time() - begun_s < 1  # the square of its length took minutes
