"""The blueprint of the driver's pages; the modules beside this one put their views on it."""

from flask import Blueprint

blueprint = Blueprint("driver", __name__, url_prefix="/d")
