"""The API's blueprint: who may come in, and how what is refused is said."""

import hashlib
from typing import cast

from flask import Blueprint, Response, current_app, g, request
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, Unauthorized

from portal.accounts import live_api_key
from portal.api.answers import LARGEST_BODY, PROBLEM_TYPE, Refused, problem, troubles
from portal.guards import limiter
from portal.services import services
from tracking.actors import Actor, ActorKind
from tracking.errors import NotFound, TrackingError, WrongMove

PREFIX = "/api/v1"
OPEN_ENDPOINTS = frozenset({"api.openapi"})
# Ten a second for each key: a poll of every truck, not a flood (our choice).
RATE = "600/minute"

blueprint = Blueprint("api", __name__, url_prefix=PREFIX)


def _caller() -> str:
    """Return what calls are counted by: the key as sent, hashed, else the address."""
    sent = request.headers.get("Authorization", request.remote_addr or "")
    return hashlib.sha256(sent.encode()).hexdigest()[:32]


limiter.limit(RATE, key_func=_caller)(blueprint)


@blueprint.before_request
def admit() -> None:
    """Let in who bears a live key; raises 401. Bodies over 2 MB are refused with 413 when they are read."""
    request.max_content_length = LARGEST_BODY
    if request.endpoint in OPEN_ENDPOINTS:
        return
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        with services().database.reading() as session:
            row = live_api_key(session, key.strip())
        if row is not None:
            g.api_key_id = row.id
            return
    raise Unauthorized("Send a live API key: Authorization: Bearer pk_...")


def api_key_id() -> str:
    """Return the id of the key this request bears."""
    return cast(str, g.api_key_id)


def caller() -> Actor:
    """Return who asks, as an actor."""
    return Actor(ActorKind.API, api_key_id())


@blueprint.errorhandler(Refused)
def refused(error: Refused) -> Response:
    """What the API itself refuses."""
    return problem(error.status, error.detail, error.problems)


@blueprint.errorhandler(ValidationError)
def invalid(error: ValidationError) -> Response:
    """What does not have the shape it must have."""
    return problem(422, "Something in what was sent is missing or wrong.", troubles(error))


@blueprint.errorhandler(NotFound)
def not_found(error: NotFound) -> Response:
    """Nothing has this id."""
    return problem(404, str(error))


@blueprint.errorhandler(WrongMove)
def wrong_move(error: WrongMove) -> Response:
    """The state does not allow it."""
    return problem(409, str(error))


@blueprint.errorhandler(TrackingError)
def senseless(error: TrackingError) -> Response:
    """What makes no sense whatever the state."""
    return problem(422, str(error))


@blueprint.errorhandler(OperationalError)
def away(error: OperationalError) -> Response:
    """The database is away or too busy: the same request may come again."""
    current_app.logger.warning("database away: %s", type(error.orig).__name__)
    response = problem(503, "Not now. Please send it again in a few seconds.")
    response.headers["Retry-After"] = "5"
    return response


@blueprint.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    """What Flask refuses."""
    response = problem(error.code or 500, error.description or "")
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@blueprint.after_app_request
def say_it_as_json(response: Response) -> Response:
    """Give every refusal under the prefix the one shape, also those made outside of this blueprint."""
    is_ours = request.path.startswith("/api/")
    if not is_ours or response.status_code < 400 or response.mimetype == PROBLEM_TYPE:
        return response
    said = problem(response.status_code)
    response.set_data(said.get_data())
    response.content_type = PROBLEM_TYPE
    return response
