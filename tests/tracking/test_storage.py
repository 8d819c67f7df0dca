"""The record behaves the same on both engines."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError

from tests.builders import make_delivery, make_depot
from tracking.deliveries import Delivery
from tracking.depots import Depot
from tracking.storage import Database


def test_instants_come_back_aware_and_equal(database: Database) -> None:
    moment = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    with database.writing() as session:
        delivery_id = make_delivery(session, now=moment).id
    with database.reading() as session:
        found = session.get(Delivery, delivery_id)
        assert found is not None
        assert found.created_at == moment
        assert found.created_at.tzinfo is not None


def test_naive_instant_is_refused(database: Database) -> None:
    with pytest.raises(StatementError), database.writing() as session:
        make_delivery(session, now=datetime(2026, 3, 8, 7, 30))  # noqa: DTZ001 - naive on purpose


def test_window_that_ends_before_it_starts_is_impossible(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as session:
        make_delivery(session, window="12:00-10:00")


def test_recipient_without_phone_and_email_is_impossible(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as session:
        make_delivery(session, phone=None, email=None)


def test_failed_block_leaves_nothing(database: Database) -> None:
    def fail_halfway() -> None:
        with database.writing() as session:
            make_depot(session)
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    with database.reading() as session:
        assert session.scalars(select(Depot)).all() == []


def test_two_writers_at_once_both_finish(database: Database) -> None:
    failures: list[BaseException] = []

    def add(name: str) -> None:
        try:
            for number in range(10):
                with database.writing() as session:
                    make_depot(session, name=f"{name}{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    with database.reading() as session:
        assert len(session.scalars(select(Depot)).all()) == 20


def test_an_error_of_the_record_does_not_hold_what_was_written(database: Database) -> None:
    with pytest.raises(SQLAlchemyError) as caught, database.writing() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": "Anna Berg"})
    assert "Anna" not in str(caught.value)


@pytest.mark.parametrize(("told", "kept"), [("An\x00na", "Anna"), ("Zoë\x00", "Zoë"), ("An\ud800na", "An?na")])
def test_no_text_of_a_strangers_breaks_a_query(database: Database, told: str, kept: str) -> None:
    with database.writing() as session:
        delivery_id = make_delivery(session, recipient_name=told).id
        assert session.get(Delivery, told) is None
    with database.reading() as session:
        assert session.scalars(select(Delivery.recipient_name).where(Delivery.recipient_name == told)).all() == [kept]
        assert session.get_one(Delivery, delivery_id).recipient_name == kept
