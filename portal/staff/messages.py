"""Messages: what goes out by itself, when and in which words; admins change it, and every version is kept."""

from typing import Any

from flask import flash, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.errors import MessagingError
from messaging.kinds import Channel, Kind
from messaging.message_versions import add_version, newest, text_part
from messaging.text_judge import Judged, judge, tidied
from messaging.texts import Source
from messaging.trials import send_trial
from portal.accounts import Role
from portal.htmx import htmx
from portal.services import services
from portal.staff.message_forms import (
    Unfit,
    change_of,
    kind_of,
    message_page,
    old_version,
    restore,
    saved,
    text_of,
)
from portal.staff.message_list import away_min, groups_of
from portal.staff.message_views import company, preview_of
from portal.staff.shell import blueprint, me, note_view, refused, requires
from tracking.ids import new_id
from tracking.recipients import normal_email, normal_phone

_TEXT = "/messages/<kind_name>/<channel_name>/<language>"


@blueprint.get("/messages")
@requires(Role.AGENT)
def messages() -> ResponseReturnValue:
    """List every kind of message."""
    with services().database.reading() as session:
        return render_template("staff/messages.html", groups=groups_of(session))


@blueprint.get("/messages/<kind_name>")
@requires(Role.AGENT)
def message(kind_name: str) -> ResponseReturnValue:
    """Show one kind, with its text message in English."""
    return message_page(kind_of(kind_name), Channel.SMS, "en")


@blueprint.get(_TEXT)
@requires(Role.AGENT)
def message_text(kind_name: str, channel_name: str, language: str) -> ResponseReturnValue:
    """Show one of a kind's texts."""
    return message_page(*text_of(kind_name, channel_name, language))


@blueprint.post(f"{_TEXT}/preview")
@requires(Role.ADMIN)
def message_preview(kind_name: str, channel_name: str, language: str) -> ResponseReturnValue:
    """Show what is being typed; nothing is kept."""
    kind, channel, language = text_of(kind_name, channel_name, language)
    typed = _typed()
    if htmx:
        preview = preview_of(kind, channel, language, typed, away_min=_away_min(kind))
        return render_template("staff/_message_preview.html", preview=preview)
    return message_page(kind, channel, language, typed=typed)


@blueprint.post(f"{_TEXT}/save")
@requires(Role.ADMIN)
def message_save(kind_name: str, channel_name: str, language: str) -> ResponseReturnValue:
    """Keep a new version of a text, unless there is a reason against it."""
    mine = services()
    kind, channel, language = text_of(kind_name, channel_name, language)
    typed = _typed()
    if _judged(kind, channel, language, typed, _away_min(kind)).problems:
        return message_page(kind, channel, language, typed=typed), 422
    part = text_part(kind, channel, language)
    content = {"subject": typed.subject, "body": typed.body}
    try:
        with mine.database.writing() as session:
            add_version(session, part, content, change_of())
            note_view(session, "save", "message", part, mine.clock.now())
    except MessagingError as error:
        return message_page(kind, channel, language, typed=typed, problem=str(error), is_overtaken=True), 409
    return saved("staff.message_text", "staff.message_restore", **_here(kind, channel, language))


@blueprint.post(f"{_TEXT}/restore")
@requires(Role.ADMIN)
def message_restore(kind_name: str, channel_name: str, language: str) -> ResponseReturnValue:
    """Go back to an older version of a text, or to the shipped one: that is a new version too."""
    kind, channel, language = text_of(kind_name, channel_name, language)
    part = text_part(kind, channel, language)

    def content(session: Session) -> dict[str, Any]:
        found = old_version(session, part)
        source = Source(found.get("subject", ""), found.get("body", ""))
        if found and _judged(kind, channel, language, source, away_min(kind, newest(session))).problems:
            raise Unfit
        return found

    problem = restore(part, content, needs_spreading=False)
    if problem:
        return refused("staff.message_text", problem, **_here(kind, channel, language))
    return saved("staff.message_text", "staff.message_restore", **_here(kind, channel, language))


@blueprint.post(f"{_TEXT}/send")
@requires(Role.ADMIN)
def message_send(kind_name: str, channel_name: str, language: str) -> ResponseReturnValue:
    """Send what is being typed to the staff member's own phone or mailbox, with made-up words."""
    mine = services()
    kind, channel, language = text_of(kind_name, channel_name, language)
    typed, now = _typed(), mine.clock.now()
    if _judged(kind, channel, language, typed, _away_min(kind)).problems:
        return message_page(kind, channel, language, typed=typed), 422
    try:
        to = _address(channel)
        with mine.database.writing() as session:
            send_trial(
                session,
                kind=kind,
                channel=channel,
                language=language,
                source=typed,
                to_address=to,
                staff_id=me().id,
                company=company(),
                now=now,
                ids=new_id,
                away_min=away_min(kind, newest(session)),
            )
            note_view(session, "trial", "message", text_part(kind, channel, language), now)
    except (MessagingError, ValueError) as error:
        return message_page(kind, channel, language, typed=typed, problem=str(error)), 422
    mine.wake.send(channel)
    flash(f"It goes to {to} now. The link in it is made up.", "done")
    return message_page(kind, channel, language, typed=typed)


def _here(kind: Kind, channel: Channel, language: str) -> dict[str, str]:
    return {"kind_name": kind.value, "channel_name": channel.value, "language": language}


def _judged(kind: Kind, channel: Channel, language: str, source: Source, minutes: int) -> Judged:
    price = services().settings.price_per_segment
    return judge(kind, channel, language, source, company=company(), price=price, away_min=minutes)


def _away_min(kind: Kind) -> int:
    with services().database.reading() as session:
        return away_min(kind, newest(session))


def _typed() -> Source:
    return tidied(request.form.get("subject", ""), request.form.get("body", ""))


def _address(channel: Channel) -> str:
    """Return where a trial goes; raises ``ValueError`` with a sentence."""
    told = request.form.get("to", "").strip()
    if not told:
        raise ValueError("Type where it should go.")
    if channel is Channel.EMAIL:
        return normal_email(told)
    try:
        return normal_phone(told, services().settings.default_region)
    except ValueError as error:
        raise ValueError(f"The phone number {error}.") from None
