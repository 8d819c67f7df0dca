"""What a phone sees of a page: its forms, its links, the attributes of its body. Read with the standard parser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit


@dataclass
class Form:
    """One form. ``name`` is its ``data-form``, or the last word of its address.

    ``fields`` are what it sends when nobody touches it.
    """

    name: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    has_file: bool = False


@dataclass
class Page:
    """One page as it arrived. ``stops`` are the addresses of links marked ``data-stop``, by stop id, in page order."""

    url: str
    status: int
    body: dict[str, str]
    forms: list[Form]
    stops: dict[str, str]
    text: str

    def form(self, name: str) -> Form | None:
        """Return the first form of that name."""
        return next((form for form in self.forms if form.name == name), None)


def read_page(*, url: str, status: int, html: str) -> Page:
    """Return what ``html`` holds. Broken markup gives fewer forms, never an error."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Page(url, status, reader.body, reader.forms, reader.stops, " ".join("".join(reader.text).split()))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.body: dict[str, str] = {}
        self.forms: list[Form] = []
        self.stops: dict[str, str] = {}
        self.text: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._textarea = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "body":
            self.body = given
        elif tag == "form":
            self._form = Form(given.get("data-form") or _last_word(given.get("action", "")), given.get("action", ""))
            self.forms.append(self._form)
        elif tag == "a" and "data-stop" in given:
            self.stops.setdefault(given["data-stop"], given.get("href", ""))
        elif tag in {"script", "style"}:
            self._silent += 1
        elif self._form is not None:
            self._read_control(self._form, tag, given)

    def _read_control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if tag == "input" and name:
            self._read_input(form, name, given)
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            value = given.get("value", "")
            form.choices.setdefault(self._select, []).append(value)
            if "selected" in given or self._select not in form.fields:
                form.fields[self._select] = value
        elif tag == "textarea" and name:
            self._textarea = name
            form.fields[name] = ""

    def _read_input(self, form: Form, name: str, given: dict[str, str]) -> None:
        match given.get("type", "text"):
            case "file":
                form.has_file = True
            case "radio":
                form.choices.setdefault(name, []).append(given.get("value", "on"))
                if "checked" in given:
                    form.fields[name] = given.get("value", "on")
            case "checkbox":
                if "checked" in given:
                    form.fields[name] = given.get("value", "on")
            case "submit" | "button" | "image" | "reset":
                return
            case _:
                form.fields[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._form = None
            case "select":
                self._select = ""
            case "textarea":
                self._textarea = ""
            case "script" | "style":
                self._silent = max(0, self._silent - 1)
            case _:
                return

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._textarea:
            self._form.fields[self._textarea] += data
        elif not self._silent:
            self.text.append(data)


def _last_word(action: str) -> str:
    return urlsplit(action).path.rstrip("/").rsplit("/", 1)[-1]
