"""The staff pages: one module a page, all on one blueprint."""

from portal.staff import fleet, login, today
from portal.staff.shell import blueprint

__all__ = ["blueprint", "fleet", "login", "today"]
