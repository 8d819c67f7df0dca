"""Login and logout. One neutral sentence for every refusal; failures are counted by account and by address."""

import re

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from portal import accounts, passwords
from portal.accounts import Role, StaffAccount
from portal.audit import audit
from portal.services import services
from portal.staff.shell import SEEN, Staff, blueprint, me, requires
from tracking.actors import Actor, ActorKind
from tracking.facts import login_ended, publish

WRONG = "This email address and password do not belong together."
TOO_OFTEN = "That was tried too often. Please wait a quarter of an hour."
# One slash, then no second one, no backslash and nothing that cannot stand in a header.
_STAFF_PAGE = re.compile(r"/staff/(?!/)[!-\[\]-~]*", re.ASCII)


@blueprint.get("/login")
def login() -> ResponseReturnValue:
    """Ask for address and password."""
    if current_user.is_authenticated:
        return redirect(url_for("staff.today"), 303)
    return _form()


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Check address and password, and start a fresh session."""
    mine = services()
    email, password = request.form.get("email", "").strip(), request.form.get("password", "")
    address, elapsed_s = request.remote_addr or "", mine.clock.elapsed()
    if mine.attempts.are_used_up(account=email, address=address, elapsed_s=elapsed_s):
        return _form(email, TOO_OFTEN), 429
    with mine.database.reading() as reading:
        account = accounts.by_email(reading, email)
    # The hash is checked with no transaction open: it takes a quarter of a second.
    is_right = passwords.is_right(account.password_hash if account else None, password)
    if account is None or not is_right or account.disabled_at is not None:
        mine.attempts.failed(account=email, address=address, elapsed_s=elapsed_s)
        return _form(email, WRONG), 422
    _start(account, password, elapsed_s)
    return redirect(_back(request.form.get("next")), 303)


@blueprint.post("/logout")
@requires(Role.AGENT)
def logout() -> ResponseReturnValue:
    """End this login everywhere its cookie may have been copied to."""
    mine = services()
    with mine.database.writing() as writing:
        accounts.close_session(writing, me().secret)
    publish(mine.redis, [login_ended()])
    logout_user()
    session.clear()
    return redirect(url_for("staff.login"), 303)


def _start(account: StaffAccount, password: str, elapsed_s: float) -> None:
    mine = services()
    fresh = passwords.hash_password(password) if passwords.is_outdated(account.password_hash) else None
    with mine.database.writing() as writing:
        row = accounts.the_account(writing, account.id)
        if fresh:
            row.password_hash = fresh
        secret = accounts.open_session(writing, row, elapsed_s)
        audit(writing, Actor(ActorKind.STAFF, row.id), "log_in", "staff", row.id, mine.clock.now())
    session.clear()  # a session from before the login, with its token, is worth nothing after it
    session[SEEN] = elapsed_s
    login_user(Staff(id=account.id, name=account.name, email=account.email, role=account.role, secret=secret))


def _form(email: str = "", problem: str = "") -> str:
    wanted = request.values.get("next", "")
    return render_template("staff/login.html", email=email, problem=problem, next=wanted)


def _back(wanted: str | None) -> str:
    """Return where to go after the login: only ever a staff page of ours."""
    if wanted and _STAFF_PAGE.fullmatch(wanted):
        return wanted
    return url_for("staff.today")
