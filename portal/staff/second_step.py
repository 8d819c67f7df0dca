"""One's own second step: set it up with a phone, get recovery codes, turn it off; and the reset by an admin."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal import accounts, second_step
from portal.accounts import Role, StaffAccount
from portal.services import services
from portal.staff.own_password import TOO_OFTEN, password_problem
from portal.staff.qr import qr
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, me, note_view, refused, requires
from tracking.facts import login_ended, publish

WRONG_CODE = "This code is not right, or was used already. Wait for the next one."


@blueprint.get("/account/second-step")
@requires(Role.AGENT, may_come_first=True)
def second_step_page() -> ResponseReturnValue:
    """Show whether there is a second step."""
    return _page()


@blueprint.post("/account/second-step/begin")
@requires(Role.AGENT, may_come_first=True)
def second_step_begin() -> ResponseReturnValue:
    """Make a key and show it as a QR code. The password is asked, so that an open screen is not enough."""
    refusal = password_problem(request.form.get("password", ""))
    if refusal:
        return _page(problem=refusal), 422
    mine = services()
    with mine.database.writing() as writing:
        account = accounts.the_account(writing, me().id)
        if account.totp_since is not None:
            return refused("staff.second_step_page", "It is set up already.")
        second_step.begin(account)
    return _page(is_setting_up=True)


@blueprint.post("/account/second-step/confirm")
@requires(Role.AGENT, may_come_first=True)
def second_step_confirm() -> ResponseReturnValue:
    """Take the first code of the phone and show the recovery codes, once."""
    mine = services()
    now, elapsed_s = mine.clock.now(), mine.clock.elapsed()
    if mine.codes.are_used_up(me().id, elapsed_s):
        return _page(is_setting_up=True, problem=TOO_OFTEN), 429
    with mine.database.writing() as writing:
        account = accounts.the_account(writing, me().id)
        code, pepper = request.form.get("code", ""), mine.settings.secret_keys[0]
        codes = second_step.confirm(writing, account, code, pepper=pepper, elapsed_s=elapsed_s, now=now)
        if codes:
            note_view(writing, "second_step_on", "staff", account.id, now)
    if not codes:
        mine.codes.failed(me().id, elapsed_s)
        return _page(is_setting_up=True, problem=WRONG_CODE), 422
    return _page(codes=codes)


@blueprint.post("/account/second-step/codes")
@requires(Role.AGENT, may_come_first=True)
def second_step_codes() -> ResponseReturnValue:
    """Make new recovery codes; those before are worth nothing."""
    refusal = password_problem(request.form.get("password", ""))
    if refusal:
        return _page(problem=refusal), 422
    mine = services()
    with mine.database.writing() as writing:
        account = accounts.the_account(writing, me().id)
        if account.totp_since is None:
            return refused("staff.second_step_page", "Set the second step up first.")
        codes = second_step.new_recovery_codes(writing, account)
        note_view(writing, "recovery_codes", "staff", account.id, mine.clock.now())
    return _page(codes=codes)


@blueprint.post("/account/second-step/off")
@requires(Role.AGENT, may_come_first=True)
def second_step_off() -> ResponseReturnValue:
    """Turn one's own second step off, where the house does not require it."""
    mine = services()
    refusal = (
        "This house requires it."
        if mine.settings.needs_second_step
        else password_problem(request.form.get("password", ""))
    )
    if refusal:
        return _page(problem=refusal), 422
    with mine.database.writing() as writing:
        second_step.remove(writing, accounts.the_account(writing, me().id))
        note_view(writing, "second_step_off", "staff", me().id, mine.clock.now())
    return done("staff.second_step_page", "Turned off. Your password alone lets you in now.")


@blueprint.post("/people/<staff_id>/second-step/reset")
@requires(Role.ADMIN)
def person_second_step_reset(staff_id: str) -> ResponseReturnValue:
    """Take away somebody's second step who lost phone and recovery codes, after asking; their sessions end."""
    mine = services()
    if not is_confirmed():
        with mine.database.reading() as reading:
            name = accounts.the_account(reading, staff_id).name
        effects = [
            "Make sure that it is really them who ask: call them on a number you know.",
            "They are logged out, and get in by their password alone until they set it up again.",
        ]
        question = f"Reset the second step of {name}?"
        return ask_first(question=question, effects=effects, yes="Reset", back="/staff/people")
    with mine.database.writing() as writing:
        account = accounts.the_account(writing, staff_id)
        second_step.remove(writing, account)
        account.session_epoch += 1
        note_view(writing, "second_step_reset", "staff", staff_id, mine.clock.now())
    publish(mine.redis, [login_ended()])
    return done("staff.people", "Reset.")


def _page(*, is_setting_up: bool = False, problem: str = "", codes: list[str] | None = None) -> str:
    mine = services()
    pepper = mine.settings.secret_keys[0]
    with mine.database.reading() as reading:
        account = accounts.the_account(reading, me().id)
        left = second_step.recovery_codes_left(reading, account.id)
    shows_key = is_setting_up and account.totp_nonce is not None and account.totp_since is None
    return render_template(
        "staff/second_step.html",
        account=account,
        left=left,
        codes=codes or [],
        problem=problem,
        is_required=mine.settings.needs_second_step,
        key=_grouped(account, pepper) if shows_key else "",
        drawing=qr(second_step.address_of(account, pepper, mine.settings.company_name)) if shows_key else "",
    )


def _grouped(account: StaffAccount, pepper: str) -> str:
    key = second_step.key_of(account, pepper)
    return " ".join(key[at : at + 4] for at in range(0, len(key), 4))
