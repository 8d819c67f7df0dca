"""The rules of a message: on or off, when it comes and its quiet hours; what is not sent yet follows within seconds."""

from typing import Any

from flask import flash, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.errors import MessagingError
from messaging.kinds import Channel, Kind
from messaging.message_rules import on_since, rules_from
from messaging.message_versions import add_version, newest, rules_part
from messaging.schedule import PLANNED_KINDS
from portal.accounts import Role
from portal.htmx import htmx
from portal.services import services
from portal.staff.message_forms import change_of, kind_of, message_page, old_version, restore, saved
from portal.staff.rule_form import TypedRules, rule_form, typed_rules
from portal.staff.shell import blueprint, note_view, refused, requires
from tracking.errors import NotFound


@blueprint.post("/messages/<kind_name>/rules")
@requires(Role.ADMIN)
def message_rules(kind_name: str) -> ResponseReturnValue:
    """Keep new rules of a kind; what is not sent yet follows them."""
    mine, kind = services(), kind_of(kind_name)
    part, typed = rules_part(kind), typed_rules(kind, request.form)
    if typed.rules is None:
        return _again(kind, typed, typed.problem), 422
    try:
        with mine.database.writing() as session:
            since = on_since(kind, _kept(session, kind), typed.rules, mine.clock.now())
            add_version(session, part, typed.rules.content(since), change_of(), needs_spreading=True)
            note_view(session, "save", "message", part, mine.clock.now())
    except MessagingError as error:
        return _again(kind, typed, str(error)), 409
    mine.wake.reconcile()
    return saved("staff.message", "staff.message_rules_restore", kind_name=kind.value)


@blueprint.post("/messages/<kind_name>/rules/preview")
@requires(Role.ADMIN)
def message_rules_preview(kind_name: str) -> ResponseReturnValue:
    """Say in words what the rules being typed would mean; nothing is kept."""
    kind = _planned(kind_name)
    typed = typed_rules(kind, request.form)
    if not htmx:
        return _again(kind, typed, typed.problem)
    form = rule_form(kind, rules_from(kind, {}), 0, typed)
    return render_template("staff/_rule_meaning.html", rules=form)


@blueprint.post("/messages/<kind_name>/rules/restore")
@requires(Role.ADMIN)
def message_rules_restore(kind_name: str) -> ResponseReturnValue:
    """Go back to older rules, or to the usual ones."""
    kind = _planned(kind_name)
    part = rules_part(kind)

    def content(session: Session) -> dict[str, Any]:
        found = old_version(session, part)
        rules = rules_from(kind, found)
        since = on_since(kind, _kept(session, kind), rules, services().clock.now())
        return found if not found and since is None else rules.content(since)

    problem = restore(part, content, needs_spreading=True)
    if problem:
        return refused("staff.message", problem, kind_name=kind, _anchor="rules")
    services().wake.reconcile()
    return saved("staff.message", "staff.message_rules_restore", kind_name=kind.value)


def _planned(kind_name: str) -> Kind:
    """Return a kind that has rules; raises ``NotFound``."""
    kind = kind_of(kind_name)
    if kind not in PLANNED_KINDS:
        raise NotFound("rules", kind_name)
    return kind


def _again(kind: Kind, typed: TypedRules, problem: str) -> str:
    """Return the page with what was typed, and at its top what is wrong with it."""
    if problem:
        flash(problem, "refused")
    return message_page(kind, Channel.SMS, "en", rules=typed)


def _kept(session: Session, kind: Kind) -> dict[str, Any]:
    """Return the rules in force as they are kept; empty for the usual ones."""
    found = newest(session).get(rules_part(kind))
    return {} if found is None else dict(found.content)
