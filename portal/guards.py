"""Rate limits and CSRF tokens: the two extensions that blueprints decorate their views with."""

from flask import request
from flask_limiter import Limiter
from flask_wtf import CSRFProtect

from portal.addresses import neighbourhood


def _caller() -> str:
    return neighbourhood(request.remote_addr)


limiter = Limiter(_caller)  # views that act for a link or an account limit by its id instead
csrf = CSRFProtect()  # checked in the staff blueprint's before_request only: `csrf.protect()`
