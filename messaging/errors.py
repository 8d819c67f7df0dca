"""The base of what this package refuses."""


class MessagingError(Exception):
    """Something about messages could not be done. ``str(error)`` is a sentence for people."""
