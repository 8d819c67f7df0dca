"""Rate limits and CSRF tokens: the two extensions that blueprints decorate their views with."""

from flask import Response, request
from flask_limiter import Limiter
from flask_wtf import CSRFProtect

from portal.addresses import neighbourhood


def is_counted(response: Response) -> bool:
    """Tell whether a request counts against its sender: not when the failure was ours, for they have to try again."""
    return response.status_code < 500


def _caller() -> str:
    return neighbourhood(request.remote_addr)


limiter = Limiter(_caller)  # views that act for a link or an account limit by its id instead
csrf = CSRFProtect()  # checked in the staff blueprint's before_request only: `csrf.protect()`
