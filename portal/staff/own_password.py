"""One's own password, asked again before something that an open screen alone must not do."""

from flask import request

from portal import accounts, passwords
from portal.services import services
from portal.staff.shell import me

TOO_OFTEN = "That was tried too often. Please wait a quarter of an hour."
WRONG = "The password is wrong."


def password_problem(typed: str) -> str:
    """Return why what was typed does not open this, or nothing; failures count as at the login."""
    mine = services()
    account, address, elapsed_s = me().email, request.remote_addr or "", mine.clock.elapsed()
    if mine.attempts.are_used_up(account=account, address=address, elapsed_s=elapsed_s):
        return TOO_OFTEN
    with mine.database.reading() as reading:
        stored = accounts.the_account(reading, me().id).password_hash
    if passwords.is_right(stored, typed):
        return ""
    mine.attempts.failed(account=account, address=address, elapsed_s=elapsed_s)
    return WRONG
