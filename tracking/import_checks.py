"""What must agree between the rows of one file: each key once, one route one truck, one sequence one place."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from tracking.import_rows import Problem, Row

ROUTE_FIELDS = ("depot", "planned_start", "driver_phone", "vehicle")
STOP_FIELDS = ("address", "lat", "lon")


def cross_checks(rows: Sequence[Row]) -> list[Problem]:
    """Return each row's conflicts with an earlier row, naming both."""
    problems: list[Problem] = []
    keys: dict[Hashable, Row] = {}
    for row in rows:
        first = keys.setdefault(row.key, row)
        if first is not row:
            reason = f"{row.reference} is already in route {row.route} of {row.service_on}, at {first.origin}"
            problems.append(row.origin.problem("reference", reason))
    problems += _conflicts(rows, "route", ROUTE_FIELDS)
    problems += _conflicts(rows, "stop", STOP_FIELDS)
    problems += _conflicts(rows, "depot", ("depot_lat", "depot_lon"))
    problems += _conflicts(rows, "driver", ("driver",))
    return problems


def _conflicts(rows: Iterable[Row], kind: str, fields: Sequence[str]) -> list[Problem]:
    """Return a problem for each of ``fields`` that differs from the first row of the same ``kind``."""
    problems = []
    firsts: dict[Hashable, Row] = {}
    for row in rows:
        first = firsts.setdefault(_identity(row, kind), row)
        for column in fields:
            told, wanted = getattr(row, column), getattr(first, column)
            if told != wanted:
                reason = f"{_shown(told)} differs from {_shown(wanted)} at {first.origin}, for {_name(row, kind)}"
                problems.append(row.origin.problem(column, reason))
    return problems


def _identity(row: Row, kind: str) -> Hashable:
    if kind == "depot":
        return row.depot
    if kind == "driver":
        return row.driver_phone
    return (row.service_on, row.route, row.sequence if kind == "stop" else None)


def _name(row: Row, kind: str) -> str:
    names = {
        "depot": "the same depot",
        "driver": "the same driver's phone",
        "route": f"route {row.route}",
        "stop": f"stop {row.sequence} of route {row.route}",
    }
    return names[kind]


def _shown(value: Any) -> str:
    return value.strftime("%H:%M") if hasattr(value, "strftime") else str(value) or "nothing"
