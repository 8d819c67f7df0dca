"""The second step of staff's login: a code of six digits from a phone (RFC 6238), or a recovery code once.

The key of an account is derived from the house's oldest secret key and a random nonce in its row, so who reads the
database alone can make no code, and nothing has to be encrypted. Times are machine time.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

import pyotp
from redis import Redis
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from portal.accounts import RecoveryCode, StaffAccount
from portal.tally import Tally

STEP_S = 30
LATE_STEPS = 1  # a code counts for one step more on either side: phones' clocks differ (RFC 6238, 5.2)
RECOVERY_CODES = 10
# Wrong codes an hour of one account, wherever they come from: three codes of a million are right at any moment.
WRONG_CODES, WINDOW_S = 10, 3600
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class CodeAttempts:
    """Counts wrong codes by account."""

    def __init__(self, redis: Redis) -> None:
        self._tally = Tally(redis, "codes", WINDOW_S)

    def are_used_up(self, staff_id: str, elapsed_s: float) -> bool:
        """True when this account has had too many wrong codes in this hour."""
        return self._tally.counts([staff_id], elapsed_s)[staff_id] >= WRONG_CODES

    def failed(self, staff_id: str, elapsed_s: float) -> None:
        """Count one wrong code."""
        self._tally.add([staff_id], elapsed_s)


def begin(account: StaffAccount) -> None:
    """Make a fresh key for an account that has no second step; it counts once ``confirm`` has seen a code of it."""
    account.totp_nonce, account.totp_since, account.totp_step = secrets.token_hex(16), None, None


def confirm(
    session: Session, account: StaffAccount, code: str, *, pepper: str, elapsed_s: float, now: datetime
) -> list[str]:
    """Set the second step up and return the recovery codes, seen this once; none when the code is wrong."""
    if account.totp_nonce is None or account.totp_since is not None:
        return []
    if not _take_code(session, account, code, pepper, elapsed_s):
        return []
    account.totp_since = now
    return new_recovery_codes(session, account)


def check(session: Session, account: StaffAccount, code: str, *, pepper: str, elapsed_s: float) -> bool:
    """True when this is a code of now, or a recovery code; either counts once only."""
    if account.totp_since is None:
        return False
    return _take_code(session, account, code, pepper, elapsed_s) or _take_recovery_code(session, account, code)


def remove(session: Session, account: StaffAccount) -> None:
    """Let an account log in by its password alone again."""
    account.totp_nonce = account.totp_since = account.totp_step = None
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == account.id))


def new_recovery_codes(session: Session, account: StaffAccount) -> list[str]:
    """Put ten fresh recovery codes, of 79 random bits each, in place of those before, and return them."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == account.id))
    codes = [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)
    ]
    session.add_all(RecoveryCode(id=_digest(account.id, code), staff_id=account.id) for code in codes)
    return codes


def recovery_codes_left(session: Session, staff_id: str) -> int:
    """Return how many recovery codes have not been used."""
    return session.scalar(select(func.count()).where(RecoveryCode.staff_id == staff_id)) or 0


def key_of(account: StaffAccount, pepper: str) -> str:
    """Return the key that the phone keeps, in base32; raises ``ValueError`` before ``begin``."""
    if account.totp_nonce is None:
        raise ValueError("this account has no key")
    told = f"totp.v1|{account.id}|{account.totp_nonce}".encode()
    return base64.b32encode(hmac.digest(pepper.encode(), told, hashlib.sha256)[:20]).decode()


def address_of(account: StaffAccount, pepper: str, company: str) -> str:
    """Return the ``otpauth:`` address behind the QR code."""
    return pyotp.TOTP(key_of(account, pepper)).provisioning_uri(name=account.email, issuer_name=company)


def _take_code(session: Session, account: StaffAccount, code: str, pepper: str, elapsed_s: float) -> bool:
    """True when the code is right and its step, or a later one, was not taken before."""
    typed = "".join(code.split())
    if len(typed) != 6 or not (typed.isascii() and typed.isdigit()):
        return False
    totp = pyotp.TOTP(key_of(account, pepper), interval=STEP_S)
    now = int(elapsed_s // STEP_S)
    steps = range(now - LATE_STEPS, now + LATE_STEPS + 1)
    right = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), typed)]
    if not right:
        return False
    taken = update(StaffAccount).where(
        StaffAccount.id == account.id, or_(StaffAccount.totp_step.is_(None), StaffAccount.totp_step < right[0])
    )
    return session.scalar(taken.values(totp_step=right[0]).returning(StaffAccount.id)) is not None


def _take_recovery_code(session: Session, account: StaffAccount, code: str) -> bool:
    typed = "-".join("".join(code.lower().split()).replace("-", "")[at : at + 4] for at in range(0, 16, 4))
    used = delete(RecoveryCode).where(RecoveryCode.id == _digest(account.id, typed))
    return session.scalar(used.returning(RecoveryCode.id)) is not None


def _digest(staff_id: str, code: str) -> str:
    return hashlib.sha256(f"{staff_id}|{code}".encode()).hexdigest()
