"""An installation that is older than the search: what was said before is found after ``portal init``."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import JSON, Connection, MetaData, Table

from messaging.search import find
from portal.migrating import migrate
from portal.revision import SCRIPTS
from tracking.storage import Database

AT = datetime(2026, 3, 5, 17, 0, tzinfo=UTC)
VALUES: dict[type, Any] = {str: "x", int: 1, float: 1.0, bool: False, date: AT.date()}
VALUES[datetime] = AT.replace(tzinfo=None)


def upgrade_to(connection: Connection, revision: str) -> None:
    """Bring a database to one of the revisions it once had."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


def put(connection: Connection, table: Table, **given: Any) -> None:
    """Add a row as it was then: what is not given and must not be empty gets any value of its type."""
    must = [column for column in table.columns if not column.nullable and column.server_default is None]
    values = {column.name: {} if isinstance(column.type, JSON) else VALUES[column.type.python_type] for column in must}
    connection.execute(table.insert().values({**values, **given}))


def test_what_was_said_before_there_was_a_search_is_found(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.engine.connect() as connection:
        upgrade_to(connection, "0004")
        then = MetaData()
        then.reflect(connection)
        tables = then.tables
        for name, given in (
            ("depots", {"id": "d"}),
            ("drivers", {"id": "r"}),
            ("routes", {"id": "t", "depot_id": "d", "driver_id": "r", "status": "planned"}),
            ("stops", {"id": "s", "route_id": "t"}),
        ):
            put(connection, tables[name], **given)
        window = {"window_start_at": datetime(2026, 3, 5, 10), "window_end_at": datetime(2026, 3, 5, 12)}  # noqa: DTZ001
        person = {"recipient_name": "Anna Núñez", "reference": "REF-7", "phone": "+12015550123"}
        put(connection, tables["deliveries"], id="a", stop_id="s", status="scheduled", **window, **person)
        put(connection, tables["conversations"], id="a", delivery_id="a")
        for number, (voice, body) in enumerate((("recipient", "The gate is green"), ("system", "Support joined."))):
            told = {"voice": voice, "origin": "page", "body": body, "conversation_id": "a"}
            put(connection, tables["chat_messages"], id=number + 1, **told)
        connection.commit()

    migrate(database)

    with database.reading() as session:
        for query in ("green gate", "nunez", "anna gate", "ref-7", "(201) 555-0123"):
            assert [hit.delivery_id for hit in find(session, query, region="US")] == ["a"], query
        assert find(session, "joined", region="US") == []
    database.close()
