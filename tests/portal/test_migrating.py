"""``portal init`` makes exactly the tables that the code describes, and may run twice."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from messaging.conversations import note_event
from messaging.search_index import newest_lines
from migrations.env_tables import is_described
from portal.migrating import migrate
from portal.revision import SCRIPTS, WrongRevision, is_current, newest_revision, require_current
from sandbox.postgres import Cluster
from tests.builders import make_delivery
from tests.not_run import leave_out
from tracking.ids import new_id
from tracking.storage import Base, Database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bare_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('bare') / 'new' / 'portal.db'}"
        opened = Database(url)
        yield opened
        opened.close()
        return
    cluster: Cluster | None = request.getfixturevalue("cluster")
    if cluster is None:
        leave_out("migrations on PostgreSQL", "initdb was not found")
    name = f"m{new_id()}"
    opened = Database(cluster.create(name))
    yield opened
    opened.close()
    cluster.drop(name)


def test_the_newest_revision_is_read_as_alembic_reads_it() -> None:
    assert newest_revision() == ScriptDirectory(str(SCRIPTS)).get_current_head()


def test_migrations_make_the_tables_the_code_describes(bare_database: Database) -> None:
    migrate(bare_database)
    with bare_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_described})
        differences = compare_metadata(context, Base.metadata)
    assert differences == []


def test_a_migrated_database_keeps_the_search_in_step(bare_database: Database) -> None:
    """A later migration that copies chat_messages would lose SQLite's triggers."""
    migrate(bare_database)
    with bare_database.writing() as session:
        delivery = make_delivery(session)
        note_event(session, delivery.id, "The van has left", delivery.created_at)
        assert [found for _, found in newest_lines(session, ("anna",))] == [delivery.id]
        session.execute(text("UPDATE chat_messages SET search_words = 'zebra'"))
        assert newest_lines(session, ("anna",)) == []
        assert len(newest_lines(session, ("zeb",))) == 1
        session.execute(text("DELETE FROM chat_messages"))
        assert newest_lines(session, ("zebra",)) == []


def test_migrating_twice_changes_nothing(bare_database: Database) -> None:
    migrate(bare_database)
    migrate(bare_database)
    assert is_current(bare_database)


def test_database_of_another_revision_is_refused(bare_database: Database) -> None:
    migrate(bare_database)
    with bare_database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    with pytest.raises(WrongRevision, match="portal init"):
        require_current(bare_database)


def test_a_database_that_is_away_at_the_start_is_waited_for(bare_database: Database) -> None:
    migrate(bare_database)
    bare_database.close()
    dialect = bare_database.engine.dialect
    troubles = iter((dialect.loaded_dbapi.OperationalError("the database system is starting up"),))

    @event.listens_for(bare_database.engine, "do_connect")
    def away(*_: object) -> None:
        for trouble in troubles:
            raise trouble

    require_current(bare_database, patience_s=2)
