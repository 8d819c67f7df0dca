from datetime import timedelta

from sqlalchemy import select

from tests.builders import local, make_driver, make_route, make_stop
from tracking.deliveries import EstimateMade
from tracking.positions import Position
from tracking.retention import ESTIMATES_KEPT, POSITIONS_KEPT, forget_old
from tracking.storage import Database

NOW = local("12:00")


def test_old_positions_and_estimates_go_and_young_ones_stay(database: Database) -> None:
    moment = timedelta(seconds=1)
    with database.writing() as session:
        driver = make_driver(session)
        stop = make_stop(session, make_route(session))
        for at in (NOW - POSITIONS_KEPT - moment, NOW - POSITIONS_KEPT + moment):
            told = {"lat": 40.0, "lon": -74.0, "status": "stored", "source": "json", "received_at": at}
            session.add(Position(driver_id=driver.id, at=at, **told))
        for at in (NOW - ESTIMATES_KEPT - moment, NOW - ESTIMATES_KEPT + moment):
            session.add(EstimateMade(stop_id=stop.id, made_at=at, eta_at=at, lo_at=at, hi_at=at, model="m"))
    with database.writing() as session:
        assert forget_old(session, NOW) == 2
        assert forget_old(session, NOW) == 0
        assert list(session.scalars(select(Position.at))) == [NOW - POSITIONS_KEPT + moment]
        assert forget_old(session, NOW, positions_kept=POSITIONS_KEPT - 2 * moment) == 1
        assert list(session.scalars(select(EstimateMade.made_at))) == [NOW - ESTIMATES_KEPT + moment]
