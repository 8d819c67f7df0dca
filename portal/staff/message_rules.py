"""The rules of a message: on or off, its hour and its quiet hours; what is not sent yet follows within seconds."""

from datetime import time
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.errors import MessagingError
from messaging.hours import Quiet
from messaging.kinds import Kind
from messaging.message_rules import BadRule, KindRules, checked, on_since, rules_from
from messaging.message_versions import add_version, newest, rules_part
from messaging.schedule import PLANNED_KINDS
from portal.accounts import Role
from portal.services import services
from portal.staff.message_forms import change_of, kind_of, old_version, restore, saved
from portal.staff.shell import blueprint, note_view, refused, requires
from tracking.errors import NotFound


@blueprint.post("/messages/<kind_name>/rules")
@requires(Role.ADMIN)
def message_rules(kind_name: str) -> ResponseReturnValue:
    """Keep new rules of a kind; what is not sent yet follows them."""
    mine, kind = services(), kind_of(kind_name)
    part = rules_part(kind)
    try:
        wanted = checked(kind, _rules_typed())
        with mine.database.writing() as session:
            since = on_since(kind, _kept(session, kind), wanted, mine.clock.now())
            add_version(session, part, wanted.content(since), change_of(), needs_spreading=True)
            note_view(session, "save", "message", part, mine.clock.now())
    except MessagingError as error:
        return refused("staff.message", str(error), kind_name=kind, _anchor="rules")
    mine.wake.reconcile()
    return saved("staff.message", "staff.message_rules_restore", kind_name=kind.value)


@blueprint.post("/messages/<kind_name>/rules/restore")
@requires(Role.ADMIN)
def message_rules_restore(kind_name: str) -> ResponseReturnValue:
    """Go back to older rules, or to the usual ones."""
    kind = kind_of(kind_name)
    if kind not in PLANNED_KINDS:
        raise NotFound("rules", kind_name)
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


def _kept(session: Session, kind: Kind) -> dict[str, Any]:
    """Return the rules in force as they are kept; empty for the usual ones."""
    found = newest(session).get(rules_part(kind))
    return {} if found is None else dict(found.content)


def _rules_typed() -> KindRules:
    """Return the rules as they were typed; raises ``BadRule``."""
    form = request.form
    since, until = _time("quiet_since"), _time("quiet_until")
    if (since is None) != (until is None):
        raise BadRule("Quiet hours need a beginning and an end.")
    days = form.get("days_before", "")
    return KindRules(
        is_on=form.get("is_on") == "yes",
        at=_time("at"),
        days_before=int(days) if days.isascii() and days.isdecimal() else None,
        quiet=None if since is None or until is None else Quiet(since, until),
    )


def _time(name: str) -> time | None:
    told = request.form.get(name, "").strip()
    if not told:
        return None
    try:
        return time.fromisoformat(told).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        raise BadRule("Write an hour as 18:00.") from None
