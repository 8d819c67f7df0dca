"""The revision of the database: ``portal init`` alone migrates; web and worker refuse another revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from tracking.storage import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
LOCK_ID = 7021946  # any number: two `portal init` on one PostgreSQL wait for each other by it


class WrongRevision(Exception):
    """The database is of another revision than this code."""


def is_current(database: Database) -> bool:
    """True when the database is of the revision this code was written for."""
    head = ScriptDirectory(str(SCRIPTS)).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head


def require_current(database: Database) -> None:
    """Raise ``WrongRevision`` unless ``is_current``."""
    if not is_current(database):
        raise WrongRevision("The database is of another revision than this code: run `portal init` first.")


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
