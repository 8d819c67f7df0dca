"""Migrating: ``portal init`` alone brings the database to this code's revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from portal.revision import SCRIPTS
from tracking.storage import Database

LOCK_ID = 7021946  # any number: two `portal init` on one PostgreSQL wait for each other by it


def migrate(database: Database) -> None:
    """Bring the database to this code's revision. Safe to repeat, and to run twice at once."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    if database.is_sqlite and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": LOCK_ID})
            connection.commit()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
            connection.commit()
        finally:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": LOCK_ID})
                connection.commit()
