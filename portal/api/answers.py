"""Answers of the HTTP API: JSON, and for everything refused one shape (RFC 9457)."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Request, Response
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from portal.api.shapes import Problem, Trouble

LARGEST_BODY = 2 * 1024 * 1024  # bytes; a route of 150 stops takes about 60 kB
PROBLEM_TYPE = "application/problem+json"
MOST_TROUBLES = 1000  # named in one answer


class Refused(Exception):
    """A request that cannot be done, with all that is wrong with it."""

    def __init__(self, status: int, detail: str, problems: Sequence[Trouble] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.problems = tuple(problems)


def told(model: BaseModel, status: int = 200) -> Response:
    """Return ``model`` as JSON."""
    return Response(model.model_dump_json(), status, content_type="application/json")


def problem(status: int, detail: str = "", problems: Sequence[Trouble] = ()) -> Response:
    """Return a problem. ``detail`` is a sentence for people."""
    title = HTTPStatus(status).phrase
    if len(problems) > MOST_TROUBLES:
        detail = f"{detail} The first {MOST_TROUBLES} of {len(problems)} are named.".strip()
    shown = Problem(title=title, status=status, detail=detail, problems=list(problems[:MOST_TROUBLES]))
    return Response(shown.model_dump_json(), status, content_type=PROBLEM_TYPE)


def body_of(request: Request) -> Any:
    """Return the request's JSON; raises 413, 415 or 400 with a sentence. NaN and Infinity are no JSON."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send application/json.")
    data = request.get_data(cache=True)
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON.") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def troubles(error: ValidationError) -> list[Trouble]:
    """Return what pydantic found, by path."""
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        path = ""
        for step in each["loc"]:
            path += f"[{step}]" if isinstance(step, int) else f".{step}"
        found.append(Trouble(path=path.lstrip(".") or "(document)", reason=each["msg"]))
    return found
