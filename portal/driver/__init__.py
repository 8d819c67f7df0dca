"""The driver's pages: one shift on one phone, with one thumb."""

from portal.driver import chatting, landing, news, pages, refusals, steps
from portal.driver.routing import blueprint

__all__ = ["blueprint", "chatting", "landing", "news", "pages", "refusals", "steps"]
