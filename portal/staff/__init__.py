"""The staff pages: one module a page, all on one blueprint."""

from portal.staff import conversation, fleet, inbox, login, today
from portal.staff.shell import blueprint

__all__ = ["blueprint", "conversation", "fleet", "inbox", "login", "today"]
