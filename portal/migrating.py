"""The revision of the database: ``portal init`` alone migrates; web and worker refuse another revision."""

import threading
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tracking.storage import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
START_PATIENCE_S = 60  # web and worker may be started before the database is up
LOCK_ID = 7021946  # any number: two `portal init` on one PostgreSQL wait for each other by it


log = structlog.get_logger()


class WrongRevision(Exception):
    """The database is of another revision than this code."""


def is_current(database: Database) -> bool:
    """True when the database is of the revision this code was written for."""
    head = ScriptDirectory(str(SCRIPTS)).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head


def require_current(database: Database, *, patience_s: int = 0) -> None:
    """Raise ``WrongRevision`` unless ``is_current``; a database that is away is asked again for ``patience_s``."""
    if not _answer(database, patience_s):
        raise WrongRevision("The database is of another revision than this code: run `portal init` first.")


def _answer(database: Database, patience_s: int) -> bool:
    for _ in range(patience_s):
        try:
            return is_current(database)
        except OperationalError as error:
            log.warning("the database does not answer yet", error=type(error.orig).__name__)
            threading.Event().wait(1.0)
    return is_current(database)


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
