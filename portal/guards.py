"""Rate limits and CSRF tokens: the two extensions that blueprints decorate their views with."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect

limiter = Limiter(get_remote_address)  # views that act for a link or an account limit by its id instead
csrf = CSRFProtect()  # checked in the staff blueprint's before_request only: `csrf.protect()`
