"""The record: one SQL database, SQLite with no set-up or PostgreSQL, behind short transactions."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Engine, Enum, MetaData, create_engine, event, make_url
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from tracking.turns import Turns

SQLITE_BUSY_TIMEOUT_MS = 10_000  # DESIGN 5
TURN_PATIENCE_S = 2.0  # a process may be asleep that was to come next; the others go on (our choice)
WRITES = "portal_writes"  # the execution option that makes SQLite take its write lock at BEGIN


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored in UTC and given back aware, in both engines. A naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return ``value`` in UTC; raises ``ValueError`` for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return ``value`` aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of every table of the house."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON(), list[Any]: JSON()}  # noqa: RUF012


def words(enum: type[StrEnum], name: str) -> Enum:
    """Return a column type that stores ``enum``'s values as text and lets the database refuse any other."""
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda kinds: [kind.value for kind in kinds],
    )


class Database:
    """One engine and the two ways to open a transaction on it. Build it after a fork."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        address = make_url(url)
        if address.drivername in {"postgres", "postgresql"}:
            address = address.set(drivername="postgresql+psycopg")
        self.url = address
        self.is_sqlite = address.get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "hide_parameters": True,  # names and numbers stay out of errors, and so out of logs
            "pool_size": pool_size,
            "max_overflow": 20,
            "pool_pre_ping": not self.is_sqlite,
        }
        if self.is_sqlite and address.database in {None, "", ":memory:"}:
            raise ValueError("the record needs a file: sqlite:///path/to/portal.db")
        self.engine = create_engine(address, **options)
        event.listen(self.engine, "before_cursor_execute", _with_storable_text, retval=True)
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        # A SQLite transaction sees one moment anyway (WAL); PostgreSQL's usual one sees another at every statement.
        self._still = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._writer = self.engine.execution_options(**{WRITES: True})
        self._turns = Turns(Path(address.database or ""), TURN_PATIENCE_S) if self.is_sqlite else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads; it is rolled back at the end."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a transaction that only reads, and in which every statement sees the same moment."""
        with Session(self._still, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that may write, and commit it when the block ends well. Keep it short.

        SQLite has one writer: who wants to write waits for a turn.
        """
        with (
            self._turns.turn() if self._turns else nullcontext(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()
        if self._turns:
            self._turns.close()


def _with_storable_text(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _executemany: bool
) -> tuple[str, Any]:
    """Let no text of a stranger's break a query: PostgreSQL takes no NUL, neither engine takes half a surrogate.

    Here, because addresses, forms, JSON, texts and files all end here, and so that both engines answer the same.
    """
    return statement, _storable(parameters)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value.replace("\x00", "") if "\x00" in value else value
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _storable(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_storable(item) for item in value)
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _prepare_sqlite(engine: Engine) -> None:
    """Make SQLite wait for its one writer, enforce foreign keys and begin as we say (sqlalchemy.org, pysqlite)."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            f"busy_timeout={SQLITE_BUSY_TIMEOUT_MS}",
            "foreign_keys=ON",
            "synchronous=FULL",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
