"""The revision of the database: web and worker refuse another than their own. Read without Alembic, which is heavy."""

import re
import threading
from pathlib import Path

import structlog
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from tracking.storage import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
START_PATIENCE_S = 60  # web and worker may be started before the database is up
_NAMED = re.compile(r'^(?P<which>revision|down_revision)\b[^=\n]*= "(?P<name>\w+)"$', re.MULTILINE)

log = structlog.get_logger()


class WrongRevision(Exception):
    """The database is of another revision than this code."""


def newest_revision() -> str:
    """Return the revision this code was written for: that which no other migration follows."""
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for path in (SCRIPTS / "versions").glob("*.py"):
        for named in _NAMED.finditer(path.read_text()):
            found[named["which"]].add(named["name"])
    (newest,) = found["revision"] - found["down_revision"]
    return newest


def is_current(database: Database) -> bool:
    """True when the database is of the revision this code was written for."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [newest_revision()]


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
