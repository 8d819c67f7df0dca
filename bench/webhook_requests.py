"""A webhook's request as it comes over the wire, and Twilio's signature over it."""

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

PUBLIC_URL = "https://track.example.com"
OLD, CURRENT = "twilio-token-old", "twilio-token-current"
ACCOUNT = "AC" + "0" * 32
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it comes over the wire; ``length`` is what it says of its body."""

    path: str
    query: str
    body: bytes
    method: str = "POST"
    content_type: str | None = FORM
    headers: dict[str, str] = field(default_factory=dict)
    length: str | None = None

    @property
    def url(self) -> str:
        """The address Twilio would have signed."""
        return f"{PUBLIC_URL}{self.path}{'?' if self.query else ''}{self.query}"

    def signed(self, token: str = CURRENT, url: str | None = None) -> "Request":
        """Return this request signed over what its body says."""
        said: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True):
            said.setdefault(name, []).append(value)
        fields = {name: values if len(values) > 1 else values[0] for name, values in said.items()}
        try:
            signature = RequestValidator(token).compute_signature(url or self.url, fields)
        except (ValueError, TypeError):
            signature = "unsignable"
        return replace(self, headers={**self.headers, "X-Twilio-Signature": signature})
