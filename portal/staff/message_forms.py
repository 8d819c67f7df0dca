"""What the forms of messages share: which text is meant, its page, who changes it, and going back."""

from collections.abc import Callable
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.errors import MessagingError
from messaging.kinds import Channel, Kind
from messaging.message_versions import Change, add_version, version
from messaging.texts import Source, languages
from portal.services import services
from portal.staff.message_views import page_of
from portal.staff.rule_form import TypedRules
from portal.staff.shell import done, me, note_view, offer_undo
from tracking.errors import NotFound


class Unfit(MessagingError):
    """An older text would be refused today."""

    def __init__(self) -> None:
        super().__init__("That version would be refused today: a word in it is gone, or it is too long.")


def kind_of(name: str) -> Kind:
    """Return the kind of this name; raises ``NotFound``."""
    try:
        return Kind(name)
    except ValueError:
        raise NotFound("message", name) from None


def text_of(kind_name: str, channel_name: str, language: str) -> tuple[Kind, Channel, str]:
    """Return which text is meant; raises ``NotFound``."""
    if channel_name not in set(Channel) or language not in languages():
        raise NotFound("message", kind_name)
    return kind_of(kind_name), Channel(channel_name), language


def message_page(
    kind: Kind,
    channel: Channel,
    language: str,
    *,
    typed: Source | None = None,
    rules: TypedRules | None = None,
    problem: str = "",
    is_overtaken: bool = False,
) -> str:
    """Return the page of one text, with what was typed when something was.

    ``is_overtaken``: they now see what somebody else saved, so that saving once more is meant.
    """
    mine = services()
    seen = request.form.get("seen", "")
    keeps_seen = typed is not None and not is_overtaken
    with mine.database.reading() as session:
        page = page_of(
            session,
            kind,
            channel,
            language,
            mine.clock.now(),
            typed=typed,
            typed_rules=rules,
            seen=_number(seen) if keeps_seen else None,
        )
    return render_template(
        "staff/message.html",
        page=page,
        problem=problem,
        to=request.form.get("to") or (me().email if channel is Channel.EMAIL else ""),
        can_edit=me().may("admin"),
        why="" if typed is None else request.form.get("why", ""),
    )


def change_of() -> Change:
    """Return who changes, when, why, and the version they looked at."""
    seen = request.form.get("seen", "")
    return Change(_number(seen), me().id, services().clock.now(), request.form.get("why", ""))


def old_version(session: Session, part: str) -> dict[str, Any]:
    """Return the version the form names, empty for the shipped one; raises ``NotFound``."""
    number = request.form.get("number", "")
    found = version(session, part, _number(number))
    if found is None:
        raise NotFound("version", number)
    return dict(found)


def restore(part: str, content: Callable[[Session], dict[str, Any]], *, needs_spreading: bool) -> str:
    """Add an older version as the newest; return why not, or nothing."""
    mine, number = services(), request.form.get("number", "")
    now = mine.clock.now()
    why = "back to the shipped one" if number == "0" else f"back to version {number}"
    try:
        with mine.database.writing() as session:
            change = Change(_number(request.form.get("seen", "")), me().id, now, why)
            add_version(session, part, content(session), change, needs_spreading=needs_spreading)
            note_view(session, "restore", "message", part, now)
    except MessagingError as error:
        return str(error)
    return ""


def saved(endpoint: str, undo: str, **here: Any) -> ResponseReturnValue:
    """Say that it holds, with an undo: the version before is one step back."""
    seen = _number(request.form.get("seen", ""))
    offer_undo(
        "Saved. It holds for everything that has not gone out yet.",
        action=url_for(undo, **here),
        fields={"number": str(seen), "seen": str(seen + 1)},
    )
    return done(endpoint, **here)


def _number(told: str) -> int:
    """Return a version's number; one that nothing has where the form was made up."""
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 9 else -1
