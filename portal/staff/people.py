"""People and machines with access: staff accounts and API keys, for admins; and everybody's own account."""

from collections.abc import Callable
from datetime import datetime

from flask import render_template, request, session
from flask.typing import ResponseReturnValue
from flask_login import logout_user
from sqlalchemy.orm import Session

from portal import accounts, passwords
from portal.accounts import AccountRefused, Role, StaffAccount
from portal.services import services
from portal.staff import words
from portal.staff.own_password import password_problem
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, me, note_view, refused, requires
from tracking.facts import login_ended, publish
from tracking.ids import new_id

ROLES = (
    (Role.AGENT, "Agent: conversations, cases and tasks"),
    (Role.DISPATCHER, "Dispatcher: and changes of the day, import"),
    (Role.ADMIN, "Admin: and people and keys"),
)


@blueprint.get("/people")
@requires(Role.ADMIN)
def people() -> ResponseReturnValue:
    """List accounts and keys."""
    return _page()


@blueprint.post("/people")
@requires(Role.ADMIN)
def person_add() -> ResponseReturnValue:
    """Add an account with a password made up here and shown once."""
    mine = services()
    password = passwords.made_up()
    try:
        with mine.database.writing() as writing:
            account = accounts.add_staff(
                writing,
                account_id=new_id(),
                email=request.form.get("email", ""),
                name=request.form.get("name", ""),
                role=_role(),
                password=password,
                now=mine.clock.now(),
            )
            note_view(writing, "add", "staff", account.id, mine.clock.now())
            told = (f"The password of {account.name}", password)
    except AccountRefused as error:
        return _page(problem=str(error), typed=request.form.to_dict()), 422
    return _page(secret=told)


@blueprint.post("/people/<staff_id>/role")
@requires(Role.ADMIN)
def person_role(staff_id: str) -> ResponseReturnValue:
    """Give an account another role."""
    role = _role()
    return _change(
        staff_id, "role", lambda writing, who, _now: accounts.change_role(writing, who, role), "Role changed."
    )


@blueprint.post("/people/<staff_id>/disable")
@requires(Role.ADMIN)
def person_disable(staff_id: str) -> ResponseReturnValue:
    """Shut an account out, after asking."""
    if not is_confirmed():
        with services().database.reading() as reading:
            name = accounts.the_account(reading, staff_id).name
        effects = ["They are logged out everywhere at once.", "What they wrote and did stays on record."]
        return ask_first(question=f"Shut out {name}?", effects=effects, yes="Shut out", back="/staff/people")
    return _change(staff_id, "disable", accounts.disable, "Shut out.")


@blueprint.post("/people/<staff_id>/enable")
@requires(Role.ADMIN)
def person_enable(staff_id: str) -> ResponseReturnValue:
    """Let an account in again."""
    return _change(staff_id, "enable", lambda _writing, who, _now: accounts.enable(who), "Let in again.")


@blueprint.post("/people/<staff_id>/password")
@requires(Role.ADMIN)
def person_password(staff_id: str) -> ResponseReturnValue:
    """Make up a new password for somebody who lost theirs, shown once; their sessions end."""
    mine = services()
    password = passwords.made_up()
    with mine.database.writing() as writing:
        account = accounts.the_account(writing, staff_id)
        if account.id == me().id:
            return refused("staff.own_account", "Change your own password here.")
        accounts.change_password(writing, account, password)
        note_view(writing, "password", "staff", staff_id, mine.clock.now())
        told = (f"The new password of {account.name}", password)
    publish(mine.redis, [login_ended()])
    return _page(secret=told)


@blueprint.post("/keys")
@requires(Role.ADMIN)
def key_add() -> ResponseReturnValue:
    """Add an API key, shown once."""
    mine = services()
    name = request.form.get("name", "").strip()[:120]
    if not name:
        return refused("staff.people", "A key needs a name: who uses it?")
    key_id = new_id()
    with mine.database.writing() as writing:
        key = accounts.issue_api_key(writing, key_id=key_id, name=name, now=mine.clock.now(), created_by=me().id)
        note_view(writing, "add", "api_key", key_id, mine.clock.now())
    return _page(secret=(f"The API key {name}", key))


@blueprint.post("/keys/<key_id>/revoke")
@requires(Role.ADMIN)
def key_revoke(key_id: str) -> ResponseReturnValue:
    """End an API key, after asking."""
    mine = services()
    if not is_confirmed():
        effects = ["Whoever uses it is refused from now on. This cannot be taken back; make a new key instead."]
        return ask_first(question="Revoke this API key?", effects=effects, yes="Revoke", back="/staff/people")
    with mine.database.writing() as writing:
        has_ended = accounts.revoke_api_key(writing, key_id, mine.clock.now())
        note_view(writing, "revoke", "api_key", key_id, mine.clock.now())
    return done("staff.people", "Revoked." if has_ended else "It had ended already.")


@blueprint.get("/account")
@requires(Role.AGENT, may_come_first=True)
def own_account() -> ResponseReturnValue:
    """Show who is logged in, and let them change their password."""
    return render_template("staff/account.html", problem="", shortest=passwords.SHORTEST)


@blueprint.post("/account/password")
@requires(Role.AGENT, may_come_first=True)
def own_password() -> ResponseReturnValue:
    """Change one's own password; every session of the account ends, this one too."""
    mine = services()
    now, fresh = mine.clock.now(), request.form.get("fresh", "")
    problem = password_problem(request.form.get("current", ""))
    if not problem and fresh != request.form.get("again", ""):
        problem = "The two new passwords differ."
    if not problem:
        try:
            with mine.database.writing() as writing:
                accounts.change_password(writing, accounts.the_account(writing, me().id), fresh)
                note_view(writing, "password", "staff", me().id, now)
        except AccountRefused as error:
            problem = str(error)
    if problem:
        return render_template("staff/account.html", problem=problem, shortest=passwords.SHORTEST), 422
    publish(mine.redis, [login_ended()])
    logout_user()
    session.clear()
    return done("staff.login", "Your password is changed. Please log in with it.")


def _change(
    staff_id: str, action: str, change: Callable[[Session, StaffAccount, datetime], None], said: str
) -> ResponseReturnValue:
    mine = services()
    now = mine.clock.now()
    try:
        with mine.database.writing() as writing:
            change(writing, accounts.the_account(writing, staff_id), now)
            note_view(writing, action, "staff", staff_id, now)
    except AccountRefused as error:
        return refused("staff.people", str(error))
    publish(mine.redis, [login_ended()])
    return done("staff.people", said)


def _role() -> Role:
    wanted = request.form.get("role", "")
    return Role(wanted) if wanted in set(Role) else Role.AGENT


def _page(*, secret: tuple[str, str] | None = None, problem: str = "", typed: dict[str, str] | None = None) -> str:
    mine = services()
    now = mine.clock.now()
    with mine.database.reading() as reading:
        everybody, keys, names = accounts.everybody(reading), accounts.api_keys(reading), accounts.names_of(reading)
    return render_template(
        "staff/people.html",
        everybody=everybody,
        keys=keys,
        names=names,
        roles=ROLES,
        secret=secret,
        problem=problem,
        typed=typed or {},
        day=lambda at: words.day(at.date(), now),
    )
