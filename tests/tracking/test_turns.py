"""Who waits for SQLite's write lock comes next, in whatever process: another that writes again and again waits too."""

import fcntl
import threading
from pathlib import Path

import pytest
from sqlalchemy import make_url, select

from tests.builders import make_depot
from tracking.depots import Depot
from tracking.storage import Database
from tracking.turns import Turns

PATIENCE_S = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the record would be."""
    return tmp_path / "portal.db"


def wait_until_somebody_is_next(path: Path) -> None:
    """Return once somebody waits for the turn."""
    with path.with_name(f"{path.name}-next").open("rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(file, fcntl.LOCK_UN)


def test_who_waits_writes_before_a_process_that_writes_again_at_once(sqlite_url: str) -> None:
    path = Path(make_url(sqlite_url).database or "")
    mine, other = Database(sqlite_url), Database(sqlite_url)

    def write() -> None:
        with other.writing() as session:
            make_depot(session, name="theirs")

    waiting = threading.Thread(target=write)
    with mine.writing() as session:
        make_depot(session, name="mine")
        waiting.start()
        wait_until_somebody_is_next(path)
    with mine.writing() as session:
        names = set(session.scalars(select(Depot.name)))
    waiting.join()
    assert names == {"mine", "theirs"}
    mine.close()
    other.close()


def test_a_turn_that_is_never_given_back_is_not_waited_for_without_end(path: Path) -> None:
    holder, other = Turns(path, PATIENCE_S), Turns(path, patience_s=0.01)
    with holder.turn(), other.turn():
        pass  # goes on without, and SQLite decides
    again = Turns(path, PATIENCE_S)
    with again.turn():
        pass  # and has taken nothing with it
    for each in (holder, other, again):
        each.close()


def test_who_goes_on_without_a_turn_gives_no_other_ones_back(path: Path) -> None:
    holder, other, third = Turns(path, PATIENCE_S), Turns(path, patience_s=0.01), Turns(path, PATIENCE_S)
    came: list[str] = []

    def come() -> None:
        with third.turn():
            came.append("third")

    waiting = threading.Thread(target=come)
    with holder.turn():
        with other.turn():
            pass
        waiting.start()
        wait_until_somebody_is_next(path)
        came.append("holder")
    waiting.join()
    assert came == ["holder", "third"]
    for each in (holder, other, third):
        each.close()


def test_closed_turns_are_taken_again(path: Path) -> None:
    turns = Turns(path, PATIENCE_S)
    for _ in range(2):
        with turns.turn():
            pass
        turns.close()


def test_a_place_without_room_for_a_lock_leaves_the_order_to_sqlite(tmp_path: Path) -> None:
    with Turns(tmp_path / "nowhere" / "portal.db", PATIENCE_S).turn():
        pass
