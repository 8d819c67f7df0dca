"""The recipient's pages."""

from flask import Blueprint

blueprint = Blueprint("recipient", __name__)
