"""The driver's pages: one shift on one phone, with one thumb."""

from portal.driver import chatting, driving, landing, news, pages, phone_app, refusals, steps
from portal.driver.routing import blueprint

__all__ = ["blueprint", "chatting", "driving", "landing", "news", "pages", "phone_app", "refusals", "steps"]
