"""The recipient's pages: where it is, when it comes, and a word with the driver."""

from portal.recipient import pages, posts, unsubscribing, wishing
from portal.recipient.shell import blueprint

__all__ = ["blueprint", "pages", "posts", "unsubscribing", "wishing"]
