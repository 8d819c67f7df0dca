"""The staff pages: one module a page, all on one blueprint."""

from portal.staff import cases, conversation, fleet, imports, inbox, login, people, tasks, today
from portal.staff.shell import blueprint

__all__ = ["blueprint", "cases", "conversation", "fleet", "imports", "inbox", "login", "people", "tasks", "today"]
