"""The addresses of a link's own pages, made without Flask: a test compares each with Flask's."""

from dataclasses import dataclass

# By the name of the view in this package.
PATHS = {
    "track": "",
    "status": "/status",
    "chat": "/chat",
    "place": "/place",
    "messages": "/messages",
    "rating": "/rating",
    "proof": "/proof/{proof_id}",
    "picture": "/picture/{picture_id}",
    "write": "/messages",
    "leave_note": "/note",
    "give_rating": "/rating",
    "seen": "/seen",
    "ask_wish": "/wish",
    "take_wish_back": "/wish/back",
    "be_late": "/late",
    "ask_call": "/call",
}


@dataclass(frozen=True, slots=True)
class Here:
    """A true token, and the language that was chosen on the page, if one was."""

    token: str
    language: str | None

    def url(self, view: str, **values: str) -> str:
        """Return the address of another of this link's pages, in the same language."""
        query = f"?lang={self.language}" if self.language else ""
        return f"/t/{self.token}{PATHS[view].format(**values)}{query}"
