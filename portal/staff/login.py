"""Login and logout. One neutral sentence for every refusal; failures are counted by account and by address.

Who has a second step is half in after the password: the signed cookie says who, for five minutes, and nothing else
opens. The session proper begins with the code.
"""

import re

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from portal import accounts, passwords, second_step
from portal.accounts import Role, StaffAccount
from portal.audit import audit
from portal.services import services
from portal.staff.shell import SEEN, Staff, blueprint, me, requires
from tracking.actors import Actor, ActorKind
from tracking.facts import login_ended, publish

WRONG = "This email address and password do not belong together."
TOO_OFTEN = "That was tried too often. Please wait a quarter of an hour."
WRONG_CODE = "This code is not right, or was used already. Wait for the next one."
TOO_MANY_CODES = "Too many wrong codes. Please wait an hour, or ask an admin."
HALF, HALF_S = "half", 300  # in the signed cookie: who has given the password, when, and where they go
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
    _keep_fresh(account, password)
    if account.totp_since is not None:
        session.clear()
        session[HALF] = [account.id, account.session_epoch, elapsed_s, request.form.get("next", "")]
        return redirect(url_for("staff.login_code"), 303)
    _start(account.id, elapsed_s, "password")
    return redirect(_back(request.form.get("next")), 303)


@blueprint.get("/login/code")
def login_code() -> ResponseReturnValue:
    """Ask for the code of the second step."""
    if _half_in() is None:
        return redirect(url_for("staff.login"), 303)
    return render_template("staff/login_code.html", problem="")


@blueprint.post("/login/code")
def check_code() -> ResponseReturnValue:
    """Check the code, and start a fresh session."""
    mine = services()
    half, elapsed_s = _half_in(), mine.clock.elapsed()
    if half is None:
        return redirect(url_for("staff.login"), 303)
    staff_id, epoch, wanted = half
    if mine.codes.are_used_up(staff_id, elapsed_s):
        return render_template("staff/login_code.html", problem=TOO_MANY_CODES), 429
    with mine.database.writing() as writing:
        account = accounts.the_account(writing, staff_id)
        is_same = account.disabled_at is None and account.session_epoch == epoch
        pepper, code = mine.settings.secret_keys[0], request.form.get("code", "")
        is_right = is_same and second_step.check(writing, account, code, pepper=pepper, elapsed_s=elapsed_s)
    if not is_right:
        mine.codes.failed(staff_id, elapsed_s)
        return render_template("staff/login_code.html", problem=WRONG_CODE), 422
    _start(staff_id, elapsed_s, "code")
    return redirect(_back(wanted), 303)


@blueprint.post("/logout")
@requires(Role.AGENT, may_come_first=True)
def logout() -> ResponseReturnValue:
    """End this login everywhere its cookie may have been copied to."""
    mine = services()
    with mine.database.writing() as writing:
        accounts.close_session(writing, me().secret)
    publish(mine.redis, [login_ended()])
    logout_user()
    session.clear()
    return redirect(url_for("staff.login"), 303)


def _half_in() -> tuple[str, int, str] | None:
    """Return who has given the password lately, of which session epoch, and where they go; None for nobody."""
    half = session.get(HALF)
    if half is None or services().clock.elapsed() - half[2] > HALF_S:
        return None
    return half[0], half[1], half[3]


def _keep_fresh(account: StaffAccount, password: str) -> None:
    """Make the hash again when it was made with weaker parameters than today's."""
    if not passwords.is_outdated(account.password_hash):
        return
    fresh = passwords.hash_password(password)
    with services().database.writing() as writing:
        accounts.the_account(writing, account.id).password_hash = fresh


def _start(staff_id: str, elapsed_s: float, by: str) -> None:
    mine = services()
    with mine.database.writing() as writing:
        row = accounts.the_account(writing, staff_id)
        secret = accounts.open_session(writing, row, elapsed_s)
        audit(writing, Actor(ActorKind.STAFF, row.id), "log_in", "staff", row.id, mine.clock.now(), by)
    session.clear()  # a session from before the login, with its token, is worth nothing after it
    session[SEEN] = elapsed_s
    login_user(Staff(row, secret))


def _form(email: str = "", problem: str = "") -> str:
    wanted = request.values.get("next", "")
    return render_template("staff/login.html", email=email, problem=problem, next=wanted)


def _back(wanted: str | None) -> str:
    """Return where to go after the login: only ever a staff page of ours."""
    if wanted and _STAFF_PAGE.fullmatch(wanted):
        return wanted
    return url_for("staff.today")
