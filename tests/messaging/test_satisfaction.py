from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.fairness import ScoreCause
from messaging.ratings import Rating
from messaging.satisfaction import Share, Wanted, by_depot, by_driver, by_week, overall, ratings, share
from tests.builders import local, make_delivery, make_driver, make_route
from tracking.deliveries import DeliveryStatus
from tracking.routes import Route

NOON = local("12:00")  # Thursday, 5 March
WANTED = Wanted(since=date(2026, 2, 16), until=date(2026, 3, 5), zone="America/New_York")


def rated(
    session: Session, score: int, *, route: Route, days_ago: int = 0, comment: str = "", late: bool = False
) -> str:
    delivery = make_delivery(session, route=route, status=DeliveryStatus.DELIVERED, delivered_at=NOON)
    at = NOON - timedelta(days=days_ago)
    cause = ScoreCause.LATE_START if late else ScoreCause.OPEN
    told = {"score": score, "comment": comment, "cause": cause, "cause_min": 25 if late else None}
    session.add(Rating(delivery_id=delivery.id, source="sms", first_at=at, at=at, **told))
    session.flush()
    return delivery.id


@pytest.fixture
def routes(session: Session) -> tuple[Route, Route]:
    dana, theo = make_driver(session, "Dana", "+12015550151"), make_driver(session, "Theo", "+12015550152")
    return make_route(session, driver=dana), make_route(session, driver=theo)


def test_a_score_that_is_the_depots_counts_for_the_depot_and_not_for_the_driver(
    session: Session, routes: tuple[Route, Route]
) -> None:
    dana, theo = routes
    for score, late in ((5, False), (4, False), (1, True), (2, False)):
        rated(session, score, route=dana, late=late)
    rated(session, 1, route=theo, late=True)
    found = ratings(session, WANTED)

    drivers, (depot,) = by_driver(found), by_depot(found)

    assert [(one.name, one.answers, one.percent, one.not_counted) for one in drivers] == [
        ("Dana", 3, 66, 1),
        ("Theo", 0, None, 1),
    ]
    assert (depot.name, depot.answers, depot.percent, depot.not_counted) == ("North depot", 5, 40, 0)
    assert (overall(found).percent, overall(found).mean) == (40, pytest.approx(13 / 5))


def test_every_week_has_its_place_also_one_without_an_answer(session: Session, routes: tuple[Route, Route]) -> None:
    rated(session, 5, route=routes[0])
    rated(session, 1, route=routes[0], days_ago=3)  # Monday of the same week
    rated(session, 4, route=routes[0], days_ago=4)  # Sunday of the week before
    rated(session, 5, route=routes[0], days_ago=30)  # before what is asked for

    weeks = by_week(ratings(session, WANTED), WANTED)

    assert [(monday.isoformat(), one.answers, one.percent) for monday, one in weeks] == [
        ("2026-02-16", 0, None),
        ("2026-02-23", 1, 100),
        ("2026-03-02", 2, 50),
    ]


def test_filters_let_through_what_they_say(session: Session, routes: tuple[Route, Route]) -> None:
    dana, theo = routes
    wet, silent = rated(session, 1, route=dana, comment="Box was WET, 100%"), rated(session, 5, route=theo)
    other = {"since": WANTED.since, "until": WANTED.until, "zone": WANTED.zone}

    def found(**fields: object) -> set[str]:
        return {one.delivery_id for one in ratings(session, Wanted(**{**other, **fields}))}  # type: ignore[arg-type]

    assert found() == {wet, silent}
    assert found(driver_id=dana.driver_id) == {wet}
    assert found(depot_id=dana.depot_id) == {wet, silent}
    assert found(depot_id="none") == set()
    assert found(scores=(4, 5)) == {silent}
    assert found(words="wet") == {wet}
    assert found(words="100%") == {wet}
    assert found(words="1%0") == set()
    assert found(only_with_words=True) == {wet}
    assert found(until=date(2026, 3, 4)) == set()


def test_a_share_of_nothing_is_not_shown_as_zero() -> None:
    assert share("", "", []) == Share("", "", 0, 0, 0)
    assert (share("", "", []).percent, share("", "", []).mean) == (None, None)
