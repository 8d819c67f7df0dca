"""Importing routes: read a file or a JSON document, show what it would change, then change it (DESIGN 10)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from tracking.actors import Actor
from tracking.facts import Fact
from tracking.import_apply import Application
from tracking.import_files import parse_lines
from tracking.import_payloads import parse_payload
from tracking.import_plan import ImportPreview, compare, read_record
from tracking.import_rows import COLUMNS, ImportDefaults, Problem, Row
from tracking.route_changes import Changed

__all__ = [
    "COLUMNS",
    "ImportDefaults",
    "ImportPreview",
    "ImportResult",
    "ParsedFile",
    "Problem",
    "Row",
    "apply",
    "parse_csv",
    "parse_json",
    "preview",
]


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The rows read, and everything wrong with them. With a problem the rows must not be applied."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]

    @property
    def is_good(self) -> bool:
        """True when there is nothing wrong with any row."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did: ``preview`` is what was found to do, ``changed`` which ids it touched."""

    preview: ImportPreview
    changed: Changed

    def facts(self) -> list[Fact]:
        """Return what to publish after commit."""
        return self.changed.facts()


def parse_csv(data: bytes, defaults: ImportDefaults) -> ParsedFile:
    """Return the rows of a route file with the header of DESIGN 10, and every problem by line and column."""
    rows, problems = parse_lines(data, defaults)
    return ParsedFile(tuple(rows), tuple(problems))


def parse_json(payload: Any, defaults: ImportDefaults) -> ParsedFile:
    """Return the rows of a JSON document as loaded, and every problem, its path as the column."""
    rows, problems = parse_payload(payload, defaults)
    return ParsedFile(tuple(rows), tuple(problems))


def preview(session: Session, rows: Sequence[Row]) -> ImportPreview:
    """Return what ``apply`` would do, changing nothing."""
    return compare(read_record(session, rows), rows)


def apply(
    session: Session, rows: Sequence[Row], *, now: datetime, actor: Actor, ids: Callable[[], str]
) -> ImportResult:
    """Add what is new and change what differs, all in the caller's transaction; the same rows again do nothing.

    What staff changed since the last import stays, unless the file itself says something new about it.
    """
    application = Application(session, rows, now=now, actor=actor, ids=ids)
    return ImportResult(application.preview, application.run())
