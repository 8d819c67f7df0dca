"""What staff decide about chats: quick replies in every language, and the rules for who is not home."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.errors import MessagingError
from messaging.house_rules import MOST_DAYS, HouseRules, house_rules, save_rules
from messaging.quick_replies import (
    LANGUAGES,
    LONGEST,
    MOST,
    Audience,
    QuickReply,
    quick_replies,
    save_replies,
)
from portal.accounts import Role
from portal.i18n import endonym
from portal.services import services
from portal.staff.shell import blueprint, done, me, note_view, offer_undo, requires

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = {
    Audience.RECIPIENT_NEAR: "Recipients, when the driver is next or at the door",
    Audience.RECIPIENT: "Recipients, earlier that day",
    Audience.DRIVER: "Drivers",
}


@dataclass(frozen=True, slots=True)
class RepliesView:
    """The replies of one audience as rows of texts, one a language, with an empty row to add one."""

    audience: str
    title: str
    rows: tuple[tuple[str, ...], ...]
    problem: str = ""


@blueprint.get("/chat-settings")
@requires(Role.DISPATCHER)
def chat_settings() -> ResponseReturnValue:
    """Show quick replies and the rules."""
    with services().database.reading() as session:
        return _page(session)


@blueprint.post("/chat-settings/replies/<any('recipient_near', 'recipient', 'driver'):audience>")
@requires(Role.DISPATCHER)
def save_quick_replies(audience: str) -> ResponseReturnValue:
    """Save the replies of one audience as a new version; the one before can be brought back on the next page."""
    mine, wanted = services(), Audience(audience)
    typed = _typed()
    try:
        with mine.database.writing() as session:
            before = quick_replies(session, wanted)
            save_replies(session, wanted, typed, staff_id=me().id, now=mine.clock.now())
            note_view(session, "save_replies", "chat_settings", audience, mine.clock.now())
    except MessagingError as error:
        rows = tuple(tuple(reply[language] for language in LANGUAGES) for reply in typed)
        with mine.database.reading() as session:
            return _page(session, refused=RepliesView(audience, _NAMES[wanted], _padded(rows), str(error))), 422
    if request.form.get("undone") != "yes":
        action = url_for("staff.save_quick_replies", audience=audience)
        offer_undo("Saved. People see it on their next page.", action=action, fields=_fields(before))
    return done("staff.chat_settings", _anchor=audience)


@blueprint.post("/chat-settings/rules")
@requires(Role.DISPATCHER)
def save_house_rules() -> ResponseReturnValue:
    """Save the rules for who is not home as a new version."""
    mine = services()
    days = tuple(number for number in range(7) if request.form.get(f"day{number}") == "yes")
    offered = request.form.get("days_offered", type=int) or 0
    rules = HouseRules(request.form.get("accepts_safe_place") == "yes", days, offered)
    try:
        with mine.database.writing() as session:
            before = house_rules(session)
            save_rules(session, rules, staff_id=me().id, now=mine.clock.now())
            note_view(session, "save_rules", "chat_settings", "rules", mine.clock.now())
    except MessagingError as error:
        with mine.database.reading() as session:
            return _page(session, rules=rules, problem=str(error)), 422
    if request.form.get("undone") != "yes":
        fields = {f"day{number}": "yes" for number in before.delivery_days}
        fields |= {"days_offered": str(before.days_offered), "undone": "yes"}
        fields |= {"accepts_safe_place": "yes"} if before.accepts_safe_place else {}
        offer_undo("Saved.", action=url_for("staff.save_house_rules"), fields=fields)
    return done("staff.chat_settings", _anchor="rules")


def _page(
    session: Session, *, refused: RepliesView | None = None, rules: HouseRules | None = None, problem: str = ""
) -> str:
    return render_template(
        "staff/chat_settings.html",
        audiences=[
            refused if refused and refused.audience == audience.value else _view(session, audience)
            for audience in Audience
        ],
        languages=[(language, endonym(language)) for language in LANGUAGES],
        longest=LONGEST,
        rules=rules or house_rules(session),
        weekdays=WEEKDAYS,
        most_days=MOST_DAYS,
        problem=problem,
    )


def _view(session: Session, audience: Audience) -> RepliesView:
    rows = tuple(tuple(reply.texts[language] for language in LANGUAGES) for reply in quick_replies(session, audience))
    return RepliesView(audience.value, _NAMES[audience], _padded(rows))


def _padded(rows: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Return the rows with an empty one at the end, while there is room for more."""
    return (*rows, ("",) * len(LANGUAGES)) if len(rows) < MOST else rows


def _typed() -> list[dict[str, str]]:
    columns = [_column(language) for language in LANGUAGES]
    return [
        {
            language: column[number] if number < len(column) else ""
            for language, column in zip(LANGUAGES, columns, strict=True)
        }
        for number in range(min(MOST + 1, max((len(column) for column in columns), default=0)))
    ]


def _column(language: str) -> list[str]:
    """Return the texts of one language: one field each, or one field with a text a line from the undo's button."""
    lines = request.form.get(f"{language}_lines")
    return request.form.getlist(language) if lines is None else lines.splitlines()


def _fields(replies: Sequence[QuickReply]) -> dict[str, str]:
    """Return what a button posts to bring these back: all texts of a language in one field a line."""
    return {f"{language}_lines": "\n".join(reply.texts[language] for reply in replies) for language in LANGUAGES} | {
        "undone": "yes"
    }
