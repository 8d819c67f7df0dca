"""Adding a row that must exist once: the second writer loses quietly, on either engine."""

from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tracking.storage import Base


def insert_once(session: Session, table: type[Base], **values: Any) -> bool:
    """Add a row; False, and nothing changes, when a row with the same unique key is there already."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    # Without the option, psycopg's count of an INSERT is gone when it is asked for.
    result = session.execute(statement, execution_options={"preserve_rowcount": True})
    assert isinstance(result, CursorResult)
    return result.rowcount == 1
