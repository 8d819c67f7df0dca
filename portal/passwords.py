"""Passwords of staff: hashed with argon2id, checked in about the same time whether or not the account exists."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

# NIST SP 800-63B-4: length is what counts, 15 for a password alone, no composition rules; the upper bound is ours.
SHORTEST = 15
LONGEST = 200

# argon2-cffi's defaults are RFC 9106's low-memory profile: 64 MiB, 3 passes (reference/messaging.md 5.6).
_HASHER = PasswordHasher()
# Of a password nobody has: what an unknown account is checked against, so that it costs the same.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$w0VDI2FpWXUqG04VLxOxRA$P38yZtdPHYQE4oBfJUAJ+ePoAkEfbVzZs5gL7JsufxE"


def hash_password(password: str) -> str:
    """Return the argon2id hash that is stored of ``password``."""
    return _HASHER.hash(password)


def is_right(stored: str | None, password: str) -> bool:
    """True when ``password`` is the one ``stored`` was made of. None (no such account) takes as long and is False."""
    if len(password) > LONGEST:
        return False
    try:
        return _HASHER.verify(stored or _NOBODY, password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """True when ``stored`` was made with weaker parameters than today's, and should be made again at login."""
    return _HASHER.check_needs_rehash(stored)


def problem_with(password: str, *, email: str, name: str) -> str | None:
    """Return a sentence why this may not be a password, or None when it may."""
    if len(password) < SHORTEST:
        return f"A password needs at least {SHORTEST} characters. Four or five words in a row do well."
    if len(password) > LONGEST:
        return f"A password may have at most {LONGEST} characters."
    plain = password.casefold()
    if any(part and part.casefold() in plain for part in (email, email.partition("@")[0], name) if len(part) > 3):
        return "A password must not hold your name or email address."
    if len(set(plain)) < 5:
        return "This password repeats too few characters."
    return None


def made_up() -> str:
    """Return a fresh password of 120 random bits that can be read out: five groups of five letters and digits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(5))
