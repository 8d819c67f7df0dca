"""The driver's pages: one shift on a phone, with one thumb."""

from flask import Blueprint

blueprint = Blueprint("driver", __name__, url_prefix="/d")
